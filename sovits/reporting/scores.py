"""What was measured on each clip, as tables: per clip, per speaker, and in all."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class ClipScores:
    """One held-out clip: its recording, its reconstruction through the posterior, and its synthesis from the text.

    Similarities are mean cosines with the speaker's recordings of *other* sentences, so that the three can be compared.
    """

    id: str
    speaker: str
    zero_shot: bool
    """The model was not trained on this speaker; the voice comes from one clip."""
    language: str
    text: str
    seconds: float
    """Of the recording."""
    seconds_synthesis: float
    mel_distance: float
    """Reconstruction against recording, nats."""
    mel_distance_warped: float
    """Synthesis against recording along the best warping of time, nats."""
    similarity_recording: float
    similarity_reconstruction: float
    similarity_synthesis: float
    similarity_to_own_recording: float
    """Cosine of the reconstruction with the recording it was made from."""
    mos_recording: float
    mos_reconstruction: float
    mos_synthesis: float
    real_time_factor: float
    """Seconds of work for each second of synthesised speech."""


@dataclass(frozen=True)
class Figure:
    """A column of :class:`ClipScores` that means can be taken of."""

    name: str
    heading: str
    meaning: str


FIGURES = (
    Figure("mel_distance", "mel rec.", "mean log-mel difference of reconstruction and recording, nats; lower is better"),
    Figure("mel_distance_warped", "mel syn.", "the same of synthesis and recording, along the best warping of time"),
    Figure("similarity_recording", "voice real", "speaker similarity of two recordings of the speaker: what to read the next two beside"),
    Figure("similarity_reconstruction", "voice rec.", "speaker similarity of the reconstruction and recordings of other sentences"),
    Figure("similarity_synthesis", "voice syn.", "speaker similarity of the synthesis and recordings of other sentences"),
    Figure("similarity_to_own_recording", "voice rec. own", "speaker similarity of the reconstruction and the recording it was made from"),
    Figure("mos_recording", "MOS real", "MOS proxy of the recording, 1 to 5"),
    Figure("mos_reconstruction", "MOS rec.", "MOS proxy of the reconstruction"),
    Figure("mos_synthesis", "MOS syn.", "MOS proxy of the synthesis"),
    Figure("real_time_factor", "RTF", "seconds of work for a second of synthesised speech; below 1 is faster than speech"),
)


def mean(values: Sequence[float]) -> float:
    """Mean of the values that are numbers; NaN where none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def by_speaker(clips: Sequence[ClipScores]) -> dict[str, dict[str, float]]:
    """Each speaker's mean of every figure, in the order of the clips."""
    own: dict[str, list[ClipScores]] = {}
    for clip in clips:
        own.setdefault(clip.speaker, []).append(clip)
    return {
        speaker: {figure.name: mean([getattr(clip, figure.name) for clip in rows]) for figure in FIGURES} for speaker, rows in own.items()
    }


def overall(speakers: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean over speakers of their means: a speaker with many clips counts as much as one with few."""
    return {figure.name: mean([figures[figure.name] for figures in speakers.values()]) for figure in FIGURES}


def write_tables(clips: Sequence[ClipScores], about: Mapping[str, Any], folder: Path) -> None:
    """Writes ``metrics.csv`` (a row per clip), ``speakers.csv`` and ``summary.json`` (``about`` and the means).

    A figure that could not be taken is an empty cell, or null.
    """
    speakers = by_speaker(clips)
    _write_csv(folder / "metrics.csv", [field.name for field in fields(ClipScores)], [asdict(clip) for clip in clips])
    rows = [{"speaker": name, **_counted(clips, name), **figures} for name, figures in speakers.items()]
    _write_csv(folder / "speakers.csv", list(rows[0]), rows)
    means = {name: None if math.isnan(value) else round(value, 6) for name, value in overall(speakers).items()}
    summary = {**about, "clips": len(clips), "speakers": len(speakers), "means_over_speakers": means}
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def table(clips: Sequence[ClipScores]) -> Table:
    """The speakers' means and their mean, for a terminal."""
    speakers = by_speaker(clips)
    result = Table("speaker", "clips", *(figure.heading for figure in FIGURES), title="rec. = reconstruction, syn. = synthesis")
    for name, figures in speakers.items():
        counted = _counted(clips, name)
        label = f"{name} (zero-shot)" if counted["zero_shot"] else name
        result.add_row(label, str(counted["clips"]), *(shown(figures[figure.name]) for figure in FIGURES))
    result.add_section()
    result.add_row("mean", str(len(clips)), *(shown(value) for value in overall(speakers).values()), style="bold")
    return result


def shown(value: float) -> str:
    """A figure with as many digits as it deserves; a dash for none."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def _counted(clips: Sequence[ClipScores], speaker: str) -> dict[str, Any]:
    own = [clip for clip in clips if clip.speaker == speaker]
    return {"clips": len(own), "zero_shot": own[0].zero_shot}


def _write_csv(path: Path, names: list[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else round(value, 6)
    return value
