"""Plots over numbers: only where settings differ in nothing else; and curves over generator steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from sovits.reporting.comparison import Comparison, compare
from sovits.reporting.comparison_plots import curves_section, plots_section
from sovits.reporting.run_finding import find_runs
from sovits.reporting.statistics import Statistics
from tests.reporting.planted_runs import Planted


def comparison(folder: Path, runs: Sequence[Planted]) -> Comparison:
    for number, run in enumerate(runs):
        run.write(folder / str(number))
    return compare(find_runs([str(folder)], False), Statistics(100, 100, 0.95, "figure", 0), [], False, None)


def planted(*overrides: str, minutes: float = 4.0, steps: int = 1000) -> Planted:
    return Planted(overrides, sound=False, minutes=minutes, steps=steps)


@pytest.mark.parametrize(
    ("runs", "axes"),
    [
        ([planted("embedding_size=192"), planted("embedding_size=512")], ["embedding_size"]),
        ([planted("embedding_size=192", "+lr=1"), planted("embedding_size=512", "+lr=2")], []),
        ([planted("embedding_size=192", "+lr=1"), planted("embedding_size=512", "+lr=1"), planted("+lr=2")], ["embedding_size"]),
        ([planted("+loss=a"), planted("+loss=b")], []),
        ([planted("data.seconds_per_speaker=60", minutes=2), planted(minutes=9)], ["minutes of data"]),
        (
            [planted("data.seconds_per_speaker=60", minutes=2), planted("data.seconds_per_speaker=90", minutes=3)],
            ["data.seconds_per_speaker"],
        ),
        ([planted("training.steps=500", steps=500), planted("training.steps=900", steps=900)], ["training.steps"]),
    ],
)
def test_a_number_is_plotted_where_settings_differ_in_it_alone(runs: Sequence[Planted], axes: list[str], tmp_path: Path) -> None:
    section = plots_section(comparison(tmp_path, runs))
    assert re.findall("<h3>over (.*?)</h3>", section) == axes
    assert section.count("<svg") == 3 * len(axes)


def test_a_line_is_drawn_for_each_kind_of_setting(tmp_path: Path) -> None:
    runs = [planted(f"embedding_size={size}", f"+loss={loss}") for size in (192, 256, 384) for loss in ("a<b", "c")]
    section = plots_section(comparison(tmp_path, runs))
    first = section.partition("</svg>")[0]
    assert first.count("<circle") == 6
    assert first.count("class='line'") == 2
    assert re.findall("class='legend s.'>(.*?)<", section) == ["loss=a&lt;b", "loss=c"]


def test_curves_have_a_line_for_each_run_over_its_generator_steps(tmp_path: Path) -> None:
    runs = [planted("seed=1", steps=300), planted("embedding_size=192", steps=300)]
    section = curves_section(comparison(tmp_path, runs))
    titles = re.findall("<figcaption><b>(.*?)</b>", section)
    assert titles == ["mel ↓", "voice ↑"]
    assert section.count("class='line'") == 4
    assert ">300<" in section
    assert "generator step" in section
