"""Two runs side by side: what they were made from, and what came out."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sovits.errors import SovitsError
from sovits.runs.record import RunRecord
from sovits.voice.checkpoint import Checkpoint

NEVER_THE_SAME = {"real_time_factor"}
"""Columns of an evaluation that tell of the machine's load."""
NO_FIGURES = {"id", "speaker", "zero_shot", "language", "text"}
OF_NO_ACCOUNT = (
    "reproduces", "reproduce_anyway", "resume", "n_speakers", "data.root", "paths.", "sweep", "launcher", "distillation.teacher",
)  # fmt: skip
"""Settings that make no other experiment; the data are compared by their fingerprint, a teacher by its hash."""
MISSING = "(none)"


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in two runs."""

    what: str
    original: Any
    here: Any

    def __str__(self) -> str:
        return f"{self.what}: {_shown(self.original)} there, {_shown(self.here)} here"


@dataclass(frozen=True)
class Weights:
    """The weights of two checkpoints."""

    compared: int
    """Tensors in both, of the same shape."""
    different: int
    largest: float | None
    """Largest absolute difference of one number; None where nothing differs or nothing could be compared."""
    where: str | None
    """The tensor with the largest difference."""
    only_in_one: list[str] = field(default_factory=list)
    """Tensors that the other has not, or has in another shape."""

    @property
    def equal(self) -> bool:
        """Bit for bit."""
        return self.compared > 0 and not self.different and not self.only_in_one


def made_from(original: RunRecord, here: RunRecord) -> list[Difference]:
    """The code, the packages, the machine and the data, as far as both records know them."""
    told = [Difference("commit", original.commit, here.commit)]
    told += [Difference(name, *pair) for name, pair in _pairs(original.versions, here.versions)]
    told += [Difference(f"hardware {name}", *pair) for name, pair in _pairs(original.hardware, here.hardware)]
    if original.data:
        told += [Difference(f"data {name}", original.data.get(name), here.data.get(name)) for name in ("fingerprint", "clips", "seconds")]
    told.append(Difference("teacher", *((record.teacher or {}).get("sha256") for record in (original, here))))
    return [difference for difference in told if difference.original != difference.here]


def settings(original: Mapping[str, Any], here: Mapping[str, Any]) -> list[Difference]:
    """Keys of two composed configurations whose value is not the same."""
    pairs = _pairs(dict(_flat(original)), dict(_flat(here)))
    return [Difference(key, *pair) for key, pair in pairs if pair[0] != pair[1] and not key.startswith(OF_NO_ACCOUNT)]


def final_figures(run: Path) -> dict[str, str]:
    """What a run ended with: the last of each ``val/...`` figure, and those of each clip of its evaluation, as they were written.

    Raises:
        SovitsError: a damaged table.
    """
    return _last_validation(run) | _evaluated(run)


def figures(original: Mapping[str, str], here: Mapping[str, str]) -> list[Difference]:
    """The figures that are not the same to the last digit."""
    return [Difference(name, *pair) for name, pair in _pairs(original, here) if pair[0] != pair[1]]


def distance(difference: Difference) -> float | None:
    """Between the two numbers of a figure; None where one is missing or is no number."""
    try:
        return abs(float(difference.here) - float(difference.original))
    except (TypeError, ValueError):
        return None


def weights(original: Path, here: Path) -> Weights:
    """Compares two checkpoints tensor by tensor.

    Raises:
        SovitsError: one that cannot be read.
    """
    there, own = Checkpoint.read(original).state, Checkpoint.read(here).state
    shared = [name for name in there if name in own and there[name].shape == own[name].shape]
    changed = {name: _furthest(there[name], own[name]) for name in shared if not _same_bits(there[name], own[name])}
    # A number that is none is further away than any.
    where = max(changed, key=lambda name: math.inf if math.isnan(changed[name]) else changed[name]) if changed else None
    return Weights(len(shared), len(changed), changed[where] if where else None, where, sorted((there.keys() | own.keys()) - set(shared)))


def _same_bits(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one.flatten().view(torch.uint8), other.flatten().view(torch.uint8))


def _furthest(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().max())


def _pairs(original: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name in dict.fromkeys([*original, *here]):
        yield name, (original.get(name, MISSING), here.get(name, MISSING))


def _flat(node: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _last_validation(run: Path) -> dict[str, str]:
    """The newest value of each column; a resumed run may have gone on in a table of its own."""
    newest: dict[str, tuple[int, str]] = {}
    for path in sorted((run / "csv").rglob("metrics.csv")):
        for row in _rows(path):
            step = int(row.get("step") or 0)
            for name, cell in row.items():
                if name.startswith("val/") and cell and step >= newest.get(name, (-1, ""))[0]:
                    newest[name] = (step, cell)
    return {name: cell for name, (_, cell) in newest.items()}


def _evaluated(run: Path) -> dict[str, str]:
    path = run / "evaluation" / "metrics.csv"
    if not path.is_file():
        return {}
    return {
        f"{row['id']} {name}": cell for row in _rows(path) for name, cell in row.items() if name not in NO_FIGURES | NEVER_THE_SAME and cell
    }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise SovitsError(
                f"{path}, line {number} has not as many cells as its header; the run that wrote it was cut off or it was edited."
            )
    return rows


def _shown(value: Any) -> str:
    return MISSING if value is None else str(value)
