"""Finished runs as a report reads them: what each was made with, and what `sovits evaluate` measured of it."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sovits.errors import SovitsError
from sovits.metrics.judge import RECONSTRUCTION, Figure
from sovits.reporting.loss_curves import Curve, read_curves
from sovits.reporting.run_config import RunConfig
from sovits.runs.record import FINISHED, RUNNING, RunRecord

EVALUATION = "evaluation"
SOUNDS = ("recording", "reconstruction", "synthesis")
_ABOUT = ("id", "speaker", "zero_shot", "language", "text", "seconds", "seconds_synthesis", "real_time_factor")
"""Columns of ``metrics.csv`` that are no figures."""


@dataclass(frozen=True)
class ClipRow:
    """One test sentence in one run."""

    id: str
    speaker: str
    language: str
    text: str
    seconds: float
    """Of the recording."""
    figures: Mapping[str, float]
    """NaN where one is not known."""


@dataclass(frozen=True)
class LeftOut:
    """A run that is not compared, and why."""

    run: str
    status: str
    reason: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluatedRun:
    """A finished run with its figures."""

    folder: Path
    name: str
    """Its folder as the report calls it."""
    record: RunRecord
    config: RunConfig
    summary: Mapping[str, Any]
    clips: Mapping[str, ClipRow]
    """By id."""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """Validation figures over generator steps."""

    @property
    def figures(self) -> list[Figure]:
        """What was measured: each figure of synthetic speech, with those of the reconstruction behind them all."""
        measured = {name for clip in self.clips.values() for name in clip.figures}
        told = self.summary["figures"]
        figures = [_figure(name, told[name], self.folder) for name in told if name in measured]
        also = [figure for figure in figures if figure.name + RECONSTRUCTION in measured]
        return figures + [_of_reconstruction(figure) for figure in also]

    @property
    def generator_step(self) -> int:
        """Of the checkpoint that was judged."""
        return int(self.summary.get("generator step") or self.record.generator_step)

    @property
    def data_seconds(self) -> float | None:
        """Of speech to train on, of all its speakers; None where it is not recorded."""
        seconds = self.record.data.get("seconds")
        return float(sum(seconds.values()) if isinstance(seconds, dict) else seconds) if seconds is not None else None

    @property
    def judged_set(self) -> Path:
        """The prepared set that the test sentences are from, in full."""
        return Path(self.record.directory or ".").joinpath(Path(str(self.summary.get("prepared set"))).expanduser()).resolve()

    def sound(self, clip: ClipRow, kind: str) -> Path:
        """Where the audio of a clip lies; ``kind`` is one of :data:`SOUNDS`."""
        speaker, name = (re.sub(r"[^\w.-]+", "_", part) for part in (clip.speaker, clip.id.removeprefix(f"{clip.speaker}/")))
        return self.folder / EVALUATION / "audio" / speaker / f"{name}_{kind}.wav"


def read_run(folder: Path, name: str, include_unfinished: bool) -> EvaluatedRun | LeftOut:
    """The run in ``folder``, or why it cannot be compared.

    Raises:
        SovitsError: one of its files is damaged.
    """
    if not (folder / "run.json").is_file():
        started = (folder / ".hydra").is_dir()
        trained = (folder / "checkpoints").is_dir()
        reason = "an earlier version trained it" if trained else "it ended before its first step" if started else "it is no folder of a run"
        return LeftOut(name, "no record", f"There is no run.json: {reason}; see the log in {folder}, and train again.")
    record = RunRecord.load(folder)
    overrides = tuple(record.overrides)
    if record.status != FINISHED and not include_unfinished:
        return LeftOut(name, record.status, _unfinished(record), overrides)
    missing = [file for file in ("metrics.csv", "summary.json") if not (folder / EVALUATION / file).is_file()]
    if missing:
        remedy = f"sovits evaluate checkpoint={folder}/checkpoints/last.ckpt output={folder}/{EVALUATION}"
        return LeftOut(name, "not evaluated", f"There is no {EVALUATION}/{missing[0]}; run `{remedy}`.", overrides)
    config = RunConfig.read(folder)
    clips = _read_clips(folder / EVALUATION / "metrics.csv")
    return EvaluatedRun(folder, name, record, config, _read_summary(folder), clips, _read_validation(folder, config))


def _unfinished(record: RunRecord) -> str:
    reached = f"at generator step {record.generator_step}"
    if record.status == RUNNING:
        return (
            f"It was {reached} when it last wrote (at {record.updated}): it is still running, or was killed; resume=true goes on with it."
        )
    return f"{record.reason or 'No reason is recorded'} ({reached})."


def _read_summary(folder: Path) -> dict[str, Any]:
    path = folder / EVALUATION / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise SovitsError(f"{path} is damaged ({error}); run `sovits evaluate` on that run again.") from error
    if not isinstance(summary, dict) or not isinstance(summary.get("figures"), dict) or not isinstance(summary.get("judges"), dict):
        raise SovitsError(f"{path} does not tell its figures and judges; run `sovits evaluate` of this version on that run again.")
    return summary


def _read_clips(path: Path) -> dict[str, ClipRow]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            columns = list(reader.fieldnames or ())
    except (csv.Error, UnicodeDecodeError) as error:
        raise SovitsError(f"{path} is damaged ({error}); run `sovits evaluate` on that run again.") from error
    absent = [name for name in ("id", "speaker", "language", "text", "seconds") if name not in columns]
    if absent or not rows:
        what = f"lacks the column {absent[0]}" if absent else "holds no clip"
        raise SovitsError(f"{path} {what}; run `sovits evaluate` on that run again.")
    clips: dict[str, ClipRow] = {}
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise SovitsError(f"{path}, row {number} has not as many cells as the heading; run `sovits evaluate` on that run again.")
        if row["id"] in clips:
            raise SovitsError(f"{path}, row {number} names the clip {row['id']} a second time; run `sovits evaluate` on that run again.")
        figures = {name: _number(row[name], path, number, name) for name in columns if name not in _ABOUT}
        seconds = _number(row["seconds"], path, number, "seconds")
        clips[row["id"]] = ClipRow(row["id"], row["speaker"], row["language"], row["text"], seconds, figures)
    return clips


def _number(cell: str, path: Path, row: int, column: str) -> float:
    if not cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        raise SovitsError(f"{path}, row {row}: {column} is '{cell}', not a number; run `sovits evaluate` on that run again.") from None
    return value if math.isfinite(value) else math.nan


def _read_validation(folder: Path, config: RunConfig) -> dict[str, Curve]:
    """``val/...`` curves over generator steps; those of a resumed run one after another."""
    curves: dict[str, dict[float, float]] = {}
    files = [folder / "csv" / "metrics.csv", *sorted((folder / "csv").glob("resumed_*/metrics.csv"), key=_attempt)]
    for path in files:
        if not path.is_file():
            continue
        try:
            found = read_curves(path)
        except (ValueError, UnicodeDecodeError) as error:
            raise SovitsError(f"{path} is damaged ({error}); take this run out of runs=, or train it again.") from error
        for name, (batches, values) in found.items():
            if name.startswith("val/"):
                points = zip(config.generator_steps(batches).tolist(), values.tolist(), strict=True)
                # What a later attempt says of a step replaces what the one that was cut off said.
                curves.setdefault(name, {}).update(points)
    return {name: (np.array(sorted(points)), np.array([points[step] for step in sorted(points)])) for name, points in curves.items()}


def _attempt(path: Path) -> int:
    number = path.parent.name.removeprefix("resumed_")
    return int(number) if number.isdigit() else 0


def _figure(name: str, told: Any, folder: Path) -> Figure:
    try:
        better = told["higher_is_better"]
        return Figure(
            name, str(told["heading"]), str(told["meaning"]), None if better is None else bool(better), int(told.get("digits", 2))
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise SovitsError(
            f"{folder / EVALUATION / 'summary.json'} does not describe the figure {name} ({error}); run `sovits evaluate` again."
        ) from error


def _of_reconstruction(figure: Figure) -> Figure:
    meaning = f"{figure.meaning}; of the recording sent through posterior encoder and decoder"
    return Figure(figure.name + RECONSTRUCTION, f"{figure.heading}, rec.", meaning, figure.higher_is_better, figure.digits)
