"""The page of a report: what is on it, that it can be moved, and what it never overwrites."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from sovits.errors import SovitsError
from sovits.reporting.comparison import compare
from sovits.reporting.comparison_page import is_report, put_ratings, require_report_folder, write_marker, write_page
from sovits.reporting.comparison_sounds import copy_sounds, share_out
from sovits.reporting.comparison_tables import write_tables
from sovits.reporting.listening_test import ListeningTestPlan
from sovits.reporting.run_finding import find_runs
from sovits.reporting.run_reading import ClipRow
from sovits.reporting.statistics import Statistics
from tests.reporting.planted_runs import Planted
from tests.reporting.test_set_page import Found

HARMFUL = "<script>alert(1)</script> 'x' & \"y\""


def written(folder: Path, report: Path, max_sentences: int = 16) -> Found:
    comparison = compare(find_runs([str(folder)], False), Statistics(200, 200, 0.95, "figure", 0), [], False, None)
    write_marker(report, comparison)
    write_tables(comparison, report)
    sounds = copy_sounds(comparison, report, max_sentences)
    test = ListeningTestPlan(4, 6, 6, 0).write(comparison, report)
    return Found(write_page(report, f"Settings of {HARMFUL}", comparison, sounds, test, []))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    for number, size in enumerate((192, 384)):
        value = lambda name, clip, size=size: size / 100 + clip * (1 if "mel" in name else -1)  # noqa: E731
        planted = Planted([f"embedding_size={size}", "+note=x"], value, texts=(HARMFUL, "Plain"), minutes=4.0 + number)
        planted.write(folder / str(number))
    Planted(["seed=9"], status="failed", reason=f"It broke: {HARMFUL}").write(folder / "2")
    return folder


@pytest.fixture(scope="module")
def page(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return written(runs, tmp_path_factory.mktemp("report"))


def test_every_address_is_a_file_of_the_report(page: Found) -> None:
    assert not page.dead_links()
    assert not [one for one in page.addresses if "//" in one or one.startswith("/") or ".." in one]
    assert "script" not in page.tags or page.tags["script"] == 1


def test_the_report_can_be_moved(page: Found, tmp_path: Path) -> None:
    moved = shutil.copytree(page.path.parent, tmp_path / "moved")
    assert not Found(moved / "index.html").dead_links()


def test_texts_are_shown_as_they_are(page: Found) -> None:
    text = page.path.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)") >= 4


def test_sentences_are_heard_side_by_side_the_recording_first(page: Found) -> None:
    heard = [one for one in page.texts["article"] if "recording" in one]
    assert len(heard) == 5
    assert page.tags["audio"] == 15
    audio = [values["src"] for tag, values in page.attributes if tag == "audio"]
    assert audio[0].startswith("audio/")
    assert len(set(audio)) == len(list((page.path.parent / "audio").iterdir())) == 15
    cells = page.texts["article"][:3]
    assert "recording" in cells[0]
    assert "embedding_size=192" in cells[1]
    assert "embedding_size=384" in cells[2]
    assert page.tags["img"] == 15


def test_tables_tell_settings_figures_and_failures(page: Found) -> None:
    text = "\n".join(" ".join(row.split()) for row in page.texts["tr"])
    assert "A embedding_size=192" in text
    assert "2 seed=9 failed It broke" in text
    assert "voice ↑" in text
    assert "mel ↓" in text
    ids = {"figures", "tests", "plots", "curves", "listen", "settings", "speakers", "files", "left-out"}
    assert ids <= page.ids
    # Intervals, plots over embedding_size, curves.
    assert page.tags["svg"] == 3 + 3 + 2


def test_numbers_stand_to_the_right(page: Found) -> None:
    cells = [values for tag, values in page.attributes if tag == "td" and values.get("data-value")]
    assert len(cells) > 20
    assert all("number" in (values["class"] or "") for values in cells)


@pytest.mark.parametrize(
    ("spread", "told"), [(0.0, "is better in these runs</td>"), (2.0, "is better in these runs, but other seeds could turn it</td>")]
)
def test_what_two_seeds_disagree_about_is_not_sure(tmp_path: Path, spread: float, told: str) -> None:
    for size in (192, 384):
        for seed in (0, 1):
            # In the mean over seeds 384 is a little better in every sentence.
            value = lambda _, clip, size=size, seed=seed: clip + size / 1000 + spread * (seed - 0.5)  # noqa: E731
            planted = Planted([f"embedding_size={size}", f"seed={seed}"], value, ["mos"], {"ana": 6, "bo": 6}, sound=False)
            planted.write(tmp_path / "runs" / f"{size}_{seed}")
    page = written(tmp_path / "runs", tmp_path / "report", max_sentences=0)
    assert told in page.path.read_text(encoding="utf-8")


def test_a_second_report_is_the_same_and_leaves_nothing_old(runs: Path, tmp_path: Path) -> None:
    first = written(runs, tmp_path).path.read_bytes()
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert written(runs, tmp_path).path.read_bytes() == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == files
    fewer = written(runs, tmp_path, max_sentences=2)
    assert fewer.tags["audio"] == 6
    assert len(list((tmp_path / "audio").iterdir())) == len(list((tmp_path / "pictures").iterdir())) == 6


def test_one_run_is_a_report_without_tests(runs: Path, tmp_path: Path) -> None:
    page = written(runs / "0", tmp_path)
    assert "tests" not in page.ids
    assert not (tmp_path / "comparisons.csv").exists()
    assert not page.dead_links()


def test_runs_that_kept_no_audio_are_compared_all_the_same(tmp_path: Path) -> None:
    for number in range(2):
        Planted([f"embedding_size={number}"], sound=False).write(tmp_path / "runs" / str(number))
    page = written(tmp_path / "runs", tmp_path / "report")
    assert not page.dead_links()
    assert "No run kept its audio" in page.path.read_text()
    assert "There is no listening test" in page.path.read_text()


def test_a_lost_or_broken_sound_is_told(tmp_path: Path) -> None:
    for number in range(2):
        Planted([f"embedding_size={number}"]).write(tmp_path / "runs" / str(number))
    audio = tmp_path / "runs" / "1" / "evaluation" / "audio" / "ana"
    (audio / "0_synthesis.wav").unlink()
    (audio / "1_synthesis.wav").write_bytes(b"not audio")
    page = written(tmp_path / "runs", tmp_path / "report")
    assert page.path.read_text().count("There is no audio of it") == 1
    assert not page.dead_links()
    assert page.tags["img"] == 13


def test_only_a_report_is_overwritten(page: Found, tmp_path: Path) -> None:
    require_report_folder(tmp_path / "new")
    require_report_folder(tmp_path)
    require_report_folder(page.path.parent)
    assert is_report(page.path.parent)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SovitsError, match="holds something that is no report, and nothing is overwritten"):
        require_report_folder(tmp_path)
    (tmp_path / "report.json").write_text('{"format": 1}')
    with pytest.raises(SovitsError, match="no report"):
        require_report_folder(tmp_path)
    with pytest.raises(SovitsError, match="is a file"):
        require_report_folder(tmp_path / "notes.txt")


def test_a_page_changed_by_hand_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(SovitsError, match="not the page that `sovits report` wrote"):
        put_ratings(tmp_path, [])
    assert (tmp_path / "index.html").read_text() == "mine"


def clips(**counts: int) -> list[ClipRow]:
    return [ClipRow(f"{name}/{n}", name, "en", "", 1.0, {}) for name, count in counts.items() for n in range(count)]


@pytest.mark.parametrize(
    ("most", "expected"),
    [(3, ["a/0", "b/0", "c/0"]), (4, ["a/0", "a/1", "b/0", "c/0"]), (99, ["a/0", "a/1", "a/2", "b/0", "c/0"]), (0, [])],
)
def test_sentences_are_shared_out_over_speakers(most: int, expected: list[str]) -> None:
    own: Any = share_out(clips(a=3, b=1, c=1), most)
    assert [clip.id for clip in own] == expected
