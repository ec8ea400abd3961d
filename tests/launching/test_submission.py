"""How many jobs this machine takes at once, on which GPUs, and what becomes of a job that dies without a word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from submitit.core.utils import FailedJobError, UncompletedJobError

from sovits.errors import SovitsError
from sovits.launching import submission
from sovits.launching.submission import LocalSubmission, SlurmSubmission
from sovits.runs.record import FAILED, RunRecord


class Job:
    """One that works for a few looks at it."""

    num_tasks = 1
    state = "FINISHED"
    job_id = "7"

    def __init__(self, folder: Path, looks: int, dies: bool = False) -> None:
        self.looks, self.dies = looks, dies
        self.paths = type("Paths", (), {"stderr": folder / "log"})()
        self._process = None

    def done(self) -> bool:
        self.looks -= 1
        return self.looks < 0

    def task(self, _: int) -> Job:
        return self

    def result(self) -> JobReturn:
        if self.dies:
            raise UncompletedJobError("no result")
        return JobReturn(status=JobStatus.COMPLETED)


class Machine:
    """Takes the place of submitit's local executor, and keeps what was at work together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[tuple[Job, tuple[int, ...]]] = []
        self.most = 0
        self.threads: set[str | None] = set()
        self.gpus: tuple[int, ...] = ()

    def __call__(self, *_: Any, **__: Any) -> Machine:
        return self

    def update_parameters(self, visible_gpus: tuple[int, ...], **_: Any) -> None:
        self.gpus = visible_gpus

    def submit(self, _: Any, overrides: list[str], *__: Any) -> Job:
        at_work = [(job, gpus) for job, gpus in self.made if job.looks >= 0]
        taken = [gpu for _, gpus in at_work for gpu in gpus]
        assert not set(taken) & set(self.gpus), "two jobs share a GPU"
        self.threads.add(os.environ.get("OMP_NUM_THREADS"))
        self.most = max(self.most, len(at_work) + 1)
        # Of different lengths, so that they end out of order.
        job = Job(self.folder, 3 if len(self.made) % 2 else 1, dies="seed=2" in overrides)
        self.made.append((job, self.gpus))
        return job


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Of eight cores and four GPUs."""
    made = Machine(tmp_path)
    monkeypatch.setattr(submission, "LocalExecutor", made)
    monkeypatch.setattr(submission, "ASK_EVERY", 0.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return made


def launcher(folder: Path, jobs: int | None = None, cpus: int = 1, gpus: int | None = None, tasks: int = 1) -> LocalSubmission:
    made = LocalSubmission(submitit_folder=str(folder), timeout_min=5, cpus_per_task=cpus, gpus_per_node=gpus, tasks_per_node=tasks)
    made.config = OmegaConf.create({"launcher": {"jobs": jobs, "requeues": 0}, "hydra": {"sweep": {"dir": str(folder)}}})
    return made


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({}, 8),
        ({"jobs": 3}, 3),
        ({"jobs": 50}, 8),
        ({"cpus": 4}, 2),
        ({"cpus": 99}, 1),
        ({"tasks": 4}, 2),
        ({"gpus": 1}, 4),
        ({"gpus": 2, "tasks": 2}, 2),
        ({"gpus": 3}, 1),
    ],
)
def test_no_more_at_once_than_fit_and_each_gpu_for_one(settings: dict[str, int], most: int, machine: Machine, tmp_path: Path) -> None:
    returned = launcher(tmp_path, **settings).launch([[f"seed={seed + 10}"] for seed in range(12)], 0)
    assert machine.most == most
    assert [one.status for one in returned] == [JobStatus.COMPLETED] * 12
    assert all(len(gpus) == settings.get("gpus", 0) for _, gpus in machine.made)
    assert machine.threads == {str(settings.get("cpus", 1))}
    assert "OMP_NUM_THREADS" not in os.environ


def test_fewer_gpus_than_a_job_needs(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match="launcher.gpus=5 for each job, but this machine has 4"):
        launcher(tmp_path, gpus=5).launch([["seed=0"]], 0)
    assert machine.made == []


@pytest.mark.usefixtures("machine")
def test_a_job_that_dies_is_recorded_and_the_others_are_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(LocalSubmission, "_folder_of", lambda _, one: tmp_path / str(one.number))
    returned = launcher(tmp_path, jobs=2).launch([[f"seed={seed}"] for seed in range(5)], 0)
    assert [one.status == JobStatus.FAILED for one in returned] == [False, False, True, False, False]
    record = RunRecord.load(tmp_path / "2")
    assert (record.status, record.overrides) == (FAILED, ["seed=2"])
    assert record.reason == f"It was ended from outside or broke down: the process ended without a result. Its log: {tmp_path}/log"
    with pytest.raises(SovitsError, match="ended from outside"):
        _ = returned[2].return_value


def test_what_slurm_refuses_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Refusing:
        def map_array(self, *_: Any) -> None:
            raise FailedJobError("sbatch: error: invalid partition specified: nosuch")

    monkeypatch.setattr(SlurmSubmission, "_executor", lambda _: Refusing())
    made = SlurmSubmission(submitit_folder=str(tmp_path))
    made.config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}})
    with pytest.raises(SovitsError, match="could not be sent .*invalid partition specified: nosuch"):
        made.launch([["seed=0"]], 0)


class Scheduler:
    """Says of its one job what it is told to, a word at each question."""

    def __init__(self, *words: str) -> None:
        self.words = list(words)
        self.forgotten = 0

    def update(self) -> None:
        """Asked."""
        if len(self.words) > 1:
            self.words.pop(0)

    def clear(self) -> None:
        """Asked to ask again of what had ended."""
        self.forgotten += 1


class Requeued(Job):
    """One whose node dies; it has a result only when the scheduler says that it completed."""

    def __init__(self, folder: Path, scheduler: Scheduler) -> None:
        super().__init__(folder, 0)
        self.watcher = scheduler
        self.paths = type("Paths", (), {"stderr": folder / "log", "folder": folder / "jobs", "result_pickle": folder / "none.pkl"})()

    @property
    def state(self) -> str:  # type: ignore[override]
        return self.watcher.words[0]

    def done(self) -> bool:
        return self.state not in ("PENDING", "RUNNING")

    def result(self) -> JobReturn:
        if self.state != "COMPLETED":
            raise UncompletedJobError("no result")
        return JobReturn(status=JobStatus.COMPLETED)


def sent_to_slurm(job: Job, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmSubmission:
    class Sending:
        def map_array(self, *_: Any) -> list[Job]:
            return [job]

    monkeypatch.setattr(submission, "ASK_EVERY", 0.0)
    monkeypatch.setattr(submission, "ASK_SCHEDULER_EVERY", 0.0)
    monkeypatch.setattr(SlurmSubmission, "_executor", lambda _: Sending())
    monkeypatch.setattr(SlurmSubmission, "_folder_of", lambda _, one: folder / str(one.number))
    made = SlurmSubmission(submitit_folder=str(folder))
    made.config = OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}})
    return made


def test_a_job_whose_node_died_is_waited_for_until_slurm_sends_it_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scheduler = Scheduler(
        "RUNNING", "RUNNING", "NODE_FAIL", "NODE_FAIL", "PENDING", "RUNNING", "NODE_FAIL", "PENDING", "COMPLETED", "COMPLETED"
    )
    made = sent_to_slurm(Requeued(tmp_path, scheduler), tmp_path, monkeypatch)
    (returned,) = made.launch([["seed=0"]], 0)
    assert returned.status == JobStatus.COMPLETED
    assert scheduler.forgotten == 3
    assert made._died_at == {}, "the next death has its own time"
    assert not (tmp_path / "0").exists()


def test_a_job_that_slurm_does_not_send_again_is_lost_after_a_while(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(submission, "SENT_AGAIN_WITHIN", 0.05)
    scheduler = Scheduler("RUNNING", "NODE_FAIL")
    (returned,) = sent_to_slurm(Requeued(tmp_path, scheduler), tmp_path, monkeypatch).launch([["seed=0"]], 0)
    assert returned.status == JobStatus.FAILED
    assert scheduler.forgotten > 1
    assert "Slurm says NODE_FAIL" in RunRecord.load(tmp_path / "0").reason
