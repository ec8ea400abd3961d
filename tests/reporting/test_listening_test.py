"""The listening test: what it asks, and that nothing in its folder tells which clip is whose."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from sovits.errors import SovitsError
from sovits.reporting.comparison import Comparison, compare
from sovits.reporting.listening_test import MARKS, PREFERENCE, ListeningTest, ListeningTestPlan
from sovits.reporting.run_finding import find_runs
from sovits.reporting.statistics import Statistics
from tests.reporting.planted_runs import Planted


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Three settings, the first of two seeds; one speaker has a single sentence."""
    folder = tmp_path_factory.mktemp("sweep")
    for number, (size, seed) in enumerate([(192, 0), (192, 1), (384, 0), (512, 0)]):
        value = lambda name, clip, number=number: number + clip + len(name)  # noqa: E731
        Planted([f"embedding_size={size}", f"seed={seed}"], value, speakers={"ana": 3, "bo x": 2, "cy": 1}).write(folder / str(number))
    return compare(find_runs([str(folder)], False), Statistics(100, 100, 0.95, "figure", 0), [], False, None)


def written(comparison: Comparison, report: Path, *numbers: int) -> ListeningTest:
    test = ListeningTestPlan(*(numbers or (6, 99, 99)), seed=0).write(comparison, report)
    assert test is not None
    return test


def test_every_pair_and_every_setting_is_asked_of_every_sentence(comparison: Comparison, tmp_path: Path) -> None:
    test = written(comparison, tmp_path)
    asked = Counter(trial.kind for trial in test.trials.values())
    # A recording of the speaker's only sentence has no other one to stand beside.
    assert asked == {PREFERENCE: 3 * 6, MARKS: 4 * 6 - 1}
    for trial in test.trials.values():
        sounds = [test.sounds[name] for name in trial.sounds]
        assert len({sound.clip for sound in sounds}) == 1
        if trial.kind == PREFERENCE:
            assert len({sound.setting for sound in sounds}) == 2
        else:
            reference = test.sounds[trial.reference or ""]
            assert (reference.setting, reference.speaker) == ("recording", sounds[0].speaker)
            assert reference.clip != sounds[0].clip or sounds[0].speaker == "cy"


def test_seeds_of_a_setting_take_turns(comparison: Comparison, tmp_path: Path) -> None:
    test = written(comparison, tmp_path)
    runs = Counter(sound.run for sound in test.sounds.values() if sound.setting == "A")
    assert runs == {"0": 3, "1": 3}


def test_a_short_test_asks_each_setting_as_often(comparison: Comparison, tmp_path: Path) -> None:
    test = written(comparison, tmp_path, 6, 7, 9)
    pairs = Counter(frozenset(test.sounds[n].setting for n in one.sounds) for one in test.trials.values() if one.kind == PREFERENCE)
    assert set(pairs.values()) == {2}
    assert len(pairs) == 3
    marked = Counter(test.sounds[one.sounds[0]].setting for one in test.trials.values() if one.kind == MARKS)
    assert set(marked.values()) == {2}
    assert len(marked) == 4


def test_the_folder_tells_nothing(comparison: Comparison, tmp_path: Path) -> None:
    test = written(comparison, tmp_path)
    folder = tmp_path / f"listening_test_{test.id}"
    page = (folder / "index.html").read_text(encoding="utf-8")
    for run in comparison.runs:
        assert str(run.folder) not in page
    assert "embedding_size" not in page
    assert "ana/0" not in page
    assert ".key.json" not in page
    assert {path.name for path in (folder / "audio").iterdir()} == set(test.sounds)
    contents = {hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in (folder / "audio").iterdir()}
    # A name that came from the content alone could be looked up among a run's files.
    assert not contents & {name.partition(".")[0] for name in test.sounds}
    asked = json.loads(page.partition("id='content'>")[2].partition("</script>")[0])
    assert {trial["id"] for trial in asked["trials"]} == set(test.trials)
    for trial in asked["trials"]:
        assert trial["sounds"] == sorted(trial["sounds"])
        assert set(trial) == {"id", "kind", "text", "sounds", "reference"}


def test_the_key_is_read_back_and_the_same_runs_make_the_same_test(comparison: Comparison, tmp_path: Path) -> None:
    test = written(comparison, tmp_path)
    assert ListeningTest.load(tmp_path / f"listening_test_{test.id}.key.json") == test
    assert written(comparison, tmp_path) == test
    other = written(comparison, tmp_path, 2, 99, 99)
    assert other.id != test.id
    assert len(list(tmp_path.glob("*.key.json"))) == 2


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": 1}', '{"format": 2}', '{"format": 1, "test": "x", "settings": {}, "sounds": {"a": 1}}']
)
def test_a_damaged_key_is_named(content: str, tmp_path: Path) -> None:
    key = tmp_path / "listening_test_x.key.json"
    key.write_text(content)
    with pytest.raises(SovitsError, match=r"listening_test_x\.key\.json is"):
        ListeningTest.load(key)


def test_numbers_below_zero_are_refused() -> None:
    with pytest.raises(SovitsError, match=r"listening_test\.max_marks=-1"):
        ListeningTestPlan(1, 1, -1, 0)


def test_nothing_to_ask_is_no_test(comparison: Comparison, tmp_path: Path) -> None:
    assert ListeningTestPlan(6, 0, 0, 0).write(comparison, tmp_path) is None
    assert not list(tmp_path.iterdir())
