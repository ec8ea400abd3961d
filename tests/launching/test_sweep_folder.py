"""Whose a sweep's folder is, and how its jobs are told to have ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sovits.errors import SovitsError
from sovits.launching.objective import objective
from sovits.launching.sweep_folder import SweepFolder, record_failure
from sovits.runs.lock import FILE_NAME as LOCKED
from sovits.runs.record import FAILED, FINISHED, RUNNING, STOPPED, RunRecord

COMMAND = ["seed=0,1", "data.root=set", "launcher=local", "launcher.jobs=2"]
JOBS = [["seed=0", "data.root=set"], ["seed=1", "data.root=set"]]


def ended(run: Path, status: str, reason: str | None, overrides: list[str]) -> None:
    RunRecord(status, reason, "2026", "2026", 1, overrides).save(run)


def claimed(folder: Path, *changes: str, resume: bool = False) -> SweepFolder:
    sweep = SweepFolder(folder, [*COMMAND, *changes], JOBS)
    sweep.claim(resume)
    return sweep


def released(sweep: SweepFolder) -> None:
    """As when its process ends."""
    assert sweep._lock is not None
    sweep._lock.close()


def test_the_same_sweep_goes_on_only_when_asked_to(tmp_path: Path) -> None:
    released(claimed(tmp_path / "new"))
    with pytest.raises(SovitsError, match="holds this sweep already; add resume=true"):
        claimed(tmp_path / "new")
    # How it is sent makes no other sweep of it.
    released(claimed(tmp_path / "new", "resume=true", "launcher=slurm", "launcher.jobs=9", "hydra.sweep.dir=x", resume=True))


def test_another_sweep_is_refused_with_what_differs(tmp_path: Path) -> None:
    released(claimed(tmp_path))
    with pytest.raises(
        SovitsError, match=r"another sweep \(seed=0,1 there and seed=2,3 here, no training.steps there and training.steps=5"
    ):
        claimed(tmp_path, "seed=2,3", "training.steps=5", resume=True)


def test_a_folder_at_work_is_refused(tmp_path: Path) -> None:
    at_work = claimed(tmp_path)
    with pytest.raises(SovitsError, match="Another command is working in"):
        claimed(tmp_path, resume=True)
    released(at_work)


def test_a_job_at_work_is_left_alone(tmp_path: Path) -> None:
    released(claimed(tmp_path))
    ended(tmp_path / "0", RUNNING, None, JOBS[0])
    # Another process, as this one may lock what it has locked already.
    holding = "import fcntl, sys\nfile = open(sys.argv[1], 'a')\nfcntl.lockf(file, fcntl.LOCK_EX)\nprint(flush=True)\ninput()"
    arguments = [sys.executable, "-c", holding, tmp_path / "0" / LOCKED]
    other = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "\n"
    with pytest.raises(SovitsError, match="has jobs that are still at work .0."):
        claimed(tmp_path, resume=True)
    record_failure(tmp_path / "0", "It died.", [])
    assert RunRecord.load(tmp_path / "0").status == RUNNING
    other.communicate("\n")
    released(claimed(tmp_path, resume=True))


def test_a_folder_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(SovitsError, match="holds something else"):
        claimed(tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_damaged_record_and_a_folder_that_cannot_be_are_told(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"overrides": ')
    with pytest.raises(SovitsError, match=r"sweep.json is damaged"):
        claimed(tmp_path, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(SovitsError, match="file/below cannot be written"):
        claimed(tmp_path / "file" / "below")


def test_the_summary_counts_every_job_and_gives_reasons(tmp_path: Path) -> None:
    jobs = [[f"seed={seed}", "data.root=set"] for seed in range(5)]
    sweep = SweepFolder(tmp_path, COMMAND, jobs)
    for number, (status, reason) in enumerate([(FINISHED, None), (FAILED, "No clips."), (STOPPED, "Asked."), (RUNNING, None)]):
        ended(tmp_path / str(number), status, reason, jobs[number])
    # What lies inside of a run is no job.
    ended(tmp_path / "0" / "inner", FAILED, "Not me.", ["seed=9"])
    summary = sweep.summary()
    assert [job.status for job in summary.jobs] == [FINISHED, FAILED, STOPPED, RUNNING, "not run"]
    told = summary.told()
    assert "1 done, 1 not run, 1 running or killed, 1 stopped, 1 failed." in told
    assert "failed   1  seed=1: No clips." in told
    assert "data.root" not in told
    assert "Not me" not in told
    assert "resume=true" in told
    assert not summary.complete


def test_a_finished_sweep_is_complete(tmp_path: Path) -> None:
    for number, job in enumerate(JOBS):
        ended(tmp_path / str(number), FINISHED, None, job)
    summary = SweepFolder(tmp_path, COMMAND, JOBS).summary()
    assert summary.complete
    assert summary.told() == f"Sweep {tmp_path}: 2 done, 0 failed."


def test_a_job_done_before_the_sweep_was_resumed_is_done(tmp_path: Path) -> None:
    ended(tmp_path / "0", FINISHED, None, JOBS[0])
    ended(tmp_path / "1", FINISHED, None, [*JOBS[1], "resume=True", "launcher=local"])
    again = [[*job, "resume=True", "launcher=slurm"] for job in JOBS]
    assert SweepFolder(tmp_path, COMMAND, again).summary().complete


def test_jobs_that_a_search_chose_are_found_by_their_folders(tmp_path: Path) -> None:
    ended(tmp_path / "10", FINISHED, None, ["lr=1"])
    ended(tmp_path / "9", FAILED, "x", ["lr=2"])
    assert [job.overrides for job in SweepFolder(tmp_path, [], []).summary().jobs] == [["lr=2"], ["lr=1"]]


def test_a_failure_is_recorded_unless_the_run_said_how_it_ended(tmp_path: Path) -> None:
    record_failure(tmp_path / "new", "It died.", ["seed=0"])
    assert (RunRecord.load(tmp_path / "new").status, RunRecord.load(tmp_path / "new").overrides) == (FAILED, ["seed=0"])
    ended(tmp_path / "killed", RUNNING, None, ["seed=1"])
    record_failure(tmp_path / "killed", "It died.", ["other"])
    assert (RunRecord.load(tmp_path / "killed").reason, RunRecord.load(tmp_path / "killed").overrides) == ("It died.", ["seed=1"])
    for status in (STOPPED, FINISHED, FAILED):
        ended(tmp_path / status, status, "Mine.", [])
        record_failure(tmp_path / status, "It died.", [])
        assert RunRecord.load(tmp_path / status).reason == "Mine."


def test_the_objective_is_the_last_value_or_a_mean_of_the_evaluation(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "metrics.csv").write_text("step,val/mel,train/loss\n0,,3\n1,2.5,\n2,,1\n3,1.5,\n4,,0.5\n")
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "summary.json").write_text('{"means_over_speakers": {"speaker_similarity": 0.75, "pesq": null}}')
    assert objective(tmp_path, "val/mel") == 1.5
    assert objective(tmp_path, "evaluation/speaker_similarity") == 0.75
    with pytest.raises(SovitsError, match="objective=val/kl is no figure of .*choose one of val/mel"):
        objective(tmp_path, "val/kl")
    with pytest.raises(SovitsError, match="choose one of evaluation/speaker_similarity"):
        objective(tmp_path, "evaluation/pesq")
