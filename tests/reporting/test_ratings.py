"""Answers of listeners, counted by hand, and answers that are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sovits.errors import SovitsError
from sovits.reporting.listening_test import BlindSound, ListeningTest, Trial
from sovits.reporting.ratings import Ratings, find_key, rate, rating_files, read_sitting
from sovits.reporting.ratings_tables import probability, ratings_section, shown, terminal_tables, write_ratings
from sovits.reporting.statistics import Estimate, Statistics

STATISTICS = Statistics(500, 999, 0.95, "figure", 0)


def two_settings() -> ListeningTest:
    """Six sentences: a preference and three marks of each."""
    sounds, trials = {}, {}
    for n in range(6):
        for setting in ("A", "B", "recording"):
            sounds[f"{setting}{n}"] = BlindSound(setting, f"ana/{n}", "ana", "run")
        trials[f"p{n}"] = Trial(f"p{n}", "preference", "text", (f"A{n}", f"B{n}"))
        for setting in ("A", "B", "recording"):
            trials[f"m{setting}{n}"] = Trial(f"m{setting}{n}", "marks", "text", (f"{setting}{n}",), "recording0")
    return ListeningTest("t1", {"A": "size=<1>", "B": "size=2"}, sounds, trials)


def preference(n: int, choice: str | None) -> dict[str, Any]:
    return {"trial": f"p{n}", "kind": "preference", "left": f"B{n}", "choice": None if choice is None else f"{choice}{n}", "seconds": 3.5}


def marks(setting: str, n: int, naturalness: Any, similarity: Any = 3) -> dict[str, Any]:
    return {"trial": f"m{setting}{n}", "kind": "marks", "naturalness": naturalness, "similarity": similarity, "seconds": 1}


def saved(path: Path, *answers: dict[str, Any], **changes: Any) -> Path:
    content = {"format": 1, "test": "t1", "rater": path.stem, "name": "", "finished": True, "answers": list(answers), **changes}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def rated(*files: Path) -> Ratings:
    return rate(two_settings(), [read_sitting(file) for file in files], STATISTICS)


def test_preferences_and_marks_are_counted(tmp_path: Path) -> None:
    choices = ["B", "B", "B", "B", "A", None]
    every = [preference(n, choice) for n, choice in enumerate(choices)]
    every += (
        [marks("A", n, 1 + n % 2, 2) for n in range(6)]
        + [marks("B", n, 4, 5) for n in range(6)]
        + [marks("recording", n, 5) for n in range(6)]
    )
    told = rated(saved(tmp_path / "one.json", *every), saved(tmp_path / "two.json", preference(0, "B"), marks("A", 0, 5)))
    (pair,) = told.preferences
    assert (pair.first, pair.second, pair.for_first, pair.for_second, pair.neither) == ("A", "B", 1, 5, 1)
    assert pair.share.value == pytest.approx(1 / 6)
    assert 0 < pair.share.low < 1 / 6 < pair.share.high < 1
    assert pair.p == pytest.approx(2 * (1 + 6) / 2**6)
    means = {one.setting: one for one in told.marks}
    assert (means["A"].answers, means["B"].answers) == (7, 6)
    # Each sentence counts alike, whoever answered it.
    assert means["A"].naturalness.value == pytest.approx(((1 + 5) / 2 + 2 + 1 + 2 + 1 + 2) / 6)
    assert means["A"].naturalness.low < means["A"].naturalness.value < means["A"].naturalness.high
    assert (means["B"].naturalness.value, means["B"].similarity.value) == (4.0, 5.0)
    assert any("two.json left 22 of 24 questions" in note for note in told.notes)
    assert any("2 people answered: too few" in note for note in told.notes)


def test_one_person_is_called_one_person(tmp_path: Path) -> None:
    broken = {"trial": "p1", "kind": "preference", "broken": True}
    told = rated(saved(tmp_path / "a.json", preference(0, None), broken, name="Mei"))
    assert any("One person answered" in note for note in told.notes)
    assert any("1 sounds did not play for Mei" in note for note in told.notes)
    assert math.isnan(told.preferences[0].p)
    assert [one.answers for one in told.marks] == [0, 0, 0]
    assert "–" in ratings_section(told)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "does not hold answers"),
        ("[]", "does not hold answers"),
        ('{"format": 2, "answers": []}', "not of format 1"),
        ('{"format": 1, "test": "t1", "rater": "a", "answers": [{"trial": "p0", "kind": "song"}]}', "song is no kind"),
        (json.dumps({"format": 1, "test": "t1", "rater": "a", "answers": [marks("A", 0, 6)]}), "naturalness=6 is no mark"),
        (json.dumps({"format": 1, "test": "t1", "rater": "a", "answers": [marks("A", 0, True)]}), "naturalness=True is no mark"),
        (json.dumps({"format": 1, "test": "t1", "rater": "a", "answers": [{"trial": "p0", "kind": "preference"}]}), "choice"),
    ],
)
def test_a_damaged_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(SovitsError, match=rf"a\.json does not hold answers.*{message}|{message}"):
        read_sitting(tmp_path / "a.json")


@pytest.mark.parametrize(
    "answers",
    [
        [{**preference(0, "A"), "trial": "p9"}],
        [{**preference(0, "A"), "choice": "A3"}],
        [preference(0, "A")] * 2,
        [{**marks("A", 0, 3), "trial": "p0"}],
    ],
)
def test_answers_that_the_test_cannot_have_given_are_refused(answers: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match="that the test cannot have given"):
        rated(saved(tmp_path / "a.json", *answers))


def test_answers_of_another_test_or_twice_of_one_listener_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"a\.json answers the listening test t9, not t1"):
        rated(saved(tmp_path / "a.json", test="t9"))
    with pytest.raises(SovitsError, match="two files of one listener"):
        rated(saved(tmp_path / "a.json", rater="x"), saved(tmp_path / "b.json", rater="x"))


def test_files_and_keys_are_found(tmp_path: Path) -> None:
    one, two = saved(tmp_path / "a.json"), saved(tmp_path / "b.json")
    assert rating_files([str(tmp_path), str(two)]) == [one, two]
    with pytest.raises(SovitsError, match="ratings=nowhere is no file"):
        rating_files(["nowhere"])
    key = two_settings().save_key(tmp_path)
    assert find_key("t1", [tmp_path / "x", tmp_path]) == key
    with pytest.raises(SovitsError, match="the listening test t2, whose key .* is not in .* output=FOLDER"):
        find_key("t2", [tmp_path])


def test_tables_hold_every_answer(tmp_path: Path) -> None:
    told = rated(saved(tmp_path / "a.json", preference(0, "B"), preference(1, None), marks("B", 0, 4), marks("A", 1, 2)))
    write_ratings([told], tmp_path)
    lines = (tmp_path / "ratings.csv").read_text().splitlines()
    assert len(lines) == 5
    assert ",B,B," in lines[1]
    assert ",B,neither," in lines[2]
    assert (tmp_path / "preferences.csv").read_text().splitlines()[1].startswith("t1,size=<1>,size=2,0,1,1,0,")
    assert "t1,recordings,0,,,,,," in (tmp_path / "marks.csv").read_text()
    assert [table.row_count for table in terminal_tables(told)] == [1, 3]
    section = ratings_section(told)
    assert "size=&lt;1&gt;" in section
    assert "size=<1>" not in section


def test_numbers_are_shown_as_people_read_them() -> None:
    assert shown(Estimate(0.834, 0.8, 0.861), 2) == "0.83 [0.80, 0.86]"
    assert shown(Estimate(0.834), 3) == "0.834"
    assert shown(Estimate(math.nan), 2) == "–"
    assert [probability(p) for p in (0.0002, 0.0214, math.nan)] == ["< 0.001", "0.021", "–"]
