"""What a preparation kept and what it left out, for the eye and for programs."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sovits.data.manifest import SPLITS, Utterance
from sovits.data.preparation.outcome import Omission

_SHOWN = 3
"""Recordings printed for each reason; the report's file lists all."""


@dataclass(frozen=True)
class SpeakerSummary:
    """One speaker's part of the set."""

    speaker: str
    seconds: float
    utterances: int
    splits: dict[str, int]
    languages: list[str]
    left_out: int
    """Recordings and pieces of recordings."""
    warning: str | None


@dataclass(frozen=True)
class PreparationReport:
    """One run of ``Preparation``."""

    output: Path
    speakers: tuple[str, ...]
    """All that were found, also those left out."""
    utterances: tuple[Utterance, ...]
    omissions: tuple[Omission, ...]
    recordings: int
    """Audio files found."""
    reused: int
    """Recordings taken over from an earlier run."""
    advised_speaker_seconds: float
    elapsed: float
    """Seconds."""

    @property
    def seconds(self) -> float:
        """Of all utterances."""
        return sum(utterance.duration for utterance in self.utterances)

    def summaries(self) -> list[SpeakerSummary]:
        """By speaker, in order."""
        return [self._summary(speaker) for speaker in self.speakers]

    def reasons(self) -> list[tuple[str, list[str]]]:
        """Every reason to leave something out, with the recordings it holds for; the most frequent first."""
        names: dict[str, list[str]] = defaultdict(list)
        for omission in self.omissions:
            part = "" if omission.start is None else f" ({omission.start:.1f}-{omission.end:.1f} s)"
            names[omission.reason].append(omission.recording + part)
        return sorted(names.items(), key=lambda item: -len(item[1]))

    def _summary(self, speaker: str) -> SpeakerSummary:
        own = [utterance for utterance in self.utterances if utterance.speaker == speaker]
        seconds = sum(utterance.duration for utterance in own)
        splits = Counter(utterance.split for utterance in own)
        warning = None
        if not own:
            warning = "left out, nothing usable or too little"
        elif seconds < self.advised_speaker_seconds:
            warning = f"under the advised {self.advised_speaker_seconds:g} s: add recordings"
        elif len(own) < 3:
            warning = "too few utterances for validation and test: add recordings"
        return SpeakerSummary(
            speaker=speaker,
            seconds=round(seconds, 2),
            utterances=len(own),
            splits={split: splits[split] for split in SPLITS},
            languages=sorted({utterance.language for utterance in own}),
            left_out=sum(omission.speaker == speaker for omission in self.omissions),
            warning=warning,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "recordings": self.recordings,
            "reused": self.reused,
            "utterances": len(self.utterances),
            "seconds": round(self.seconds, 2),
            "elapsed_seconds": round(self.elapsed, 2),
            "speakers": [asdict(summary) for summary in self.summaries()],
            "left_out": [asdict(omission) for omission in self.omissions],
        }

    def to_markdown(self) -> str:
        """The same as a page."""
        head = ["Speaker", "Seconds", "Utterances", "Train / val / test", "Languages", "Left out", "Note"]
        lines = [f"# Prepared set `{self.output.name}`", "", self._sentence(), ""]
        lines += [*_markdown_table(head, [_cells(summary) for summary in self.summaries()]), "", "## Left out", ""]
        rows = [[o.recording, "all" if o.start is None else f"{o.start:.2f}-{o.end:.2f} s", o.reason] for o in self.omissions]
        lines += _markdown_table(["Recording", "Part", "Why, and what to do"], rows) if rows else ["Nothing."]
        return "\n".join(lines) + "\n"

    def save(self) -> None:
        """Writes ``report.json`` and ``report.md`` into the set's folder."""
        self.output.mkdir(parents=True, exist_ok=True)
        (self.output / "report.json").write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (self.output / "report.md").write_text(self.to_markdown(), encoding="utf-8")

    def print(self, console: Console) -> None:
        """Shows the summary, and the first of what was left out."""
        table = Table(title=f"Prepared set {self.output.name}", title_justify="left")
        for name, justify in (("Speaker", "left"), ("Seconds", "right"), ("Utterances", "right"), ("Train / val / test", "right")):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        for name in ("Languages", "Left out"):
            table.add_column(name)
        for summary in self.summaries():
            table.add_row(*_cells(summary)[:-1])
        console.print(table)
        for summary in self.summaries():
            if summary.warning is not None:
                console.print(f"Warning: speaker {summary.speaker}: {summary.warning}", markup=False, highlight=False, soft_wrap=True)
        for reason, names in self.reasons():
            more = f" and {len(names) - _SHOWN} more in {self.output / 'report.md'}" if len(names) > _SHOWN else ""
            line = f"Left out, {len(names)}: {reason}: {', '.join(names[:_SHOWN])}{more}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        console.print(self._sentence(), markup=False, highlight=False, soft_wrap=True)

    def _sentence(self) -> str:
        made = f"{len(self.utterances)} utterances, {self.seconds:.1f} s"
        source = f"from {self.recordings} recordings ({self.reused} reused) in {self.elapsed:.1f} s"
        return f"{made}, {source}; {len(self.omissions)} left out. The set is in {self.output}."


def _cells(summary: SpeakerSummary) -> list[str]:
    splits = " / ".join(str(summary.splits[split]) for split in SPLITS)
    amounts = [f"{summary.seconds:.1f}", str(summary.utterances), splits]
    return [summary.speaker, *amounts, ", ".join(summary.languages), str(summary.left_out), summary.warning or ""]


def _markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
