"""A comparison as one picture, for a paper or a study's README."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from sovits.errors import SovitsError
from sovits.metrics.judge import Figure
from sovits.reporting.comparison import Comparison
from sovits.reporting.comparison_parts import mean_of
from sovits.reporting.fonts import drawable, fonts
from sovits.reporting.pictures import DPI
from sovits.reporting.statistics import Estimate

MOST_COLUMNS = 3
LONGEST_LINE = 44
"""Characters of a setting's label before it goes on below."""


def comparison_figure(comparison: Comparison, names: Sequence[str], key: str | None = None) -> Picture:
    """Figures of every setting with their intervals, the recordings' as a dashed line.

    Args:
        comparison: of settings.
        names: of figures, a panel each.
        key: a setting of numbers, such as ``embedding_size``, for the horizontal axis; None: the settings one below the other.

    Raises:
        SovitsError: a figure that was not measured, or a key that is no number in some setting.
    """
    known = {figure.name: figure for figure in comparison.figures}
    if unknown := [name for name in names if name not in known]:
        raise SovitsError(f"These runs have no figure {unknown[0]}; they have {', '.join(known)}.")
    numbers = None if key is None else _numbers(comparison, key)
    columns = min(len(names), MOST_COLUMNS)
    rows = math.ceil(len(names) / columns)
    labels = ["\n".join(wrap(drawable(setting.label), LONGEST_LINE)) for setting in comparison.settings]
    height = 2.6 if numbers else 0.9 + sum(0.16 + 0.15 * (1 + label.count("\n")) for label in labels)
    with fonts():
        picture = Picture(figsize=(3.4 * columns + (0 if numbers else 1.6), height * rows), dpi=DPI, layout="constrained")
        panels = list(picture.subplots(rows, columns, squeeze=False, sharey=numbers is None).flat)
        for panel, name in zip(panels[: len(names)], names, strict=True):
            estimates = [mean_of(comparison, known[name], setting) for setting in comparison.settings]
            if numbers:
                _over_numbers(panel, numbers, estimates)
                panel.set_xlabel(drawable(str(key)))
            else:
                _one_below_the_other(panel, labels, estimates)
            _reference(panel, comparison, known[name], horizontal=numbers is not None)
            better = {True: "\n(more is better)", False: "\n(less is better)", None: ""}[known[name].higher_is_better]
            panel.set_title(drawable(known[name].heading + better), fontsize=9)
        for panel in panels[len(names) :]:
            panel.remove()
    return picture


def _numbers(comparison: Comparison, key: str) -> list[float]:
    values = [setting.runs[0].config.resolved.get(key, setting.values.get(key)) for setting in comparison.settings]
    if wrong := [value for value in values if not isinstance(value, int | float) or isinstance(value, bool)]:
        raise SovitsError(f"{key} is {wrong[0]} in one of these settings, which is no place on an axis; choose a key of numbers.")
    return [float(value) for value in values]  # type: ignore[arg-type]


def _over_numbers(panel: Axes, numbers: Sequence[float], estimates: Sequence[Estimate]) -> None:
    order = sorted(range(len(numbers)), key=lambda place: numbers[place])
    x, own = [numbers[place] for place in order], [estimates[place] for place in order]
    panel.errorbar(x, [one.value for one in own], yerr=_edges(own), fmt="o-", capsize=3, markersize=4, linewidth=1)
    panel.set_xticks(sorted(set(numbers)))


def _one_below_the_other(panel: Axes, labels: Sequence[str], estimates: Sequence[Estimate]) -> None:
    places = range(len(labels))
    panel.errorbar([one.value for one in estimates], places, xerr=_edges(estimates), fmt="o", capsize=3, markersize=4, linewidth=1)
    panel.set_yticks(list(places), labels, fontsize=8)
    panel.set_ylim(len(labels) - 0.5, -0.5)
    panel.grid(axis="x", linewidth=0.3)


def _reference(panel: Axes, comparison: Comparison, figure: Figure, horizontal: bool) -> None:
    real = comparison.recordings.get(figure.name)
    if real is not None:
        (panel.axhline if horizontal else panel.axvline)(real.mean.value, linestyle="--", linewidth=1, color="0.5")


def _edges(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Lengths below and above, zero where there is no interval."""
    own = [(one.value - one.low, one.high - one.value) if one.has_interval else (0.0, 0.0) for one in estimates]
    return [[max(low, 0.0) for low, _ in own], [max(high, 0.0) for _, high in own]]
