"""Pieces of HTML that the sections of a comparison's page share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from sovits.metrics.judge import Figure
from sovits.reporting.charts import Mark
from sovits.reporting.comparison import Comparison
from sovits.reporting.ratings_tables import badge
from sovits.reporting.run_settings import Setting
from sovits.reporting.statistics import Estimate


def mark_of(comparison: Comparison, setting: Setting) -> Mark:
    """The setting's letter and colour."""
    return Mark(comparison.settings.index(setting), setting.key, setting.label)


def named(comparison: Comparison, setting: Setting) -> str:
    """Letter and label."""
    return f"{badge(mark_of(comparison, setting))} {escape(setting.label)}"


def badge_of(comparison: Comparison, key: str) -> str:
    return badge(next(mark_of(comparison, setting) for setting in comparison.settings if setting.key == key))


def folded(title: str, content: str, unfolded: bool = False) -> str:
    """A part that opens on a click."""
    return f"<details{' open' * unfolded}><summary>{title}</summary>{content}</details>"


def plain_table(heads: Sequence[tuple[str, str]], rows: Sequence[str]) -> str:
    """A table from rows of HTML; a heading is text, or HTML where its class says ``raw``."""
    head = "".join(f"<th{f' class={css!r}' if css else ''}>{name if 'raw' in css else escape(name)}</th>" for name, css in heads)
    return f"<table class='plain'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def chart(title: str, meaning: str, drawing: str) -> str:
    small = f"<small>{escape(meaning)}</small>" if meaning else ""
    return f"<figure class='chart'><figcaption><b>{escape(title)}</b>{small}</figcaption>{drawing}</figure>"


def figure_title(figure: Figure) -> str:
    return f"{escape(figure.heading)} {arrow(figure)} <small>{escape(figure.meaning)}</small>"


def arrow(figure: Figure) -> str:
    return {True: "↑", False: "↓", None: ""}[figure.higher_is_better]


def mean_of(comparison: Comparison, figure: Figure, setting: Setting) -> Estimate:
    value = comparison.values.get((figure.name, setting.key))
    return Estimate(math.nan) if value is None else value.mean


def varies(comparison: Comparison, key: str) -> bool:
    return len({repr(setting.values[key]) for setting in comparison.settings}) > 1
