"""Both players' losses, drawn from the CSV file a run leaves."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sovits.errors import SovitsError
from sovits.reporting.fonts import drawable, fonts
from sovits.reporting.pictures import DPI

Curve = tuple[np.ndarray, np.ndarray]
"""Steps and values, each [N]."""

MOST_COLUMNS = 3
MOST_POINTS = 60
"""Above this many a curve is smoothed."""
LOSSES = "Loss (log scale)"
VERDICTS = ("real", "synthetic")
"""The discriminator's mean verdicts: 1 means "recorded", 0 "synthetic"."""


def read_curves(path: Path | str) -> dict[str, Curve]:
    """The columns of a ``CSVLogger``'s ``metrics.csv``, rows without a value left out.

    Raises:
        SovitsError: the file is missing, or has no ``step`` column or no row.
    """
    path = Path(path)
    if not path.is_file():
        raise SovitsError(f"There is no {path} to draw curves from; give the metrics.csv in a run's csv folder.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or "step" not in rows[0]:
        raise SovitsError(f"{path} holds no row with a step; give the metrics.csv that a training run with the CSV logger wrote.")
    curves = {}
    for name in rows[0]:
        points = [(float(row["step"]), float(row[name])) for row in rows if row.get(name)]
        if name not in ("step", "epoch") and points:
            curves[name] = (np.array(points)[:, 0], np.array(points)[:, 1])
    return curves


@dataclass(frozen=True)
class Panel:
    """One picture of the figure: the columns ``prefix + name`` of the file, all of them where ``names`` is empty."""

    heading: str
    prefix: str
    y_label: str
    names: tuple[str, ...] = ()

    def chosen(self, curves: Mapping[str, Curve]) -> dict[str, Curve]:
        """Its curves, without per-speaker ones, gradient norms and losses that are nothing but zero (a single speaker to tell apart)."""
        found = {name.removeprefix(self.prefix): curve for name, curve in curves.items() if name.startswith(self.prefix)}
        wanted = self.names or tuple(sorted(name for name in found if "/" not in name and name != "gradient_norm"))
        return {name: found[name] for name in wanted if name in found and found[name][1].any()}


PANELS = (
    Panel("Generator losses", "train/generator/", LOSSES),
    Panel("Discriminator", "train/discriminator/", "Loss, or verdict (1 recorded, 0 synthetic)"),
    Panel("Validation losses", "val/", LOSSES, ("mel", "kl", "duration")),
    Panel("Validation speaker similarity", "val/", "Cosine", ("speaker_similarity", "speaker_similarity_real")),
    Panel("Validation MOS proxy", "val/", "Opinion, 1 to 5", ("mos_proxy", "mos_proxy_real")),
)


def loss_figure(path: Path | str, title: str = "") -> Figure:
    """Losses of the generator, of the discriminator with its verdicts, and what was measured on held-out clips, over steps.

    Losses are on a logarithmic axis; behind each smoothed curve the values as they came.

    Args:
        path: a run's ``csv/metrics.csv``.
        title: above the panels.

    Raises:
        SovitsError: as :func:`read_curves`, or the file holds nothing of all this.
    """
    curves = read_curves(path)
    panels = [(panel, panel.chosen(curves)) for panel in PANELS if panel.chosen(curves)]
    if not panels:
        raise SovitsError(f"{path} has no column under train/generator, train/discriminator or val; give the file of a training run.")
    columns, rows = min(len(panels), MOST_COLUMNS), -(-len(panels) // MOST_COLUMNS)
    with fonts():
        figure = Figure(figsize=(5.2 * columns, 3.8 * rows), dpi=DPI, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).flatten()
        for axis, (panel, chosen) in zip(axes, panels, strict=False):
            _draw_curves(axis, chosen, panel)
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        if title:
            figure.suptitle(drawable(title), fontsize=11)
    return figure


def smoothed(values: np.ndarray, span: int) -> np.ndarray:
    """Exponential mean [N] with the weight of about ``span`` values, unbiased at its beginning."""
    keep = 1 - 1 / max(span, 1)
    total, weight, result = 0.0, 0.0, np.empty_like(values)
    for index, value in enumerate(values):
        total, weight = keep * total + value, keep * weight + 1
        result[index] = total / weight
    return result


def _draw_curves(axis: Axes, curves: Mapping[str, Curve], panel: Panel) -> None:
    for number, (name, (steps, values)) in enumerate(curves.items()):
        colour = f"C{number}"
        label = f"verdict on {name} audio" if name in VERDICTS else name.replace("_", " ")
        if len(values) > MOST_POINTS:
            axis.plot(steps, values, color=colour, alpha=0.2, linewidth=0.7)
            values = smoothed(values, len(values) // 40)
        axis.plot(steps, values, color=colour, label=label, linewidth=1.4, marker="o" if len(values) < 12 else None, markersize=3)
    if panel.y_label == LOSSES:
        # Linear near zero, which a divergence measured on samples can cross.
        axis.set_yscale("log" if all((values > 0).all() for _, values in curves.values()) else "symlog")
    if any(name in VERDICTS for name in curves):
        axis.axhline(0.5, color="grey", linewidth=0.8, linestyle=":", label="a draw")
    axis.set_title(panel.heading, fontsize=10)
    axis.set_xlabel("Generator step")
    axis.set_ylabel(panel.y_label)
    axis.grid(linewidth=0.3, alpha=0.6)
    axis.legend(fontsize=8, framealpha=0.7)
