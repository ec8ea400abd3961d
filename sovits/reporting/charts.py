"""Figures with their intervals, and curves, as SVG inside a page: in the page's own colours, a few kilobytes each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from sovits.reporting.histograms import nice_step
from sovits.reporting.statistics import Estimate

WIDTH, HEIGHT = 320.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 12.0, 14.0, 32.0
_ROW = 22.0
COLOURS = 8
"""Of settings in ``comparison.css``; more settings take them again, with dashed lines."""


@dataclass(frozen=True)
class Mark:
    """Whose points these are.

    Args:
        number: of the setting, which gives the colour.
        key: its letter.
        label: what it is called.
    """

    number: int
    key: str
    label: str

    @property
    def css(self) -> str:
        return f"s{self.number % COLOURS}" + (" again" if self.number >= COLOURS else "")


@dataclass(frozen=True)
class Row:
    """A setting's figure in :func:`interval_chart`."""

    mark: Mark
    estimate: Estimate
    singles: tuple[float, ...] = ()
    """The means of single runs."""


@dataclass(frozen=True)
class Series:
    """Points of one kind in :func:`line_chart`."""

    mark: Mark
    x: Sequence[float]
    y: Sequence[Estimate]


@dataclass(frozen=True)
class _Axis:
    """From values to places."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        known = [value for value in values if math.isfinite(value)]
        low, high = min(known), max(known)
        room = 0.06 * (high - low) or max(abs(high), 1.0) * 0.05
        return cls(low - room, high + room, start, end)

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """Round values inside, about ``count`` of them."""
        step = nice_step((self.high - self.low) / count)
        return [float(n * step) for n in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]


def interval_chart(title: str, rows: Sequence[Row], digits: int, reference: float | None = None) -> str:
    """A line for each setting: the mean as a dot, its interval, and a thin tick for each run where there are several.

    Args:
        title: what it shows, for those who cannot see it.
        rows: from top to bottom.
        digits: behind the point.
        reference: drawn as a dashed line: the figure of the recordings.
    """
    edges = [edge for row in rows for edge in _edges(row.estimate)] + [one for row in rows for one in row.singles]
    axis = _Axis.over(edges + ([reference] if reference is not None else []), 34.0, WIDTH - _RIGHT)
    height = _TOP + _ROW * len(rows) + 20
    base = height - 18
    parts = [
        f"<path class='grid' d='M{axis(tick):.1f} {_TOP - 4}V{base}'/>{_text(axis(tick), height - 5, f'{tick:.4g}')}"
        for tick in axis.ticks(4)
    ]
    if reference is not None:
        parts.append(_reference(axis(reference), _TOP - 4, base, f"recordings {reference:.{digits}f}"))
    for at, row in enumerate(rows):
        parts.append(_interval_row(axis, row, _TOP + _ROW * (at + 0.5), digits))
    return _svg(title, parts, height)


def line_chart(title: str, series: Sequence[Series], x_label: str, reference: Estimate | None = None, x_ticks: Sequence[float] = ()) -> str:
    """Values over a number: dots with intervals where there are few, a plain line where there are many.

    Args:
        title: what it shows, for those who cannot see it.
        series: each drawn as a line through its points from left to right.
        x_label: below the axis.
        reference: of the recordings, a dashed line.
        x_ticks: values to name; none: round ones.
    """
    edges = [edge for one in series for estimate in one.y for edge in _edges(estimate)]
    y = _Axis.over(edges + ([reference.value] if reference is not None else []), HEIGHT - _BOTTOM, _TOP)
    x = _Axis.over([value for one in series for value in one.x], _LEFT, WIDTH - _RIGHT)
    parts = [
        f"<path class='grid' d='M{_LEFT} {y(tick):.1f}H{WIDTH - _RIGHT}'/>{_text(_LEFT - 5, y(tick) + 3, f'{tick:.4g}', 'end')}"
        for tick in y.ticks(4)
    ]
    parts += [
        _text(x(tick), HEIGHT - _BOTTOM + 13, f"{tick:.4g}" if tick < 1e4 else f"{tick / 1000:.4g}k") for tick in x_ticks or x.ticks(5)
    ]
    parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 4, x_label))
    if reference is not None:
        at = y(reference.value)
        label = _text(WIDTH - _RIGHT, at - 3 if at > _TOP + 12 else at + 10, "recordings", "end", "reference")
        parts.append(f"<path class='reference' d='M{_LEFT} {at:.1f}H{WIDTH - _RIGHT}'/>{label}")
    parts += [_line(one, x, y) for one in series]
    return _svg(title, parts, HEIGHT)


def _line(series: Series, x: _Axis, y: _Axis) -> str:
    order = np.argsort(series.x, kind="stable")
    points = [(x(series.x[at]), series.y[at]) for at in order if math.isfinite(series.y[at].value)]
    path = "M" + "L".join(f"{across:.1f} {y(estimate.value):.1f}" for across, estimate in points) if points else ""
    dots = ""
    if len(points) <= 12:
        bars = "".join(f"M{across:.1f} {y(one.low):.1f}V{y(one.high):.1f}" for across, one in points if one.has_interval)
        circles = "".join(f"<circle cx='{across:.1f}' cy='{y(one.value):.1f}' r='3'/>" for across, one in points)
        dots = f"<path class='interval' d='{bars}'/>{circles}"
    return f"<g class='series {series.mark.css}'><title>{escape(series.mark.label)}</title><path class='line' d='{path}'/>{dots}</g>"


def _interval_row(axis: _Axis, row: Row, middle: float, digits: int) -> str:
    estimate = row.estimate
    interval = f"<path class='interval' d='M{axis(estimate.low):.1f} {middle}H{axis(estimate.high):.1f}'/>" if estimate.has_interval else ""
    known = [value for value in row.singles if math.isfinite(value)]
    ticks = "".join(f"M{axis(value):.1f} {middle - 5}v10" for value in known) if len(known) > 1 else ""
    span = f" [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]" if estimate.has_interval else ""
    title = f"<title>{escape(row.mark.label)}: {estimate.value:.{digits}f}{span}</title>"
    return (
        f"<g class='series {row.mark.css}'>{title}<text class='letter' x='4' y='{middle + 4}'>{row.mark.key}</text>"
        f"<path class='single' d='{ticks}'/>{interval}<circle cx='{axis(estimate.value):.1f}' cy='{middle}' r='4'/></g>"
    )


def _edges(estimate: Estimate) -> list[float]:
    return [value for value in (estimate.value, estimate.low, estimate.high) if math.isfinite(value)]


def _reference(x: float, top: float, bottom: float, label: str) -> str:
    side = "end" if x > WIDTH / 2 else "start"
    shift = -4 if side == "end" else 4
    return f"<path class='reference' d='M{x:.1f} {top}V{bottom}'/>{_text(x + shift, top + 4, label, side, 'reference')}"


def _text(x: float, y: float, text: str, anchor: str = "middle", css: str = "") -> str:
    return f"<text{f' class={css!r}' if css else ''} x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'>{escape(text)}</text>"


def _svg(title: str, parts: Sequence[str], height: float) -> str:
    return f"<svg viewBox='0 0 {WIDTH:g} {height:g}' role='img' aria-label='{escape(title)}'>{''.join(parts)}</svg>"
