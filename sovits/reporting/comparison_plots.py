"""Plots of a comparison's page: figures over every number that settings differ in, and curves of training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from sovits.metrics.judge import REAL, Figure
from sovits.reporting.charts import COLOURS, Mark, Series, line_chart
from sovits.reporting.comparison import Comparison
from sovits.reporting.comparison_parts import arrow, chart, mean_of, named, varies
from sovits.reporting.run_config import shown_value
from sovits.reporting.statistics import Estimate

_MINUTES, _STEPS = "minutes of data", "generator steps"
_LOSSES = {"mel": "mel loss", "kl": "KL loss", "duration": "duration loss"}


def plots_section(comparison: Comparison) -> str:
    """Each figure over every number that the settings differ in, where there are settings that differ in nothing else."""
    parts = []
    for key, numbers in _numeric_axes(comparison).items():
        lines = _lines(comparison, key)
        if max(len(own) for own in lines.values()) > 1:
            charts = "".join(_plot(comparison, figure, key, numbers, lines) for figure in comparison.main_figures)
            legend = "".join(f"<span class='legend s{n % COLOURS}'>{escape(rest)}</span>" for n, rest in enumerate(lines) if len(lines) > 1)
            parts.append(f"<h3>over {escape(key)}</h3>{legend}<div class='charts'>{charts}</div>")
    return "".join(parts)


def curves_section(comparison: Comparison) -> str:
    """What was measured at validation, over generator steps: a line for each run."""
    names = [f"val/{name}" for name in dict.fromkeys([*_LOSSES, *(figure.name for figure in comparison.main_figures)])]
    charts = []
    for name in names:
        series, reals = [], []
        for setting in comparison.settings:
            for run in setting.runs:
                if name in run.curves:
                    steps, values = run.curves[name]
                    mark = Mark(comparison.settings.index(setting), setting.key, f"{setting.label}, {run.name}")
                    series.append(Series(mark, steps.tolist(), [Estimate(float(value)) for value in values]))
                if name + REAL in run.curves:
                    reals.append(float(run.curves[name + REAL][1][-1]))
        if any(math.isfinite(one.value) for each in series for one in each.y):
            title = _curve_title(comparison, name.removeprefix("val/"))
            reference = Estimate(sum(reals) / len(reals)) if reals else None
            charts.append(chart(title, "", line_chart(f"{title} over generator steps", series, "generator step", reference)))
    return f"{_key_of_lines(comparison)}<div class='charts'>{''.join(charts)}</div>" if charts else ""


def _numeric_axes(comparison: Comparison) -> dict[str, list[float]]:
    """By name: a number for each setting, not all the same."""
    settings, grouping = comparison.settings, comparison.grouping
    axes: dict[str, list[float]] = {}
    for key in grouping.chosen or grouping.differing:
        values = [setting.runs[0].config.resolved.get(key, setting.values.get(key)) for setting in settings]
        numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if len(numbers) == len(settings):
            axes[key] = numbers
    minutes = [setting.minutes for setting in settings]
    known = [one for one in minutes if one is not None]
    if len(known) == len(settings) and "data.seconds_per_speaker" not in axes:
        axes[_MINUTES] = known
    if not any(key.endswith("steps") for key in axes):
        axes[_STEPS] = [float(setting.generator_steps) for setting in settings]
    return {key: numbers for key, numbers in axes.items() if numbers and max(numbers) - min(numbers) > 1e-2 * abs(max(numbers))}


def _lines(comparison: Comparison, key: str) -> dict[str, list[int]]:
    """Settings that are alike but for the number, by what they are alike in."""
    # What makes the number is no difference beside it.
    cause = {_MINUTES: "data.", _STEPS: "training.steps"}.get(key)
    lines: dict[str, list[int]] = {}
    for at, setting in enumerate(comparison.settings):
        names = [name for name in setting.values if name != key and not (cause and name.startswith(cause)) and varies(comparison, name)]
        rest = ", ".join(f"{name}={shown_value(setting.values[name])}" for name in names)
        lines.setdefault(rest, []).append(at)
    return lines


def _plot(comparison: Comparison, figure: Figure, key: str, numbers: Sequence[float], lines: Mapping[str, list[int]]) -> str:
    series = []
    for n, (rest, every) in enumerate(lines.items()):
        own = [at for at in every if (figure.name, comparison.settings[at].key) in comparison.values]
        means = [mean_of(comparison, figure, comparison.settings[at]) for at in own]
        if own:
            series.append(Series(Mark(n, "", rest or figure.heading), [numbers[at] for at in own], means))
    if not series:
        return ""
    real = comparison.recordings.get(figure.name)
    ticks = sorted(set(numbers)) if len(set(numbers)) <= 6 else ()
    drawing = line_chart(f"{figure.heading} over {key}", series, key, real.mean if real else None, ticks)
    return chart(f"{figure.heading} {arrow(figure)}", "", drawing)


def _curve_title(comparison: Comparison, name: str) -> str:
    figure = next((one for one in comparison.main_figures if one.name == name), None)
    return _LOSSES[name] if figure is None else f"{figure.heading} {arrow(figure)}"


def _key_of_lines(comparison: Comparison) -> str:
    """Which colour is whose, said once above many charts."""
    return f"<p class='key-of-lines'>{''.join(f'<span>{named(comparison, setting)}</span>' for setting in comparison.settings)}</p>"
