"""`sovits report` from planted runs to a page, and from answers back into it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from sovits.cli import config_directory
from sovits.errors import SovitsError
from sovits.reporting.listening_test import ListeningTest
from sovits.verbs.report import report
from tests.reporting.planted_runs import Planted

QUICK = ["statistics.resamples=100", "statistics.permutations=100"]


def run(*overrides: str) -> Path:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        return report(compose("report", [*QUICK, *overrides]))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    for number, size in enumerate((192, 384)):
        value = lambda _, clip, size=size: size / 100 + clip  # noqa: E731
        Planted([f"embedding_size={size}"], value).write(tmp_path / "sweep" / str(number))
    Planted(["embedding_size=512"], status="failed", reason="out of memory").write(tmp_path / "sweep" / "2")
    return tmp_path / "sweep"


def answers(report_folder: Path, path: Path, **changes: object) -> Path:
    (key,) = report_folder.glob("*.key.json")
    test = ListeningTest.load(key)
    given = []
    for trial in test.trials.values():
        if trial.kind == "preference":
            best = next(name for name in trial.sounds if test.sounds[name].setting == "B")
            given.append({"trial": trial.id, "kind": trial.kind, "left": trial.sounds[0], "choice": best})
        else:
            mark = {"recording": 5, "A": 2, "B": 4}[test.sounds[trial.sounds[0]].setting]
            given.append({"trial": trial.id, "kind": trial.kind, "naturalness": mark, "similarity": mark})
    content = {"format": 1, "test": test.id, "rater": path.stem, "name": "Mei", "answers": given, **changes}
    path.write_text(json.dumps(content))
    return path


def test_a_sweep_becomes_a_page_with_tables_and_a_test(
    sweep: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        page = run(f"runs={sweep}")
    assert page == sweep / "report" / "index.html"
    names = {path.name for path in page.parent.iterdir()}
    assert {"runs.csv", "settings.csv", "speakers.csv", "clips.csv", "comparisons.csv", "report.json", "audio", "pictures"} <= names
    assert sum(name.startswith("listening_test_") for name in names) == 2
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert "Left out 2 (failed): out of memory" in told
    assert str(page) in told
    assert "Every setting was trained once" in told
    printed = capsys.readouterr().out
    assert "embedding_size=192" in printed
    assert "recordings" in printed


def test_answers_come_back_into_the_page(sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = run(f"runs={sweep}")
    before = page.read_text()
    file = answers(page.parent, tmp_path / "answers.json")
    assert run(f"ratings={file}", f"output={page.parent}") == page
    text = page.read_text()
    assert "1 listener answered" in text
    assert text.partition("<!--ratings-->")[0] == before.partition("<!--ratings-->")[0]
    assert text.partition("<!--/ratings-->")[2] == before.partition("<!--/ratings-->")[2]
    assert "0.00 [0.00," in capsys.readouterr().out
    marks = (page.parent / "marks.csv").read_text()
    assert "embedding_size=384,5,4," in marks or "embedding_size=384,4,4," in marks
    # The answers stay where the runs are reported anew, and a second listener joins the first.
    run(f"runs={sweep}")
    assert "1 listener answered" in page.read_text()
    run(f"ratings=[{file},{answers(page.parent, tmp_path / 'more.json')}]", f"paths.outputs={tmp_path}")
    assert "2 listeners answered" in page.read_text()
    assert len(list((page.parent / "ratings").iterdir())) == 2


def test_the_key_is_found_beside_the_answers_or_below_outputs(sweep: Path, tmp_path: Path) -> None:
    page = run(f"runs={sweep}")
    inside = page.parent / "from_mei"
    inside.mkdir()
    assert run(f"ratings={answers(page.parent, inside / 'a.json')}", "paths.outputs=nowhere") == page
    (tmp_path / "downloads" / "of" / "mine").mkdir(parents=True)
    elsewhere = answers(page.parent, tmp_path / "downloads" / "of" / "mine" / "b.json")
    assert run(f"ratings={elsewhere}", f"paths.outputs={tmp_path}") == page
    with pytest.raises(SovitsError, match="whose key .* output=FOLDER"):
        run(f"ratings={elsewhere}", "paths.outputs=nowhere")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "runs is not given; for example: sovits report runs="),
        (["runs=nowhere"], "runs=nowhere is no folder"),
        (["runs={sweep}/2"], "None of the runs in .* can be compared. 2: failed. out of memory"),
        (["runs={sweep}", "baseline=Q"], "baseline=Q is no setting"),
        (["runs={sweep}", "output={sweep}/0"], "holds something that is no report, and nothing is overwritten"),
        (["runs={sweep}", "audio.max_sentences=-1"], "max_sentences=-1"),
        (["ratings=nowhere.json"], "ratings=nowhere.json is no file"),
        (["ratings={sweep}/0/run.json"], "does not hold answers"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(overrides: list[str], message: str, sweep: Path) -> None:
    before = sorted(sweep.rglob("*"))
    with pytest.raises(SovitsError, match=message):
        run(*(override.format(sweep=sweep) for override in overrides))
    assert sorted(sweep.rglob("*")) == before


def test_answers_of_two_tests_are_read_apart(sweep: Path, tmp_path: Path) -> None:
    page = run(f"runs={sweep}")
    one, two = answers(page.parent, tmp_path / "a.json"), answers(page.parent, tmp_path / "b.json", test="other")
    with pytest.raises(SovitsError, match="several listening tests: .*other"):
        run(f"ratings=[{one},{two}]", f"output={page.parent}")
    with pytest.raises(SovitsError, match="is no report"):
        run(f"ratings={one}", f"output={tmp_path}")


def test_no_test_and_no_audio_on_wish(sweep: Path, tmp_path: Path) -> None:
    page = run(f"runs=[{sweep}/0,{sweep}/1]", f"output={tmp_path / 'out'}", "listening_test=null", "audio.max_sentences=0")
    assert page.parent == tmp_path / "out"
    assert not list(page.parent.glob("listening_test*"))
    assert "<audio" not in page.read_text()
