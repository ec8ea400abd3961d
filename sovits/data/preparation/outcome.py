"""What became of a recording: the utterances cut from it, what was left out and why, and what was changed."""

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
class Note:
    """Something unusual about a recording that is used all the same."""

    recording: str
    speaker: str
    note: str


@dataclass(frozen=True)
class Outcome:
    """What became of one recording: its utterances (judged, but not yet in a split), what was left out, what is unusual."""

    utterances: tuple[Utterance, ...] = ()
    omissions: tuple[Omission, ...] = ()
    notes: tuple[Note, ...] = ()
