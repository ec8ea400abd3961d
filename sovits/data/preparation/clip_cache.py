"""What became of each recording in earlier runs, kept under a key of everything that it depends on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sovits.data.corpora.recording import Recording
from sovits.data.manifest import utterance_from
from sovits.data.preparation.outcome import Omission, Outcome

FOLDER = "cache"
_VERSION = 1
"""Raise it when the same input would now give other clips."""


class ClipCache:
    """``<root>/cache/<key>.json``, one file a recording; the clips themselves lie under ``<root>/audio``.

    Args:
        root: the prepared set's folder.
        settings: what every clip depends on, beside its recording; plain values.
    """

    def __init__(self, root: Path, settings: dict[str, Any]) -> None:
        self.root = root
        self.settings = settings
        self.used: set[str] = set()

    def key(self, recording: Recording, audio_hash: str) -> str:
        """A key of the recording's bytes and names, its transcript and the settings."""
        parts = [recording.name, recording.speaker, recording.stem, recording.text, recording.transcript, recording.language]
        content = json.dumps([_VERSION, audio_hash, parts, self.settings], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    def load(self, key: str) -> Outcome | None:
        """The outcome kept under ``key``, if its clips are all there and unchanged."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            utterances = tuple(utterance_from(row) for row in kept["utterances"])
            outcome = Outcome(utterances, tuple(Omission(**row) for row in kept["omissions"]))
        except (json.JSONDecodeError, KeyError, TypeError):
            # Written by another version, or by a run that was killed: as good as none.
            return None
        if any(file_hash(self.root / utterance.path) != utterance.content_hash for utterance in outcome.utterances):
            return None
        self.used.add(key)
        return outcome

    def save(self, key: str, outcome: Outcome) -> None:
        """Keeps ``outcome`` under ``key``, in one atomic step."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(outcome), ensure_ascii=False), encoding="utf-8")
        partial.replace(path)
        self.used.add(key)

    def sweep(self, needed: set[str]) -> None:
        """Deletes the outcomes that this run did not use, and the clips that only they name; never a file it did not write.

        Args:
            needed: the paths, relative to the root, of the clips that this run's outcomes name.
        """
        for path in (self.root / FOLDER).glob("*.json"):
            if path.stem in self.used:
                continue
            try:
                clips = [row["path"] for row in json.loads(path.read_text(encoding="utf-8"))["utterances"]]
            except (json.JSONDecodeError, KeyError, TypeError):
                clips = []
            for clip in set(clips) - needed:
                (self.root / clip).unlink(missing_ok=True)
            path.unlink()

    def _path(self, key: str) -> Path:
        return self.root / FOLDER / f"{key}.json"


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file's bytes; ``None`` if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
