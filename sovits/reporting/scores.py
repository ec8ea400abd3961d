"""What was measured on each clip, as tables: per clip, per speaker, and in all."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from sovits.metrics import REAL, RECONSTRUCTION, Confusion, Figure


@dataclass(frozen=True)
class ClipScores:
    """One held-out clip and what was measured of it."""

    id: str
    speaker: str
    zero_shot: bool
    """The model was not trained on this speaker; the voice comes from one clip."""
    language: str
    text: str
    seconds: float
    """Of the recording."""
    seconds_synthesis: float
    real_time_factor: float
    """Seconds of work for each second of synthesised speech: the one column that another run of the same model does not repeat."""
    figures: dict[str, float] = field(default_factory=dict)
    """Of the judges, by name; those of the recording end in ``_real``, those of the reconstruction in ``_reconstruction``."""


def mean(values: Sequence[float]) -> float:
    """Mean of the values that are numbers; NaN where none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


@dataclass(frozen=True)
class Scores:
    """All clips of an evaluation.

    Args:
        clips: what was measured.
        shown: the judges' figures, in their order.
        names: of all figures, those of recordings and reconstructions among them.
        confusion: who was taken for whom; None where nobody judged that.
    """

    clips: Sequence[ClipScores]
    shown: Sequence[Figure]
    names: Sequence[str]
    confusion: Confusion | None = None

    def of(self, speaker: str) -> list[ClipScores]:
        """The clips of one speaker."""
        return [clip for clip in self.clips if clip.speaker == speaker]

    def by_speaker(self) -> dict[str, dict[str, float]]:
        """Each speaker's mean of every figure, in the order of the clips."""
        speakers = dict.fromkeys(clip.speaker for clip in self.clips)
        return {
            speaker: {name: mean([clip.figures.get(name, math.nan) for clip in self.of(speaker)]) for name in self.names}
            for speaker in speakers
        }

    def overall(self) -> dict[str, float]:
        """Mean over speakers of their means: a speaker with many clips counts as much as one with few."""
        speakers = self.by_speaker()
        return {name: mean([figures[name] for figures in speakers.values()]) for name in self.names}

    def worst(self, figure: Figure) -> tuple[str, float] | None:
        """The speaker whom the model serves worst, and the speaker's mean; None where the figure is not known or has no better side."""
        if figure.higher_is_better is None:
            return None
        known = {name: own[figure.name] for name, own in self.by_speaker().items() if not math.isnan(own[figure.name])}
        if not known:
            return None
        speaker = (min if figure.higher_is_better else max)(known, key=lambda name: known[name])
        return speaker, known[speaker]

    def real_time_factor(self) -> float:
        """Mean over clips."""
        return mean([clip.real_time_factor for clip in self.clips])


def write_tables(scores: Scores, about: Mapping[str, Any], folder: Path) -> None:
    """Writes ``metrics.csv`` (a row per clip), ``speakers.csv``, ``confusion.csv`` and ``summary.json`` (``about``, meanings, means).

    A figure that could not be taken is an empty cell, or null.
    """
    rows = [{name: value for name, value in asdict(clip).items() if name != "figures"} | _filled(scores, clip) for clip in scores.clips]
    _write_csv(folder / "metrics.csv", rows)
    speakers = scores.by_speaker()
    _write_csv(folder / "speakers.csv", [{"speaker": name, **_counted(scores, name), **figures} for name, figures in speakers.items()])
    if scores.confusion is not None:
        _write_csv(folder / "confusion.csv", _confused(scores.confusion))
    summary = {
        **about,
        "clips": len(scores.clips),
        "speakers": len(speakers),
        "real_time_factor": round(scores.real_time_factor(), 4),
        "figures": {figure.name: {key: value for key, value in asdict(figure).items() if key != "name"} for figure in scores.shown},
        "means_over_speakers": {name: None if math.isnan(value) else round(value, 6) for name, value in scores.overall().items()},
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def table(scores: Scores) -> Table:
    """The means over speakers, for a terminal: synthesis beside reconstruction and recording."""
    means = scores.overall()
    result = Table("figure", "synthesis", "reconstruction", "recording", "worst speaker", title="Means over speakers")
    for figure in scores.shown:
        worst = scores.worst(figure)
        values = [shown(means.get(figure.name + ending, math.nan), figure.digits) for ending in ("", RECONSTRUCTION, REAL)]
        result.add_row(figure.heading, *values, "–" if worst is None else f"{shown(worst[1], figure.digits)} {worst[0]}")
    result.add_row("real-time factor", shown(scores.real_time_factor()), "", "", "")
    return result


def shown(value: float, digits: int = 2) -> str:
    """A figure with as many digits as it deserves; a dash for none."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _filled(scores: Scores, clip: ClipScores) -> dict[str, float]:
    return {name: clip.figures.get(name, math.nan) for name in scores.names}


def _counted(scores: Scores, speaker: str) -> dict[str, Any]:
    own = scores.of(speaker)
    return {"clips": len(own), "zero_shot": own[0].zero_shot}


def _confused(confusion: Confusion) -> list[dict[str, Any]]:
    """A row for each speaker and kind of sound: how many clips were taken for whom."""
    kinds = {"synthesis": confusion.synthesis, "recording": confusion.recordings}
    return [
        {"sound": kind, "speaker": speaker, **{name: int(count) for name, count in zip(confusion.speakers, row, strict=True)}}
        for kind, counts in kinds.items()
        for speaker, row in zip(confusion.speakers, counts, strict=True)
    ]


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else round(value, 6)
    return value
