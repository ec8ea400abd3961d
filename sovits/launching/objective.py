"""The one number of a finished run that a search makes better."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from sovits.errors import SovitsError

EVALUATION = "evaluation/"


def objective(run: Path, name: str) -> float:
    """The last value of a logged figure, or a mean over speakers of the evaluation at the end.

    Args:
        run: the run's folder.
        name: as it was logged (``val/mel``), or ``evaluation/FIGURE`` of ``evaluation/summary.json``.

    Raises:
        SovitsError: the run has no such figure.
    """
    known = _evaluated(run) if name.startswith(EVALUATION) else _logged(run)
    if name not in known:
        there = ", ".join(sorted(figure for figure in known if not figure.startswith("train/"))) or "none"
        raise SovitsError(f"objective={name} is no figure of {run}; choose one of {there}.")
    return known[name]


def _logged(run: Path) -> dict[str, float]:
    path = run / "csv" / "metrics.csv"
    if not path.is_file():
        return {}
    newest: dict[str, float] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            newest |= {name: float(cell) for name, cell in row.items() if cell and name != "step"}
    return newest


def _evaluated(run: Path) -> dict[str, float]:
    path = run / "evaluation" / "summary.json"
    if not path.is_file():
        return {}
    try:
        means = json.loads(path.read_text(encoding="utf-8"))["means_over_speakers"]
        return {f"{EVALUATION}{name}": float(value) for name, value in means.items() if value is not None}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SovitsError(f"{path} is damaged ({error}); run `sovits evaluate` again.") from error
