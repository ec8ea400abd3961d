"""The parts of a comparison's page: settings, figures, tests, plots, curves and sentences to listen to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from sovits.metrics.judge import REAL, Figure
from sovits.reporting.charts import Mark, Row, Series, interval_chart, line_chart
from sovits.reporting.comparison import Comparison, Pair, SettingFigure
from sovits.reporting.comparison_sounds import RECORDING, Sound, Sounds
from sovits.reporting.html import address, anchor, number, player
from sovits.reporting.ratings_tables import badge, estimate_cell, probability
from sovits.reporting.run_config import shown_value
from sovits.reporting.run_settings import Setting
from sovits.reporting.statistics import Estimate

SURE = 0.05
_LOSSES = {"mel": "mel loss", "kl": "KL loss", "duration": "duration loss"}


def mark_of(comparison: Comparison, setting: Setting) -> Mark:
    """The setting's letter and colour."""
    return Mark(comparison.settings.index(setting), setting.key, setting.label)


def named(comparison: Comparison, setting: Setting) -> str:
    """Letter and label."""
    return f"{badge(mark_of(comparison, setting))} {escape(setting.label)}"


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
    rows = [
        f"<tr><td>{escape(one.run)}</td><td>{escape(' '.join(one.overrides))}</td><td class='status'>{escape(one.status)}</td>"
        f"<td>{escape(one.reason)}</td></tr>"
        for one in comparison.left_out
    ]
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
        heads += [("recordings" if key == RECORDING else _badge_of(comparison, key), "number raw") for key in told]
        parts.append(folded(_figure_title(figure), plain_table(heads, rows), unfolded=at == 0))
    return "".join(parts)


def tests_section(comparison: Comparison) -> str:
    """Every pair of settings in every figure."""
    return "".join(
        folded(_figure_title(figure), _pair_table(comparison, own), unfolded=at == 0)
        for at, figure in enumerate(comparison.figures)
        if (own := [pair for pair in comparison.pairs if pair.figure == figure])
    )


def plots_section(comparison: Comparison) -> str:
    """Each figure over every number that the settings differ in."""
    parts = []
    for key, numbers in _numeric_axes(comparison).items():
        charts = "".join(_plot(comparison, figure, key, numbers) for figure in comparison.main_figures)
        parts.append(f"<h3>over {escape(key)}</h3><div class='charts'>{charts}</div>")
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
            charts.append(_chart(title, "", line_chart(f"{title} over generator steps", series, "generator step", reference)))
    return f"{_key_of_lines(comparison)}<div class='charts'>{''.join(charts)}</div>" if charts else ""


def listening_section(comparison: Comparison, sounds: Sounds) -> str:
    """The chosen sentences, speaker by speaker: the recording first, then every setting."""
    parts = []
    clips = {clip.id: clip for clip in comparison.sentences}
    for speaker in dict.fromkeys(clips[id_].speaker for id_ in sounds.sentences):
        parts.append(f"<h3 id='{anchor(speaker)}'>{escape(speaker)}</h3>")
        for id_, own in sounds.sentences.items():
            if clips[id_].speaker == speaker:
                parts.append(_sentence(comparison, id_, clips[id_].text, own))
        if speaker in sounds.pictures:
            alt = escape(f"Mel spectrograms of {speaker}")
            drawn = "".join(
                f"<p>{_badge_of(comparison, key)}<br><img loading='lazy' src='{address(path)}' alt='{alt}, {key}'></p>"
                for key, path in sounds.pictures[speaker].items()
            )
            parts.append(folded(f"Mel spectrograms of {escape(speaker)} <small>as the evaluation drew them</small>", drawn))
    return "".join(parts)


def folded(title: str, content: str, unfolded: bool = False) -> str:
    """A part that opens on a click."""
    return f"<details{' open' * unfolded}><summary>{title}</summary>{content}</details>"


def plain_table(heads: Sequence[tuple[str, str]], rows: Sequence[str]) -> str:
    """A table from rows of HTML; a heading is text, or HTML where its class says ``raw``."""
    head = "".join(f"<th{f' class={css!r}' if css else ''}>{name if 'raw' in css else escape(name)}</th>" for name, css in heads)
    return f"<table class='plain'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _key_of_lines(comparison: Comparison) -> str:
    """Which colour is whose, said once above many charts."""
    return f"<p class='key-of-lines'>{''.join(f'<span>{named(comparison, setting)}</span>' for setting in comparison.settings)}</p>"


def _all_differences(comparison: Comparison, keys: Sequence[str]) -> str:
    rows = []
    for key in keys:
        values = []
        for setting in comparison.settings:
            resolved = setting.runs[0].config.resolved
            values.append(f"<td><code>{escape(shown_value(resolved[key]))}</code></td>" if key in resolved else "<td class='gap'>–</td>")
        rows.append(f"<tr><td><code>{escape(key)}</code></td>{''.join(values)}</tr>")
    heads = [("key", ""), *((_badge_of(comparison, setting.key), "raw") for setting in comparison.settings)]
    return folded(f"Everything else that differs <small>{len(keys)} keys of the composed configuration</small>", plain_table(heads, rows))


def _figure_table(comparison: Comparison, figures: Sequence[Figure]) -> str:
    rows = []
    real = [comparison.recordings.get(figure.name) for figure in figures]
    if any(real):
        known = zip((one.mean if one else Estimate(math.nan) for one in real), figures, strict=True)
        rows.append(f"<tr class='real'><td>recordings</td>{''.join(estimate_cell(one, figure.digits) for one, figure in known)}</tr>")
    means = {figure.name: [_mean_of(comparison, figure, setting) for setting in comparison.settings] for figure in figures}
    for at, setting in enumerate(comparison.settings):
        cells = []
        for figure in figures:
            own = means[figure.name][at]
            cells.append(estimate_cell(own, figure.digits, "best" if own is _best(means[figure.name], figure) else ""))
        rows.append(f"<tr><td>{named(comparison, setting)}</td>{''.join(cells)}</tr>")
    heads = [("", "")] + [
        (f"<span title='{escape(one.meaning)}'>{escape(one.heading)} {_arrow(one)}</span>", "number raw") for one in figures
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
    return _chart(f"{figure.heading} {_arrow(figure)}", figure.meaning, drawing)


def _pair_table(comparison: Comparison, pairs: Sequence[Pair]) -> str:
    seeds = any(not math.isnan(pair.test.p_seeds) for pair in pairs)
    rows = []
    for pair in pairs:
        test, digits = pair.test, pair.figure.digits
        sure = pair.p_corrected < SURE
        verdict = (
            f"{badge(mark_of(comparison, pair.better))} is better in these runs" if sure else "<span class='gap'>no difference shown</span>"
        )
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
        rows.append(f"<tr><td class='pair'>{names}</td>{difference}{cells}<td>{verdict}</td></tr>")
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
        axes["minutes of data"] = known
    if not any(key.endswith("steps") for key in axes):
        axes["generator steps"] = [float(setting.generator_steps) for setting in settings]
    return {key: numbers for key, numbers in axes.items() if numbers and max(numbers) - min(numbers) > 1e-2 * abs(max(numbers))}


def _plot(comparison: Comparison, figure: Figure, key: str, numbers: Sequence[float]) -> str:
    """Settings that are alike but for the number make a line."""
    lines: dict[str, list[int]] = {}
    for at, setting in enumerate(comparison.settings):
        rest = ", ".join(
            f"{name}={shown_value(value)}" for name, value in setting.values.items() if name != key and _varies(comparison, name)
        )
        if (figure.name, setting.key) in comparison.values:
            lines.setdefault(rest, []).append(at)
    series = [
        Series(
            Mark(n, "", rest or figure.heading),
            [numbers[at] for at in own],
            [_mean_of(comparison, figure, comparison.settings[at]) for at in own],
        )
        for n, (rest, own) in enumerate(lines.items())
    ]
    real = comparison.recordings.get(figure.name)
    ticks = sorted(set(numbers)) if len(set(numbers)) <= 6 else ()
    drawing = line_chart(f"{figure.heading} over {key}", series, key, real.mean if real else None, ticks)
    legend = "".join(f"<span class='legend {one.mark.css}'>{escape(one.mark.label)}</span>" for one in series) if len(series) > 1 else ""
    return _chart(f"{figure.heading} {_arrow(figure)}", "", drawing + legend)


def _sentence(comparison: Comparison, id_: str, text: str, own: Mapping[str, Sound]) -> str:
    longest = max((sound.seconds for sound in own.values()), default=0.0) or 1.0
    recorded = own.get(RECORDING)
    cells = [_sound_cell("<b>recording</b>", recorded, _clip_figures(comparison, recorded, id_, REAL))]
    for setting in comparison.settings:
        sound = own.get(setting.key)
        cells.append(_sound_cell(named(comparison, setting), sound, _clip_figures(comparison, sound, id_, "")))
    return (
        f"<section class='sentence' style='--longest:{longest:.3f}'><p class='text'>{escape(text)} <small>{escape(id_)}</small></p>"
        f"<div class='sounds'>{''.join(cells)}</div></section>"
    )


def _clip_figures(comparison: Comparison, sound: Sound | None, id_: str, ending: str) -> str:
    """The figures of one sound, in the run that it is from."""
    run = next((run for run in comparison.runs if sound is not None and run.name == sound.run), None)
    if run is None:
        return ""
    known = ((figure, run.clips[id_].figures.get(figure.name + ending, math.nan)) for figure in comparison.main_figures)
    spans = (f"<span>{escape(figure.heading)} <b>{value:.{figure.digits}f}</b></span>" for figure, value in known if not math.isnan(value))
    return f"<p class='figures'>{''.join(spans)}</p>"


def _sound_cell(heading: str, sound: Sound | None, figures: str) -> str:
    if sound is None:
        return f"<article class='clip'><p class='who'>{heading}</p><p class='missing'>There is no audio of it.</p></article>"
    image = f"<img loading='lazy' alt='' src='{address(sound.picture)}'>" if sound.picture else ""
    mel = f"<div class='mel' style='--s:{max(sound.seconds, 0.01):.3f}'><div class='picture'>{image}</div></div>" if image else ""
    return f"<article class='clip'><p class='who'>{heading}</p>{mel}{player(sound.audio)}{figures}</article>"


def _curve_title(comparison: Comparison, name: str) -> str:
    figure = next((one for one in comparison.main_figures if one.name == name), None)
    return _LOSSES[name] if figure is None else f"{figure.heading} {_arrow(figure)}"


def _chart(title: str, meaning: str, drawing: str) -> str:
    small = f"<small>{escape(meaning)}</small>" if meaning else ""
    return f"<figure class='chart'><figcaption><b>{escape(title)}</b>{small}</figcaption>{drawing}</figure>"


def _figure_title(figure: Figure) -> str:
    return f"{escape(figure.heading)} {_arrow(figure)} <small>{escape(figure.meaning)}</small>"


def _arrow(figure: Figure) -> str:
    return "↑" if figure.higher_is_better else "↓"


def _badge_of(comparison: Comparison, key: str) -> str:
    return badge(next(mark_of(comparison, setting) for setting in comparison.settings if setting.key == key))


def _mean_of(comparison: Comparison, figure: Figure, setting: Setting) -> Estimate:
    value = comparison.values.get((figure.name, setting.key))
    return Estimate(math.nan) if value is None else value.mean


def _best(estimates: Sequence[Estimate], figure: Figure) -> Estimate | None:
    """The best of two or more."""
    known = [one for one in estimates if not math.isnan(one.value)]
    if len(known) < 2:
        return None
    return (max if figure.higher_is_better else min)(known, key=lambda one: one.value)


def _varies(comparison: Comparison, key: str) -> bool:
    return len({repr(setting.values[key]) for setting in comparison.settings}) > 1


def _value_cell(value: object) -> str:
    text = escape(shown_value(value))
    return number(text, value) if isinstance(value, int | float) and not isinstance(value, bool) else f"<td>{text}</td>"


def _number_class(values: Sequence[object]) -> str:
    return "number" if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) else ""
