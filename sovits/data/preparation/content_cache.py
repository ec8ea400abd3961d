"""Results kept under a key of everything they depend on, one small file each, safe to kill at any moment."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any


class ContentCache:
    """``<folder>/<key>.json``, plain values.

    Args:
        folder: made when the first result is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, key: str) -> Any | None:
        """The value kept under ``key``; ``None`` if there is none, or only what a killed run or a damaged disk left of it."""
        try:
            return json.loads(self.path(key).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return None

    def save(self, key: str, value: Any) -> None:
        """Keeps a value other than ``None`` under ``key``, in one atomic step."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        partial.replace(path)

    def path(self, key: str) -> Path:
        """Where the value of ``key`` lies."""
        return self.folder / f"{key}.json"


def content_key(*parts: Any) -> str:
    """A short key of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file's bytes; ``None`` if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
