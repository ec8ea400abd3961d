"""What listeners said, as CSV files, as a table in the terminal and as a part of the report's page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from rich.table import Table

from sovits.reporting.charts import Mark, Row, interval_chart
from sovits.reporting.comparison_sounds import RECORDING
from sovits.reporting.comparison_tables import write_csv
from sovits.reporting.html import address, link, number
from sovits.reporting.listening_test import NATURALNESS, SIMILARITY
from sovits.reporting.ratings import QUESTIONS, Ratings
from sovits.reporting.statistics import Estimate

ANSWERS, PREFERENCES, MARKS = "ratings.csv", "preferences.csv", "marks.csv"


def write_ratings(ratings: Sequence[Ratings], folder: Path) -> None:
    """Writes every answer with what it was about, the preferences, and the mean marks, of all tests of a report."""
    write_csv(folder / ANSWERS, [row for one in ratings for row in _answers(one)])
    write_csv(folder / PREFERENCES, [row for one in ratings for row in _preferences(one)])
    write_csv(folder / MARKS, [row for one in ratings for row in _marks(one)])


def terminal_tables(ratings: Ratings) -> list[Table]:
    """Preferences and marks."""
    preferences = Table("pair", "first", "second", "neither", "first's share", "p", "p (Holm)", title="Which sounded more natural")
    for one in ratings.preferences:
        counts = (str(one.for_first), str(one.for_second), str(one.neither))
        pair = f"{ratings.test.settings[one.first]}  against  {ratings.test.settings[one.second]}"
        preferences.add_row(pair, *counts, shown(one.share, 2), probability(one.p), probability(one.p_corrected))
    marks = Table("setting", "answers", *QUESTIONS, title="Marks from 1 to 5")
    for mark in ratings.marks:
        marks.add_row(_label(ratings, mark.setting), str(mark.answers), shown(mark.naturalness, 2), shown(mark.similarity, 2))
    return [table for table, any_ in ((preferences, ratings.preferences), (marks, ratings.marks)) if any_]


def ratings_section(ratings: Ratings) -> str:
    """HTML: who answered, preferences, marks with their charts, and what it cannot show."""
    listeners = len(ratings.sittings)
    files = ", ".join(link(address(name), name) for name in (ANSWERS, PREFERENCES, MARKS))
    parts = [f"<p>{listeners} listener{'s' * (listeners != 1)} answered the test {ratings.test.id}: {files}</p>"]
    if ratings.preferences:
        parts.append(_preference_table(ratings))
    if ratings.marks:
        parts.append(_mark_table(ratings))
        parts.append(f"<div class='charts'>{''.join(_mark_chart(ratings, name) for name in QUESTIONS)}</div>")
    parts.append("<ul class='notes'>" + "".join(f"<li>{escape(note)}</li>" for note in ratings.notes) + "</ul>")
    return "".join(parts)


def shown(estimate: Estimate, digits: int) -> str:
    """``0.83 [0.80, 0.86]``; a dash for none."""
    if math.isnan(estimate.value):
        return "–"
    interval = f" [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]" if estimate.has_interval else ""
    return f"{estimate.value:.{digits}f}{interval}"


def probability(p: float) -> str:
    """A probability with as many digits as it deserves."""
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def estimate_cell(estimate: Estimate, digits: int, css: str = "") -> str:
    """A table's cell, the interval small beside the value."""
    if math.isnan(estimate.value):
        return "<td class='number gap'>–</td>"
    interval = f" <small>[{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]</small>" if estimate.has_interval else ""
    cell = number(f"{estimate.value:.{digits}f}{interval}", estimate.value)
    return cell.replace("class='number'", f"class='number {css}'", 1) if css else cell


def badge(mark: Mark) -> str:
    """The letter of a setting in its colour."""
    return f"<b class='badge {mark.css}' title='{escape(mark.label)}'>{mark.key}</b>"


def _mark_of(ratings: Ratings, key: str) -> Mark:
    order = list(ratings.test.settings)
    return Mark(order.index(key), key, ratings.test.settings[key]) if key in ratings.test.settings else Mark(0, "", "recordings")


def _label(ratings: Ratings, key: str) -> str:
    return "recordings" if key == RECORDING else f"{key}: {ratings.test.settings[key]}"


def _named(ratings: Ratings, key: str) -> str:
    if key == RECORDING:
        return "recordings"
    return f"{badge(_mark_of(ratings, key))} {escape(ratings.test.settings[key])}"


def _preference_table(ratings: Ratings) -> str:
    rows = []
    for one in ratings.preferences:
        width = 0.0 if math.isnan(one.share.value) else 100 * one.share.value
        bar = f"<div class='shares'><i class='{_mark_of(ratings, one.first).css}' style='width:{width:.0f}%'></i>"
        bar += (
            f"<i class='{_mark_of(ratings, one.second).css}' style='width:{100 - width:.0f}%'></i></div>"
            if one.for_first + one.for_second
            else "</div>"
        )
        counts = "".join(number(str(count)) for count in (one.for_first, one.for_second, one.neither))
        p = number(probability(one.p), one.p) + number(probability(one.p_corrected), one.p_corrected)
        names = f"<td>{_named(ratings, one.first)}</td><td>{_named(ratings, one.second)}</td>"
        rows.append(f"<tr>{names}<td class='amount'>{bar}</td>{estimate_cell(one.share, 2)}{counts}{p}</tr>")
    head = "<th>first</th><th>second</th><th>preferred</th>" + "".join(
        f"<th class='number'>{name}</th>" for name in ("first's share", "first", "second", "neither", "p", "p (Holm)")
    )
    return f"<h3>Which sounded more natural</h3><table class='plain'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _mark_table(ratings: Ratings) -> str:
    rows = "".join(
        f"<tr><td>{_named(ratings, one.setting)}</td>{number(str(one.answers))}{estimate_cell(one.naturalness, 2)}"
        f"{estimate_cell(one.similarity, 2)}</tr>"
        for one in ratings.marks
    )
    head = "<th>setting</th>" + "".join(f"<th class='number'>{name}</th>" for name in ("answers", *QUESTIONS))
    return f"<h3>Marks, 1 to 5</h3><table class='plain'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _mark_chart(ratings: Ratings, question: str) -> str:
    own = {one.setting: getattr(one, question) for one in ratings.marks if one.answers}
    rows = [Row(_mark_of(ratings, key), own[key]) for key in ratings.test.settings if key in own]
    if not rows:
        return ""
    reference = own[RECORDING].value if RECORDING in own else None
    drawing = interval_chart(f"Mean marks for {question}", rows, 2, reference)
    meaning = {NATURALNESS: "1 bad, 5 excellent", SIMILARITY: "1 another person, 5 the same person"}[question]
    return f"<figure class='chart'><figcaption><b>{question}</b><small>{meaning}</small></figcaption>{drawing}</figure>"


def _answers(ratings: Ratings) -> list[dict[str, Any]]:
    rows = []
    for sitting in ratings.sittings:
        for answer in sitting.answers:
            trial = ratings.test.trials[answer.trial]
            sounds = [ratings.test.sounds[name] for name in trial.sounds]
            row: dict[str, Any] = {
                "test": ratings.test.id,
                "rater": sitting.rater,
                "name": sitting.name,
                "trial": trial.id,
                "kind": trial.kind,
            }
            row |= {"clip": sounds[0].clip, "speaker": sounds[0].speaker, "settings": " ".join(sorted(one.setting for one in sounds))}
            row |= {"runs": " ".join(one.run for one in sounds), "first": "", "choice": "", "naturalness": "", "similarity": ""}
            if answer.first is not None:
                row["first"] = ratings.test.sounds[answer.first].setting
                row["choice"] = "neither" if answer.choice is None else ratings.test.sounds[answer.choice].setting
            else:
                row |= {"naturalness": answer.naturalness, "similarity": answer.similarity}
            rows.append({**row, "seconds": answer.seconds})
    return rows


def _preferences(ratings: Ratings) -> list[dict[str, Any]]:
    return [
        {
            "test": ratings.test.id,
            "first": ratings.test.settings[one.first],
            "second": ratings.test.settings[one.second],
            "for_first": one.for_first,
        }
        | {"for_second": one.for_second, "neither": one.neither, "share_first": one.share.value, "share_first_low": one.share.low}
        | {"share_first_high": one.share.high, "p": one.p, "p_holm": one.p_corrected}
        for one in ratings.preferences
    ]


def _marks(ratings: Ratings) -> list[dict[str, Any]]:
    rows = []
    for one in ratings.marks:
        row: dict[str, Any] = {
            "test": ratings.test.id,
            "setting": "recordings" if one.setting == RECORDING else ratings.test.settings[one.setting],
            "answers": one.answers,
        }
        for name in QUESTIONS:
            estimate: Estimate = getattr(one, name)
            row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        rows.append(row)
    return rows
