"""What became of a recording: the utterances cut from it, and what was left out and why."""

from __future__ import annotations

from dataclasses import dataclass

from sovits.data.manifest import Utterance


@dataclass(frozen=True)
class Omission:
    """Speech that was left out."""

    recording: str
    speaker: str
    reason: str
    """What is wrong; what to do about it."""
    start: float | None = None
    """Seconds into the recording; ``None``: all of it."""
    end: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one recording: its utterances (not yet in a split) and what was left out."""

    utterances: tuple[Utterance, ...] = ()
    omissions: tuple[Omission, ...] = ()
