"""What a preparation kept, quarantined and left out, for the eye and for programs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sovits.data.manifest import SPLITS, Utterance
from sovits.data.preparation.outcome import Note, Omission

_COLUMNS = ("Speaker", "Seconds", "Kept", "Splits", "Languages", "Quarantined", "Left out")
_SHOWN = 3
"""Recordings printed for each reason; the report's file lists all."""


@dataclass(frozen=True)
class SpeakerSummary:
    """One speaker's part of the set."""

    speaker: str
    seconds: float
    """Of the clips that are kept. They are cut at the speech's edges, so this is effective speech, with the pauses within sentences."""
    utterances: int
    splits: dict[str, int]
    languages: list[str]
    quarantined: int
    quarantined_seconds: float
    left_out: int
    """Recordings and pieces of recordings."""
    enough: bool
    """Whether there is the advised amount for few-shot training."""
    advice: list[str]
    """What to do about it, a sentence each."""


@dataclass(frozen=True)
class PreparationReport:
    """One run of ``Preparation``."""

    output: Path
    speakers: tuple[str, ...]
    """All that were found, also those of whom nothing is kept."""
    kept: tuple[Utterance, ...]
    quarantined: tuple[Utterance, ...]
    omissions: tuple[Omission, ...]
    recordings: int
    """Audio files found."""
    reused: int
    """Recordings taken over from an earlier run."""
    advised_speaker_seconds: float
    elapsed: float
    """Seconds."""
    notes: tuple[Note, ...] = ()
    limits: dict[str, dict[str, float]] = field(default_factory=dict)
    """What the quality gate asks of each measure."""

    @property
    def seconds(self) -> float:
        """Of all kept utterances."""
        return sum(utterance.duration for utterance in self.kept)

    def summaries(self) -> list[SpeakerSummary]:
        """By speaker, in order."""
        kept, quarantined = _by_speaker(self.kept), _by_speaker(self.quarantined)
        left_out = Counter(omission.speaker for omission in self.omissions)
        return [self._summary(speaker, kept[speaker], quarantined[speaker], left_out[speaker]) for speaker in self.speakers]

    def reasons(self) -> list[tuple[str, list[str]]]:
        """Every reason to leave something out, with the recordings it holds for; the most frequent first."""
        return _most_frequent((o.reason, o.recording + _part(o)) for o in self.omissions)

    def problems(self) -> list[tuple[str, str]]:
        """The recording or clip and the reason of everything that is not kept."""
        left_out = [(omission.recording + _part(omission), omission.reason) for omission in self.omissions]
        return left_out + [(utterance.id, utterance.reasons[0].text) for utterance in self.quarantined]

    def _summary(self, speaker: str, kept: list[Utterance], quarantined: list[Utterance], left_out: int) -> SpeakerSummary:
        seconds = sum(utterance.duration for utterance in kept)
        splits = Counter(utterance.split for utterance in kept)
        return SpeakerSummary(
            speaker=speaker,
            seconds=round(seconds, 2),
            utterances=len(kept),
            splits={split: splits[split] for split in SPLITS},
            languages=sorted({utterance.language for utterance in kept}),
            quarantined=len(quarantined),
            quarantined_seconds=round(sum(utterance.duration for utterance in quarantined), 2),
            left_out=left_out,
            enough=seconds >= self.advised_speaker_seconds,
            advice=self._advice(seconds, kept, quarantined),
        )

    def _advice(self, seconds: float, kept: list[Utterance], quarantined: list[Utterance]) -> list[str]:
        """What would make a better voice."""
        advice = []
        if not kept:
            advice.append("Nothing of this speaker can be used.")
        if seconds < self.advised_speaker_seconds:
            lacking = self.advised_speaker_seconds - seconds
            advice.append(f"{seconds:.0f} s of the advised {self.advised_speaker_seconds:g} s: record {lacking:.0f} s more.")
        elif len(kept) < len(SPLITS):
            advice.append("Too few utterances for validation and test: record more, in shorter sentences.")
        for measure, clips in _most_frequent((u.reasons[0].measure, f'"{u.text}"') for u in quarantined):
            others = f" and {len(clips) - 1} more" if len(clips) > 1 else ""
            advice.append(f"Record again for {measure.replace('_', ' ')}: {clips[0]}{others}.")
        return advice

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "recordings": self.recordings,
            "reused": self.reused,
            "utterances": len(self.kept),
            "seconds": round(self.seconds, 2),
            "elapsed_seconds": round(self.elapsed, 2),
            "advised_speaker_seconds": self.advised_speaker_seconds,
            "limits": self.limits,
            "speakers": [asdict(summary) for summary in self.summaries()],
            "left_out": [asdict(omission) for omission in self.omissions],
            "notes": [asdict(note) for note in self.notes],
        }

    def to_markdown(self) -> str:
        """The same as a page."""
        head = [*_COLUMNS, "What to do"]
        lines = [f"# Prepared set `{self.output.name}`", "", self._sentence(), ""]
        lines += _markdown_table(head, [[*_cells(summary), " ".join(summary.advice)] for summary in self.summaries()])
        quarantined = [[u.id, u.recording, "; ".join(reason.text for reason in u.reasons)] for u in self.quarantined]
        lines += ["", "## Quarantined", "", *_table_or_nothing(["Clip", "Recording", "Why, and what to do"], quarantined)]
        left_out = [[o.recording, _part(o).strip(" ()") or "all", o.reason] for o in self.omissions]
        lines += ["", "## Left out", "", *_table_or_nothing(["Recording", "Part", "Why, and what to do"], left_out)]
        notes = [[note, str(len(names)), ", ".join(names[:_SHOWN])] for note, names in self._notes()]
        lines += ["", "## Used, but noted", "", *_table_or_nothing(["What", "Recordings", "The first of them"], notes)]
        return "\n".join(lines) + "\n"

    def save(self) -> None:
        """Writes ``report.json`` and ``report.md`` into the set's folder."""
        (self.output / "report.json").write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (self.output / "report.md").write_text(self.to_markdown(), encoding="utf-8")

    def print(self, console: Console) -> None:
        """Shows the summary, and the first of what was quarantined, left out and noted."""
        table = Table(title=f"Prepared set {self.output.name} (splits: train/val/test)", title_justify="left")
        for name in _COLUMNS:
            table.add_column(name, justify="left" if name in ("Speaker", "Languages") else "right")
        for summary in self.summaries():
            table.add_row(*_cells(summary))
        console.print(table)
        for summary in self.summaries():
            for advice in summary.advice:
                _line(console, f"Speaker {summary.speaker}: {advice}")
        for reason, names in self.reasons():
            _line(console, f"Left out, {len(names)}: {reason}: {self._first(names)}")
        for note, names in self._notes():
            _line(console, f"Noted, {len(names)}: {note}: {self._first(names)}")
        _line(console, self._sentence())

    def _notes(self) -> list[tuple[str, list[str]]]:
        return _most_frequent((note.note, note.recording) for note in self.notes)

    def _first(self, names: list[str]) -> str:
        more = f" and {len(names) - _SHOWN} more in {self.output / 'report.md'}" if len(names) > _SHOWN else ""
        return ", ".join(names[:_SHOWN]) + more

    def _sentence(self) -> str:
        made = f"{len(self.kept)} utterances, {self.seconds:.1f} s"
        source = f"from {self.recordings} recordings ({self.reused} reused) in {self.elapsed:.1f} s"
        rest = f"{len(self.quarantined)} quarantined, {len(self.omissions)} left out"
        return f"{made}, {source}; {rest}. The set is in {self.output}."


def _by_speaker(utterances: tuple[Utterance, ...]) -> dict[str, list[Utterance]]:
    own: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        own[utterance.speaker].append(utterance)
    return own


def _most_frequent(pairs: Any) -> list[tuple[str, list[str]]]:
    """Each first value with all its second ones; those with the most come first."""
    names: dict[str, list[str]] = defaultdict(list)
    for key, name in pairs:
        names[key].append(name)
    return sorted(names.items(), key=lambda item: -len(item[1]))


def _part(omission: Omission) -> str:
    return "" if omission.start is None else f" ({omission.start:.1f}-{omission.end:.1f} s)"


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _cells(summary: SpeakerSummary) -> list[str]:
    splits = "/".join(str(summary.splits[split]) for split in SPLITS)
    amounts = [f"{summary.seconds:.1f}", str(summary.utterances), splits]
    return [summary.speaker, *amounts, ", ".join(summary.languages), str(summary.quarantined), str(summary.left_out)]


def _table_or_nothing(head: list[str], rows: list[list[str]]) -> list[str]:
    return _markdown_table(head, rows) if rows else ["Nothing."]


def _markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
