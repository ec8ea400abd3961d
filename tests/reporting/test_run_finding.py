"""Runs on disk: which are found, which are left out and why, and what is said of damaged ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from sovits.errors import SovitsError
from sovits.reporting.run_finding import find_runs
from sovits.reporting.run_reading import EvaluatedRun, LeftOut, read_run
from tests.reporting.planted_runs import Planted


def read(run: Path) -> EvaluatedRun:
    told = read_run(run, run.name, include_unfinished=False)
    assert isinstance(told, EvaluatedRun)
    return told


def test_a_run_is_read(tmp_path: Path) -> None:
    gap = lambda name, clip: None if name == "mos" and clip == 1 else clip + len(name)  # noqa: E731
    run = read(Planted(["embedding_size=384"], gap, steps=200).write(tmp_path / "run"))
    assert list(run.clips) == ["ana/0", "ana/1", "ana/2", "bo x/0", "bo x/1"]
    clip = run.clips["bo x/1"]
    assert (clip.speaker, clip.text, clip.seconds) == ("bo x", "欢迎致电客服中心。", 0.1)
    assert clip.figures["mos_real"] == 4 + len("mos_real")
    assert math.isnan(run.clips["ana/1"].figures["mos"])
    assert "real_time_factor" not in clip.figures
    names = [figure.name for figure in run.figures]
    assert names == ["similarity", "mos", "mel", "similarity_reconstruction", "mos_reconstruction", "mel_reconstruction"]
    assert [figure.higher_is_better for figure in run.figures[:3]] == [True, True, False]
    assert run.sound(clip, "synthesis").is_file()
    assert run.generator_step == 200
    steps, values = run.curves["val/similarity"]
    np.testing.assert_allclose(steps, [100, 200])
    np.testing.assert_allclose(values, [0.5, 1.0])
    assert "train/generator/mel" not in run.curves


def test_a_resumed_run_s_curves_go_on_where_it_was_cut_off(tmp_path: Path) -> None:
    run = Planted(steps=200, sound=False).write(tmp_path / "run")
    later = run / "csv" / "resumed_1"
    later.mkdir()
    (later / "metrics.csv").write_text("epoch,step,val/similarity\n1,199,0.7\n2,299,0.9\n", encoding="utf-8")
    steps, values = read(run).curves["val/similarity"]
    np.testing.assert_allclose(steps, [100, 200, 300])
    np.testing.assert_allclose(values, [0.5, 0.7, 0.9])


def test_a_sweep_lists_what_it_does_not_compare(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    for number, status in enumerate(["finished", "failed", "running", "stopped"]):
        Planted([f"seed={number}"], status=status, reason="out of memory" if status == "failed" else None, sound=False).write(
            sweep / str(number)
        )
    Planted(["seed=4"], evaluated=False).write(sweep / "4")
    (sweep / "5" / ".hydra").mkdir(parents=True)
    for number in range(6, 12):
        Planted([f"seed={number}"], sound=False).write(sweep / str(number))
    (sweep / "report").mkdir()
    hydra = {"overrides": {"task": ["seed=range(0,13)", "embedding_size=256"]}, "sweeper": {"_target_": "x.BasicSweeper", "params": None}}
    (sweep / "multirun.yaml").write_text(yaml.safe_dump({"hydra": hydra}), encoding="utf-8")
    found = find_runs([str(sweep)], include_unfinished=False)
    assert [run.name for run in found.runs] == ["0", "6", "7", "8", "9", "10", "11"]
    told = {one.run: one for one in found.left_out}
    assert {name: one.status for name, one in told.items()} == {
        "1": "failed", "2": "running", "3": "stopped", "4": "not evaluated", "5": "no record", "12": "not run",
    }  # fmt: skip
    assert "out of memory" in told["1"].reason
    assert "resume=true" in told["2"].reason
    assert "sovits evaluate checkpoint=" in told["4"].reason
    assert told["12"].overrides == ("seed=12", "embedding_size=256")
    unfinished = find_runs([str(sweep)], include_unfinished=True)
    assert {"1", "2", "3"} <= {run.name for run in unfinished.runs}


def test_sweepers_with_parameters_of_their_own_tell_their_jobs_too(tmp_path: Path) -> None:
    Planted(sound=False).write(tmp_path / "0")
    hydra = {"overrides": {"task": ["seed=1,2"]}, "sweeper": {"_target_": "x.BasicSweeper", "params": {"embedding_size": "192,256"}}}
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"hydra": hydra}), encoding="utf-8")
    assert {one.run: one.overrides for one in find_runs([str(tmp_path)], False).left_out} == {
        "1": ("embedding_size=192", "seed=2"), "2": ("embedding_size=256", "seed=1"), "3": ("embedding_size=256", "seed=2"),
    }  # fmt: skip
    hydra["overrides"]["task"] = ["embedding_size=512,64"]
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"hydra": hydra}), encoding="utf-8")
    assert [one.overrides for one in find_runs([str(tmp_path)], False).left_out] == [("embedding_size=64",)]
    hydra["sweeper"]["_target_"] = "x.OptunaSweeper"
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"hydra": hydra}), encoding="utf-8")
    assert not find_runs([str(tmp_path)], False).left_out


def test_a_sweep_that_lists_its_jobs_is_taken_at_its_word(tmp_path: Path) -> None:
    Planted(["seed=5"], sound=False).write(tmp_path / "0")
    jobs = [["seed=4"], ["seed=5"], ["seed=6"]]
    (tmp_path / "sweep.json").write_text(json.dumps({"format": 1, "jobs": jobs}), encoding="utf-8")
    # Job 0 has its folder, and the overrides of job 1 are those of a run.
    assert [(one.run, one.status, one.overrides) for one in find_runs([str(tmp_path)], False).left_out] == [("2", "not run", ("seed=6",))]
    (tmp_path / "sweep.json").write_text("{", encoding="utf-8")
    with pytest.raises(SovitsError, match=r"sweep\.json is damaged"):
        find_runs([str(tmp_path)], False)


def test_lists_patterns_and_nested_folders_are_found_once(tmp_path: Path) -> None:
    for name in ("a/lr=1,seed=0", "a/lr=2,seed=0", "b"):
        Planted([name.partition("/")[2]] if "/" in name else [], sound=False).write(tmp_path / name)
    found = find_runs([str(tmp_path / "a"), str(tmp_path / "[ab]")], False)
    assert [run.name for run in found.runs] == ["a/lr=1,seed=0", "a/lr=2,seed=0", "b"]
    assert found.first == tmp_path / "a"
    assert [run.name for run in find_runs([str(tmp_path / "b")], False).runs] == ["b"]


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda _: None, "runs=.*nowhere is no folder and no pattern"),
        (lambda run: run.mkdir(), "holds no run of `sovits train`"),
        (
            lambda run: Planted(status="failed", reason="It broke").write(run),
            "None of the runs in .* can be compared. nowhere: failed. It broke",
        ),
        (lambda run: Planted(evaluated=False).write(run), "nowhere: not evaluated. There is no evaluation/metrics.csv"),
    ],
)
def test_nothing_to_compare_is_an_error(prepare, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    prepare(tmp_path / "nowhere")
    with pytest.raises(SovitsError, match=message):
        find_runs([str(tmp_path / "nowhere")], False)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", "{", r"run\.json is damaged"),
        ("evaluation/summary.json", '{"figures": ', r"summary\.json is damaged"),
        ("evaluation/summary.json", '{"split": "test"}', "does not tell its figures and judges"),
        ("evaluation/summary.json", '{"figures": {"mos": {}}, "judges": {}}', "does not describe the figure mos"),
        ("evaluation/metrics.csv", "id,speaker,language,text,seconds,mos\n", "holds no clip"),
        ("evaluation/metrics.csv", "id,speaker,language,seconds,mos\na,b,en,1,2\n", "lacks the column text"),
        ("evaluation/metrics.csv", "id,speaker,language,text,seconds,mos\na,b,en,x,1,high\n", "row 2: mos is 'high', not a number"),
        ("evaluation/metrics.csv", "id,speaker,language,text,seconds,mos\na,b,en,x,1\n", "row 2 has not as many cells"),
        ("evaluation/metrics.csv", "id,speaker,language,text,seconds,mos\na,b,en,x,1,2\na,b,en,x,1,2\n", "row 3 names the clip a a second"),
        ("csv/metrics.csv", "epoch,step,val/mel\n0,9,low\n", r"csv/metrics\.csv is damaged"),
        (".hydra/overrides.yaml", "a: 1", "does not hold a configuration and overrides"),
    ],
)
def test_a_damaged_file_is_named(file: str, content: str, message: str, tmp_path: Path) -> None:
    run = Planted(sound=False).write(tmp_path / "run")
    (run / file).write_text(content, encoding="utf-8")
    with pytest.raises(SovitsError, match=message):
        assert read(run).figures


def test_a_folder_without_a_record_is_left_out(tmp_path: Path) -> None:
    told = read_run(tmp_path, "x", include_unfinished=False)
    assert isinstance(told, LeftOut)
    assert "no folder of a run" in told.reason


def test_a_record_of_another_version_is_not_guessed_at(tmp_path: Path) -> None:
    run = Planted(sound=False).write(tmp_path / "run")
    content = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(SovitsError, match="format"):
        read(run)
