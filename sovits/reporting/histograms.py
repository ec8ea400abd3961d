"""Histograms as SVG inside a page: sharp at any size, in the page's own colours, a few kilobytes each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from sovits.reporting.measures import Measure

WIDTH, HEIGHT = 300.0, 118.0
_TOP, _BOTTOM, _LEFT, _RIGHT = 22.0, 18.0, 6.0, 6.0
_MOST_BINS = 24
_LEAST_BAR = 1.5
"""Height of the lowest bar: a single clip among thousands is still seen."""


def histogram(measure: Measure, kept: Sequence[float], quarantined: Sequence[float], limits: Mapping[str, float]) -> str:
    """How a measure's values are spread: kept clips below, quarantined ones on top of them, the gate's limits as lines.

    The axis holds the middle 98 % of the values and the limits; what lies outside is counted in the first or last bin.

    Args:
        measure: what it is.
        kept, quarantined: its values in ``measure.unit``; not both empty.
        limits: under ``min`` and ``max``, where the gate has them, in ``measure.unit``.
    """
    edges = bin_edges([*kept, *quarantined], list(limits.values()))
    inside = [np.clip(values, edges[0], edges[-1]) for values in (kept, quarantined)]
    counts = np.stack([np.histogram(values, edges)[0] for values in inside])
    bars = "".join(_bar(measure, edges, counts, index) for index in range(len(edges) - 1))
    lines = "".join(_limit(edges, kind, value) for kind, value in sorted(limits.items()))
    base = HEIGHT - _BOTTOM
    axis = f"<path class='axis' d='M{_LEFT} {base + 0.5}H{WIDTH - _RIGHT}'/>{_ticks(edges)}"
    most = f"<text x='{_LEFT}' y='9'>{counts.sum(axis=0).max()} clips at most</text>"
    about = f"{measure.heading}: {len(kept)} kept and {len(quarantined)} quarantined clips"
    unit = f" <span class='unit'>{measure.unit}</span>" if measure.unit else ""
    caption = f"<figcaption><b>{measure.heading}</b>{unit}<small>{escape(measure.meaning)}</small></figcaption>"
    drawing = f"<svg viewBox='0 0 {WIDTH:g} {HEIGHT:g}' role='img' aria-label='{escape(about)}'>{lines}{bars}{axis}{most}</svg>"
    return f"<figure class='histogram'>{caption}{drawing}</figure>"


def bin_edges(values: Sequence[float], limits: Sequence[float]) -> np.ndarray:
    """[n + 1] ascending, round and evenly spaced: over the middle 98 % of ``values`` and all of ``limits``, 24 bins at most."""
    low, high = (float(edge) for edge in np.percentile(values, (1, 99)))
    low, high = min([low, *limits]), max([high, *limits])
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    step = nice_step((high - low) / (_MOST_BINS - 4))
    # A limit never stands at the very edge: what it refuses is seen as an area.
    first = math.floor(low / step) - (low in limits)
    last = math.ceil(high / step) + (high in limits)
    return np.arange(first, max(last, first + 1) + 1) * step


def nice_step(least: float) -> float:
    """The first of 1, 2, 2.5, 5 times a power of ten that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= least * (1 - 1e-9))


def _bar(measure: Measure, edges: np.ndarray, counts: np.ndarray, index: int) -> str:
    """The two bars of one bin, with their figures to be read on pointing at them."""
    below, above = (int(count) for count in counts[:, index])
    if not below + above:
        return ""
    left, right = _x(edges, edges[index]) + 0.5, _x(edges, edges[index + 1]) - 0.5
    base, parts = HEIGHT - _BOTTOM, []
    for kind, count in (("kept", below), ("out", above)):
        if count:
            height = max((HEIGHT - _TOP - _BOTTOM) * count / counts.sum(axis=0).max(), _LEAST_BAR)
            base -= height
            parts.append(f"<rect class='{kind}' x='{left:.1f}' y='{base:.1f}' width='{right - left:.1f}' height='{height:.1f}'/>")
    text = f"{edges[index]:.4g} to {measure.shown(edges[index + 1]) if measure.unit else f'{edges[index + 1]:.4g}'}"
    return f"<g><title>{text}: {below} kept, {above} quarantined</title>{''.join(parts)}</g>"


def _limit(edges: np.ndarray, kind: str, value: float) -> str:
    """A line at the limit, its figure beside it, and a tint over what is refused."""
    x = _x(edges, value)
    start, end = (_LEFT, x) if kind == "min" else (x, WIDTH - _RIGHT)
    tint = (
        f"<rect class='refused' x='{start:.1f}' y='{_TOP - 8}' width='{max(end - start, 0):.1f}' height='{HEIGHT - _TOP - _BOTTOM + 8}'/>"
    )
    line = f"<path class='limit' d='M{x:.1f} {_TOP - 8}V{HEIGHT - _BOTTOM}'/>"
    side = "end" if x > WIDTH / 2 else "start"
    shift = -3 if side == "end" else 3
    text = f"{'≥' if kind == 'min' else '≤'} {value:.4g}"
    return f"{tint}{line}<text class='limit-text' x='{x + shift:.1f}' y='{_TOP}' text-anchor='{side}'>{text}</text>"


def _ticks(edges: np.ndarray) -> str:
    """Round values below the axis, four or five of them."""
    step = nice_step((edges[-1] - edges[0]) / 5)
    values = np.arange(math.ceil(edges[0] / step - 1e-9), math.floor(edges[-1] / step + 1e-9) + 1) * step
    ticks = []
    for value in values:
        x = _x(edges, value)
        anchor = "start" if x < _LEFT + 8 else "end" if x > WIDTH - _RIGHT - 8 else "middle"
        ticks.append(f"<text x='{x:.1f}' y='{HEIGHT - 5}' text-anchor='{anchor}'>{value:.4g}</text>")
    return "".join(ticks)


def _x(edges: np.ndarray, value: float) -> float:
    share = (value - edges[0]) / (edges[-1] - edges[0])
    return float(_LEFT + share * (WIDTH - _LEFT - _RIGHT))
