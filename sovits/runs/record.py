"""``run.json``: what a run is, what it was made from, and how it ended."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sovits.errors import SovitsError

FORMAT = 1
FILE_NAME = "run.json"
RUNNING, FINISHED, FAILED, STOPPED = "running", "finished", "failed", "stopped"
"""A run that was killed says ``running`` for ever; one that a scheduler asked to give way says ``stopped``."""


@dataclass(frozen=True)
class RunRecord:
    """Written when a run starts and again when it ends."""

    status: str
    reason: str | None
    """Why it failed or stopped, in a sentence."""
    started: str
    """Of the first attempt; ISO 8601, UTC."""
    updated: str
    """When this was written; likewise."""
    attempts: int
    """Processes that have worked on it, one after another: 1 where it was never resumed."""
    overrides: list[str]
    """What its command said, behind the verb."""
    directory: str | None = None
    """Where the command was given: what relative paths of ``overrides`` begin at."""
    generator_step: int = 0
    speakers: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    """``root``, ``fingerprint`` (of what is trained and judged on), ``clips`` and ``seconds`` to train on."""
    teacher: dict[str, Any] | None = None
    """``path``, ``sha256`` and ``generator_step`` of the checkpoint that a distilled model learns from."""
    commit: str | None = None
    """Of the code; with ``+`` behind it where files were changed. None outside a checkout."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of Python and the packages that figures depend on."""
    hardware: dict[str, Any] = field(default_factory=dict)
    reproduces: str | None = None
    """The run that this one repeats."""
    wandb_id: str | None = None
    format: int = FORMAT

    def save(self, run: Path) -> Path:
        """Writes ``<run>/run.json`` in one atomic step."""
        path = run / FILE_NAME
        run.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{FILE_NAME}.{os.getpid()}.partial")
        partial.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(path)
        return path

    @classmethod
    def load(cls, run: Path) -> RunRecord:
        """Reads ``<run>/run.json``.

        Raises:
            SovitsError: there is none, or it is damaged or of another format.
        """
        path = run / FILE_NAME
        if not path.is_file():
            raise SovitsError(
                f"{run} is not a run of `sovits train`: it has no {FILE_NAME}; give a folder such as outputs/train/DATE_TIME."
            )
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SovitsError(f"{path} is damaged ({error}); run the training again.") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise SovitsError(f"{path} is not of format {FORMAT}, the one that this version reads; run the training again.")
        known = {one.name for one in fields(cls)}
        if unknown := sorted(content.keys() - known):
            raise SovitsError(f"{path} has the unknown field {unknown[0]}; use the version that wrote it.")
        missing = [one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING and one.name not in content]
        if missing:
            raise SovitsError(f"{path} lacks the field {missing[0]}; run the training again.")
        return cls(**content)


def now() -> str:
    """The time as records write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
