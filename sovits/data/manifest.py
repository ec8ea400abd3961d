"""The prepared set on disk: ``<root>/manifest.jsonl``, a header line and then one utterance a line.

``<root>/quarantine.jsonl`` is the same for the clips that the quality gate keeps out of training, each with its reasons.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sovits.data.quality.quality import Quality, Reason
from sovits.errors import SovitsError

SCHEMA_VERSION = 2
FILE_NAME = "manifest.jsonl"
QUARANTINE_NAME = "quarantine.jsonl"
SPLITS = ("train", "val", "test")
UNTOLD = "untold"
"""The language of a clip of which nobody tells what is said."""


@dataclass(frozen=True)
class Word:
    """One spoken word and when, in seconds from the utterance's start."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Utterance:
    """One aligned clip of 1-12 s."""

    id: str
    """``<speaker>/<name>``, unique in the set."""
    path: str
    """The clip's audio, relative to the manifest's folder, with forward slashes."""
    speaker: str
    language: str
    """``en``, ``zh`` or ``mixed``; ``untold`` where nobody tells what is said."""
    text: str
    """What is said; empty where nobody tells."""
    start: float
    """Seconds into the recording it was cut from."""
    end: float
    duration: float
    """Seconds of the clip as written."""
    split: str
    """``train``, ``val`` or ``test``."""
    recording: str
    """The raw file, relative to the recordings folder."""
    transcript: str
    """Where the text came from: ``sidecar:<file>`` or ``whisper:<model>``; empty without one."""
    content_hash: str
    """SHA-256 of the clip's bytes."""
    words: tuple[Word, ...] = ()
    """Word times, where Whisper gave them."""
    quality: Quality = field(default_factory=Quality)
    """What was measured of it."""
    reasons: tuple[Reason, ...] = ()
    """Why it is quarantined; none for a clip that is kept."""

    @property
    def told(self) -> bool:
        """Whether it is known what is said."""
        return self.language != UNTOLD


@dataclass(frozen=True)
class Manifest:
    """The utterances of one prepared set and the audio settings they were written with."""

    sample_rate: int
    utterances: tuple[Utterance, ...]

    @property
    def speakers(self) -> list[str]:
        """Every speaker of the set, sorted."""
        return sorted({utterance.speaker for utterance in self.utterances})

    def save(self, root: Path, name: str = FILE_NAME) -> Path:
        """Writes ``root/<name>`` in one atomic step and returns its path."""
        header = {"schema_version": SCHEMA_VERSION, "sample_rate": self.sample_rate}
        lines = [header, *(asdict(utterance) for utterance in self.utterances)]
        path = root / name
        partial = path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        partial.replace(path)
        return path

    @classmethod
    def load(cls, root: Path | str, name: str = FILE_NAME) -> Manifest:
        """Reads ``root/<name>``.

        Raises:
            SovitsError: no manifest there, another schema version, or a line that is not an utterance.
        """
        path = Path(root) / name
        if not path.is_file():
            raise SovitsError(f"No prepared set at {root}: {name} is missing; make one with `sovits prepare recordings=DIR`.")
        header, *rows = path.read_text(encoding="utf-8").splitlines() or ["{}"]
        version = _parse(path, 1, header).get("schema_version")
        if version != SCHEMA_VERSION:
            raise SovitsError(f"{path} has schema version {version}, this version reads {SCHEMA_VERSION}; run `sovits prepare` again.")
        utterances = tuple(_utterance(path, number, row) for number, row in enumerate(rows, start=2))
        return cls(sample_rate=_parse(path, 1, header)["sample_rate"], utterances=utterances)


def _parse(path: Path, number: int, line: str) -> dict:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise SovitsError(f"{path}, line {number} is not JSON ({error.msg}); run `sovits prepare` again to rewrite it.") from error


def _utterance(path: Path, number: int, line: str) -> Utterance:
    row = _parse(path, number, line)
    missing = {field.name for field in fields(Utterance)} - row.keys()
    if missing:
        raise SovitsError(f"{path}, line {number} lacks {', '.join(sorted(missing))}; run `sovits prepare` again to rewrite it.")
    return utterance_from(row)


def utterance_from(row: dict[str, Any]) -> Utterance:
    """The utterance whose ``asdict`` is ``row``.

    Raises:
        TypeError, KeyError: the row has other fields.
    """
    return Utterance(
        **{
            **row,
            "words": tuple(Word(**word) for word in row["words"]),
            "quality": Quality(**row["quality"]),
            "reasons": tuple(Reason(**reason) for reason in row["reasons"]),
        }
    )
