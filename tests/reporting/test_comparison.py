"""A comparison's figures, tests and tables from planted runs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sovits.errors import SovitsError
from sovits.reporting.comparison import Comparison, compare
from sovits.reporting.comparison_tables import CLIPS, COMPARISONS, RUNS, SETTINGS, SPEAKERS, write_tables
from sovits.reporting.run_finding import find_runs
from sovits.reporting.statistics import Statistics
from tests.reporting.planted_runs import Planted

SPOKEN = {"ana": 6, "bo": 4}


def figure(size: float, seed: int = 0) -> Any:
    """Grows with the size, a little less or more in each clip; the error falls."""
    wobble = (0.0, 0.03, -0.02, 0.05, 0.01, -0.04, 0.02, 0.0, -0.01, 0.04)

    def of(name: str, clip: int) -> float:
        if name.endswith("_real"):
            return 3.0 + wobble[clip]
        gain = (size + 0.01 * seed + wobble[(clip * int(1 + 10 * size)) % 10]) * (-1 if name.startswith("mel") else 1)
        return 2.0 + wobble[clip] + gain

    return of


def comparison(folder: Path, runs: Sequence[Planted], baseline: str | None = None, family: str = "figure") -> Comparison:
    for number, run in enumerate(runs):
        run.write(folder / str(number))
    return compare(find_runs([str(folder)], False), Statistics(500, 999, 0.95, family, 0), [], False, baseline)


def planted(size: float, seed: int = 0, **changes: Any) -> Planted:
    settings = {"speakers": SPOKEN, "sound": False, "figure": figure(size, seed), **changes}
    return Planted([f"embedding_size={round(1000 * size)}", f"seed={seed}"], **settings)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Three settings of two seeds, and a failed run."""
    runs = [planted(size, seed) for size in (0.1, 0.2, 0.9) for seed in (0, 1)]
    return comparison(tmp_path_factory.mktemp("three"), [*runs, Planted(["seed=7"], status="failed", reason="It broke")])


def test_figures_stand_beside_those_of_recordings(three: Comparison) -> None:
    assert [setting.label for setting in three.settings] == ["embedding_size=100", "embedding_size=200", "embedding_size=900"]
    assert [one.name for one in three.main_figures] == ["similarity", "mos", "mel"]
    assert set(three.recordings) == {"similarity", "mos"}
    first, last = (three.values["mos", key] for key in ("A", "C"))
    assert first.mean.low < first.mean.value < first.mean.high < last.mean.low
    assert first.seeds[1] - first.seeds[0] == pytest.approx(0.01)
    assert first.mean.value == pytest.approx(sum(first.seeds) / 2)
    assert first.mean.value == pytest.approx((first.speakers["ana"].value + first.speakers["bo"].value) / 2)
    assert three.values["mel", "A"].mean.value > three.values["mel", "C"].mean.value
    assert first.known == 10


def test_pairs_are_tested_and_corrected_within_their_figure(three: Comparison) -> None:
    pairs = {(pair.figure.name, pair.first.key, pair.second.key): pair for pair in three.pairs}
    assert len(pairs) == 6 * 3
    far, near = pairs["mel", "A", "C"], pairs["mos", "A", "B"]
    assert far.better.key == pairs["mos", "A", "C"].better.key == "C"
    assert far.p_corrected < 0.05 < near.p_corrected or far.p_corrected <= near.p_corrected
    assert far.test.sentences == 10
    assert pairs["mos", "A", "C"].test.higher == 0
    for pair in three.pairs:
        assert pair.p_corrected >= pair.test.p
    family = [pair.p_corrected / pair.test.p for pair in three.pairs if pair.figure.name == "mos"]
    assert max(family) <= 3 + 1e-9


def test_a_larger_family_corrects_more(tmp_path: Path) -> None:
    runs = [planted(size) for size in (0.1, 0.9)]
    own = comparison(tmp_path / "a", runs)
    every = comparison(tmp_path / "b", runs, family="all")
    assert {pair.figure.name: pair.p_corrected for pair in own.pairs} == {pair.figure.name: pair.test.p for pair in own.pairs}
    assert min(pair.p_corrected / pair.test.p for pair in every.pairs) > 1
    assert len(every.pairs) == 6


def test_a_baseline_is_what_all_others_are_tested_against(tmp_path: Path) -> None:
    runs = [planted(size) for size in (0.1, 0.2, 0.9)]
    told = comparison(tmp_path / "a", runs, baseline="B")
    assert {(pair.first.key, pair.second.key) for pair in told.pairs} == {("A", "B"), ("C", "B")}
    by_label = comparison(tmp_path / "b", runs, baseline="embedding_size=100")
    assert {pair.second.key for pair in by_label.pairs} == {"A"}
    with pytest.raises(SovitsError, match="baseline=Z is no setting of these runs; they are A: embedding_size=100; B"):
        comparison(tmp_path / "c", runs, baseline="Z")


def notes(told: Comparison) -> str:
    return "\n".join(told.notes)


def test_notes_say_what_few_runs_cannot_show(three: Comparison, tmp_path: Path) -> None:
    assert "Seeds are few (2 of each setting)" in notes(three)
    assert "1 run is left out of all figures: 1 failed" in notes(three)
    assert "bo 4" in notes(three)
    assert "The 2 speakers are not resampled" in notes(three)
    once = comparison(tmp_path / "once", [planted(0.1), planted(0.9, steps=500)])
    assert "Every setting was trained once" in notes(once)
    assert "different numbers of generator steps: A 1000, B 500" in notes(once)
    mixed = comparison(tmp_path / "mixed", [planted(0.1), planted(0.9), planted(0.9, 1)])
    assert "A was trained once" in notes(mixed)
    many = comparison(tmp_path / "many", [planted(0.1, seed) for seed in range(5)])
    assert "runs and sentences are both resampled" in notes(many)
    assert not many.pairs


def test_a_missing_metric_is_a_gap_that_is_told(tmp_path: Path) -> None:
    holes = lambda name, clip: None if name == "mos" and clip > 7 else figure(0.5)(name, clip)  # noqa: E731
    runs = [
        planted(0.1),
        planted(0.2, figures=("mos", "mel")),
        planted(0.3),
        planted(0.3, 1, figures=("mos", "similarity")),
        planted(0.5, figure=holes),
    ]
    told = comparison(tmp_path / "a", runs)
    assert "voice (similarity) was not measured in B: a gap" in notes(told)
    assert "mel (mel) was not measured in C with seed 1" in notes(told)
    assert "MOS (mos) is known of 8 of 10 sentences in D" in notes(told)
    assert ("similarity", "B") not in told.values
    assert not [pair for pair in told.pairs if pair.figure.name == "similarity" and "B" in (pair.first.key, pair.second.key)]
    assert len([pair for pair in told.pairs if pair.figure.name == "similarity"]) == 3


def test_opposite_meanings_are_refused(tmp_path: Path) -> None:
    turned = {"figures": {"mos": {"heading": "MOS", "meaning": "", "higher_is_better": False}}}
    with pytest.raises(SovitsError, match="1 says that less is better of mos"):
        comparison(tmp_path, [planted(0.1), planted(0.2, figures=("mos",), summary=turned)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_tables_hold_it_all(three: Comparison, tmp_path: Path) -> None:
    write_tables(three, tmp_path)
    runs = rows(tmp_path / RUNS)
    assert len(runs) == 7
    assert [row["embedding_size"] for row in runs] == ["100", "100", "200", "200", "900", "900", ""]
    assert (runs[6]["status"], runs[6]["run"]) == ("failed", "6")
    assert "It broke" in runs[6]["reason"]
    assert float(runs[0]["mos"]) == pytest.approx(three.values["mos", "A"].seeds[0], rel=1e-5)
    settings = rows(tmp_path / SETTINGS)
    assert [row["setting"] for row in settings][-1] == "recordings"
    assert float(settings[0]["mos_low"]) < float(settings[0]["mos"]) < float(settings[0]["mos_high"])
    assert settings[-1]["mel"] == ""
    speakers = rows(tmp_path / SPEAKERS)
    assert len(speakers) == 2 * (6 * 3 + 2)
    assert {row["sentences"] for row in speakers if row["speaker"] == "ana"} == {"6"}
    clips = rows(tmp_path / CLIPS)
    assert len(clips) == 6 * 10
    assert float(clips[0]["mos_real"]) == pytest.approx(3.0)
    tests = rows(tmp_path / COMPARISONS)
    assert len(tests) == 18
    assert {row["better"] for row in tests if row["second_key"] == "C"} == {"C"}
    assert all(float(row["p"]) <= float(row["p_holm"]) for row in tests)
