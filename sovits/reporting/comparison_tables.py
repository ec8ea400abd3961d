"""A comparison as CSV files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sovits.reporting.comparison import Comparison
from sovits.reporting.html import write_if_changed
from sovits.reporting.run_config import shown_value, value_of
from sovits.reporting.statistics import Estimate

TABLES = RUNS, SETTINGS, SPEAKERS, CLIPS, COMPARISONS = "runs.csv", "settings.csv", "speakers.csv", "clips.csv", "comparisons.csv"


def write_tables(comparison: Comparison, folder: Path, names: Sequence[str] = TABLES) -> None:
    """Writes the tables of these names, no comparisons where there is nothing to compare; a figure that is not known is an empty cell."""
    rows_of = {RUNS: _runs, SETTINGS: _settings, SPEAKERS: _speakers, CLIPS: _clips, COMPARISONS: _comparisons}
    for name in names:
        if rows := rows_of[name](comparison):
            write_csv(folder / name, rows)
        else:
            (folder / name).unlink(missing_ok=True)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A row for each dict; columns in the order of first appearance."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    write_if_changed(path, text.getvalue())


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value


def _interval(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _runs(comparison: Comparison) -> list[dict[str, Any]]:
    """Each run: where it is, what it was made with, and its means; those left out with the reason."""
    rows: list[dict[str, Any]] = []
    for setting in comparison.settings:
        for number, replicate in enumerate(setting.replicates):
            for run in replicate:
                row: dict[str, Any] = {
                    "run": run.name,
                    "setting": setting.label,
                    "key": setting.key,
                    "status": run.record.status,
                    "reason": "",
                }
                row |= {"seed": shown_value(run.config.seed), "generator_step": run.generator_step}
                row |= {"data_seconds": run.data_seconds, "commit": run.record.commit, "folder": str(run.folder)}
                row |= {
                    key: shown_value(value_of(run.config, key)) for key in (*comparison.grouping.chosen, *comparison.grouping.differing)
                }
                if len(replicate) == 1:
                    known = {figure.name: comparison.values.get((figure.name, setting.key)) for figure in comparison.figures}
                    row |= {name: value.seeds[number] for name, value in known.items() if value is not None}
                rows.append(row)
    rows += [
        {"run": one.run, "status": one.status, "reason": one.reason, "setting": " ".join(one.overrides)} for one in comparison.left_out
    ]
    return rows


def _settings(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for setting in comparison.settings:
        row: dict[str, Any] = {"setting": setting.label, "key": setting.key, "seeds": len(setting.replicates), "runs": len(setting.runs)}
        row |= {"generator_steps": setting.generator_steps, "data_minutes": setting.minutes}
        row |= {key: shown_value(value) for key, value in setting.values.items()}
        for figure in comparison.figures:
            value = comparison.values.get((figure.name, setting.key))
            row |= _interval(figure.name, value.mean if value else Estimate(math.nan))
        rows.append(row)
    recordings: dict[str, Any] = {"setting": "recordings"}
    for name, value in comparison.recordings.items():
        recordings |= _interval(name, value.mean)
    return [*rows, recordings]


def _speakers(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for figure in comparison.figures:
        told = [(setting.label, setting.key, comparison.values.get((figure.name, setting.key))) for setting in comparison.settings]
        told.append(("recordings", "", comparison.recordings.get(figure.name)))
        for label, key, value in told:
            for speaker, estimate in (value.speakers if value else {}).items():
                counted = sum(clip.speaker == speaker for clip in comparison.sentences)
                row = {"figure": figure.name, "setting": label, "key": key, "speaker": speaker, "sentences": counted}
                rows.append(row | _interval("value", estimate))
    return rows


def _clips(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for setting in comparison.settings:
        for run in setting.runs:
            for sentence in comparison.sentences:
                if (clip := run.clips.get(sentence.id)) is not None:
                    row: dict[str, Any] = {
                        "run": run.name,
                        "setting": setting.label,
                        "key": setting.key,
                        "seed": shown_value(run.config.seed),
                    }
                    row |= {"id": clip.id, "speaker": clip.speaker, "language": clip.language, "text": clip.text, "seconds": clip.seconds}
                    rows.append(row | dict(clip.figures))
    return rows


def _comparisons(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for pair in comparison.pairs:
        test = pair.test
        row: dict[str, Any] = {"figure": pair.figure.name, "first": pair.first.label, "second": pair.second.label}
        row |= {"first_key": pair.first.key, "second_key": pair.second.key, "better": pair.better.key if pair.better else ""}
        row |= _interval("difference", test.difference)
        row |= {"p": test.p, "p_holm": pair.p_corrected, "exact": test.exact, "cohens_d": test.effect}
        row |= {"sentences": test.sentences, "first_higher": test.higher, "p_seeds": test.p_seeds, "p_seeds_holm": pair.p_seeds_corrected}
        rows.append(row)
    return rows
