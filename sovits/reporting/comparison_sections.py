"""Tables of a comparison's page: settings, what is left out, figures, speakers and tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from sovits.metrics.judge import Figure
from sovits.reporting.charts import Row, interval_chart
from sovits.reporting.comparison import Comparison, Pair, SettingFigure
from sovits.reporting.comparison_parts import arrow, badge_of, chart, figure_title, folded, mark_of, mean_of, named, plain_table
from sovits.reporting.comparison_sounds import RECORDING
from sovits.reporting.html import number
from sovits.reporting.ratings_tables import badge, estimate_cell, probability
from sovits.reporting.run_config import shown_value
from sovits.reporting.statistics import Estimate

SURE = 0.05


def settings_section(comparison: Comparison) -> str:
    """A row for each setting with what sets it apart; below it, folded, every key that differs."""
    keys = [key for key in comparison.grouping.chosen if len({repr(one.values[key]) for one in comparison.settings}) > 1]
    rows = []
    for setting in comparison.settings:
        values = "".join(_value_cell(setting.values[key]) for key in keys)
        minutes = number("–" if setting.minutes is None else f"{setting.minutes:.1f}", setting.minutes)
        runs = ", ".join(run.name for run in setting.runs)
        seeds = f"{len(setting.replicates)} <small>({escape(', '.join(setting.seeds))})</small>"
        name = named(comparison, setting) if not keys else badge(mark_of(comparison, setting))
        rows.append(
            f"<tr><td>{name}</td>{values}{number(seeds, len(setting.replicates))}{number(f'{setting.generator_steps:,}'.replace(',', ' '))}"
            f"{minutes}<td><small>{escape(runs)}</small></td></tr>"
        )
    heads = [("", ""), *((key, _number_class([one.values[key] for one in comparison.settings])) for key in keys)]
    heads += [("seeds", "number"), ("generator steps", "number"), ("minutes of data", "number"), ("runs", "")]
    table = plain_table(heads, rows)
    others = [key for key in comparison.grouping.differing if key not in keys]
    return table + (_all_differences(comparison, others) if others else "")


def left_out_section(comparison: Comparison) -> str:
    """Jobs that are in no figure."""
    every = [tuple(run.record.overrides) for run in comparison.runs] + [one.overrides for one in comparison.left_out if one.overrides]
    # What all commands said tells nothing.
    shared = set(every[0]).intersection(*every[1:])
    rows = []
    for one in comparison.left_out:
        own = " ".join(said for said in one.overrides if said not in shared)
        told = f"<td class='status'>{escape(one.status)}</td><td>{escape(one.reason)}</td>"
        rows.append(f"<tr><td>{escape(one.run)}</td><td>{escape(own)}</td>{told}</tr>")
    return plain_table([("run", ""), ("overrides", ""), ("status", ""), ("why", "")], rows)


def figures_section(comparison: Comparison) -> str:
    """Means over speakers: a table of all, and a small picture of each."""
    main, others = comparison.main_figures, [figure for figure in comparison.figures if figure not in comparison.main_figures]
    charts = "".join(_interval_figure(comparison, figure) for figure in main)
    parts = [_figure_table(comparison, main), f"<div class='charts'>{charts}</div>"]
    if others:
        meaning = "the recording sent through posterior encoder and decoder: what speaking from text can reach at best"
        title = f"Reconstructions <small>{meaning}</small>"
        parts.append(folded(title, _figure_table(comparison, others)))
    return "".join(parts)


def speakers_section(comparison: Comparison) -> str:
    """Each figure speaker by speaker."""
    parts = []
    for at, figure in enumerate(comparison.main_figures):
        told: dict[str, SettingFigure | None] = {one.key: comparison.values.get((figure.name, one.key)) for one in comparison.settings}
        if figure.name in comparison.recordings:
            told = {RECORDING: comparison.recordings[figure.name], **told}
        rows = []
        for speaker in comparison.speakers:
            own = {key: value.speakers[speaker] if value else Estimate(math.nan) for key, value in told.items()}
            best = _best([own[one.key] for one in comparison.settings], figure)
            cells = "".join(estimate_cell(one, figure.digits, "best" if one is best else "") for one in own.values())
            counted = sum(clip.speaker == speaker for clip in comparison.sentences)
            rows.append(f"<tr><td>{escape(speaker)}</td>{number(str(counted))}{cells}</tr>")
        heads = [("speaker", ""), ("sentences", "number")]
        heads += [("recordings" if key == RECORDING else badge_of(comparison, key), "number raw") for key in told]
        parts.append(folded(figure_title(figure), plain_table(heads, rows), unfolded=at == 0))
    return "".join(parts)


def tests_section(comparison: Comparison) -> str:
    """Every pair of settings in every figure."""
    return "".join(
        folded(figure_title(figure), _pair_table(comparison, own), unfolded=at == 0)
        for at, figure in enumerate(comparison.figures)
        if (own := [pair for pair in comparison.pairs if pair.figure == figure])
    )


def _all_differences(comparison: Comparison, keys: Sequence[str]) -> str:
    rows = []
    for key in keys:
        values = []
        for setting in comparison.settings:
            resolved = setting.runs[0].config.resolved
            values.append(f"<td><code>{escape(shown_value(resolved[key]))}</code></td>" if key in resolved else "<td class='gap'>–</td>")
        rows.append(f"<tr><td><code>{escape(key)}</code></td>{''.join(values)}</tr>")
    heads = [("key", ""), *((badge_of(comparison, setting.key), "raw") for setting in comparison.settings)]
    return folded(
        f"Everything else that differs <small>{len(keys)} key{'s' * (len(keys) > 1)} of the composed configuration</small>",
        plain_table(heads, rows),
    )


def _figure_table(comparison: Comparison, figures: Sequence[Figure]) -> str:
    rows = []
    real = [comparison.recordings.get(figure.name) for figure in figures]
    if any(real):
        known = zip((one.mean if one else Estimate(math.nan) for one in real), figures, strict=True)
        rows.append(f"<tr class='real'><td>recordings</td>{''.join(estimate_cell(one, figure.digits) for one, figure in known)}</tr>")
    means = {figure.name: [mean_of(comparison, figure, setting) for setting in comparison.settings] for figure in figures}
    for at, setting in enumerate(comparison.settings):
        cells = []
        for figure in figures:
            own = means[figure.name][at]
            cells.append(estimate_cell(own, figure.digits, "best" if own is _best(means[figure.name], figure) else ""))
        rows.append(f"<tr><td>{named(comparison, setting)}</td>{''.join(cells)}</tr>")
    heads = [("", "")] + [
        (f"<span title='{escape(one.meaning)}'>{escape(one.heading)} {arrow(one)}</span>", "number raw") for one in figures
    ]
    return plain_table(heads, rows)


def _interval_figure(comparison: Comparison, figure: Figure) -> str:
    rows = []
    for setting in comparison.settings:
        value = comparison.values.get((figure.name, setting.key))
        if value is not None:
            rows.append(Row(mark_of(comparison, setting), value.mean, value.seeds))
    real = comparison.recordings.get(figure.name)
    drawing = interval_chart(f"{figure.heading} of every setting", rows, figure.digits, real.mean.value if real else None)
    return chart(f"{figure.heading} {arrow(figure)}", figure.meaning, drawing)


def _pair_table(comparison: Comparison, pairs: Sequence[Pair]) -> str:
    seeds = any(not math.isnan(pair.test.p_seeds) for pair in pairs)
    rows = []
    for pair in pairs:
        test, digits = pair.test, pair.figure.digits
        verdict = _verdict(comparison, pair)
        names = "".join(badge(mark_of(comparison, setting)) for setting in (pair.first, pair.second))
        effect = "–" if math.isnan(test.effect) else f"{test.effect:+.2f}"
        exact = " <small>exact</small>" if test.exact else ""
        difference = estimate_cell(test.difference, digits).replace(
            f">{test.difference.value:.{digits}f}", f">{test.difference.value:+.{digits}f}", 1
        )
        cells = (
            number(effect, test.effect)
            + number(f"{test.higher} of {test.sentences}", test.higher)
            + number(probability(test.p) + exact, test.p)
        )
        cells += number(probability(pair.p_corrected), pair.p_corrected)
        if seeds:
            cells += number(probability(test.p_seeds), test.p_seeds)
        rows.append(f"<tr><td class='pair'>{names}</td>{difference}{cells}<td class='verdict'>{verdict}</td></tr>")
    heads = [
        ("pair", ""),
        ("first - second", "number"),
        ("effect", "number"),
        ("first higher in", "number"),
        ("p", "number"),
        ("p (Holm)", "number"),
    ]
    heads += [("p over seeds", "number")] * seeds + [("", "")]
    return plain_table(heads, rows)


def _verdict(comparison: Comparison, pair: Pair) -> str:
    if not pair.p_corrected < SURE:
        return "<span class='gap'>no difference shown</span>"
    told = "they differ" if pair.better is None else f"{badge(mark_of(comparison, pair.better))} is better"
    # The test is over the sentences of these runs; the interval has the runs' own chance in it too.
    return f"{told} in these runs" + (", but other seeds could turn it" if pair.test.difference.spans_zero else "")


def _best(estimates: Sequence[Estimate], figure: Figure) -> Estimate | None:
    """The best of two or more; none where neither more nor less is better."""
    known = [one for one in estimates if not math.isnan(one.value)]
    if len(known) < 2 or figure.higher_is_better is None:
        return None
    return (max if figure.higher_is_better else min)(known, key=lambda one: one.value)


def _value_cell(value: object) -> str:
    text = escape(shown_value(value))
    return number(text, value) if isinstance(value, int | float) and not isinstance(value, bool) else f"<td>{text}</td>"


def _number_class(values: Sequence[object]) -> str:
    return "number" if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) else ""
