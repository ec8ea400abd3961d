"""How a job's end reaches whoever sent it: errors, searches, and signals."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from submitit.core.utils import UncompletedJobError

from sovits import cli
from sovits.errors import SovitsError
from sovits.launching import hooks
from sovits.launching.jobs import lost_another, work_off
from sovits.runs.record import FAILED, FINISHED, STOPPED, RunRecord
from sovits.runs.recorded import recorded_run
from sovits.training.callbacks.preemption import GaveWay
from sovits.verbs import train as train_verb


def short(config: DictConfig) -> Path:
    """Stands for `sovits train`: records a run that does nothing, or ends as its seed says."""
    run = Path(config.paths.run)
    if config.seed == 5:
        raise SovitsError("Before the record.")
    with recorded_run(run):
        if config.seed == 1:
            raise SovitsError("No clips.")
        if config.seed == 2:
            raise RuntimeError("shapes differ")
        if config.seed == 3:
            raise GaveWay("The run stops because it was asked to.", signal.SIGTERM)
        (run / "csv").mkdir()
        (run / "csv" / "metrics.csv").write_text(f"step,val/mel\n1,{abs(config.seed - 7)}\n")
    return run


@pytest.fixture
def multirun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """`sovits train -m` with ``short`` in place of the training; returns what it exits with, None for nothing."""

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["sovits", "train", "-m", *arguments, f"hydra.sweep.dir={tmp_path}/sweep"])
        GlobalHydra.instance().clear()
        try:
            cli.main()
        except SystemExit as ended:
            return ended.code
        return None

    monkeypatch.setattr(train_verb, "train", short)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUBMITIT_EXECUTOR", raising=False)
    handlers = logging.getLogger().handlers[:]
    yield run
    # Hydra's write to what pytest has closed by then.
    logging.getLogger().handlers[:] = handlers
    hooks.Launching.multirun = None
    GlobalHydra.instance().clear()


def test_failing_jobs_are_recorded_logged_and_told_and_the_others_finish(
    multirun: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert multirun("seed=0,1,2,5") == 1
    told = capsys.readouterr().out
    records = [RunRecord.load(tmp_path / "sweep" / str(number)) for number in range(4)]
    assert [record.status for record in records] == [FINISHED, FAILED, FAILED, FAILED]
    assert [record.reason for record in records[1:]] == ["No clips.", "RuntimeError: shapes differ", "Before the record."]
    assert records[3].overrides == ["seed=5"]
    assert "1 done, 3 failed." in told
    assert "failed   1  seed=1: No clips." in told
    assert "No clips." in (tmp_path / "sweep" / "1" / "train.log").read_text()
    assert 'raise RuntimeError("shapes differ")' in (tmp_path / "sweep" / "2" / "train.log").read_text()


def test_a_key_without_a_value_fails_its_job_only(multirun: Any, tmp_path: Path) -> None:
    assert multirun("data.root=set,???", "seed=0") == 1
    assert RunRecord.load(tmp_path / "sweep" / "0").status == FINISHED
    assert RunRecord.load(tmp_path / "sweep" / "1").reason == "data.root is not given; add data.root=VALUE."


def test_all_done_is_no_error(multirun: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert multirun("seed=0,4") is None
    assert f"Sweep {tmp_path}/sweep: 2 done, 0 failed." in capsys.readouterr().out


def test_a_signal_ends_a_multirun_of_this_process(multirun: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert multirun("seed=0,3,4") == 128 + signal.SIGTERM
    assert "1 done, 1 not run, 1 stopped, 0 failed." in capsys.readouterr().out
    assert not (tmp_path / "sweep" / "2").exists()


def test_a_wrong_override_of_one_job_is_told_before_any(multirun: Any, tmp_path: Path) -> None:
    assert "nonesuch" in multirun("decoder=hifigan,nonesuch")
    assert not (tmp_path / "sweep" / "0").exists()


def test_optuna_searches_by_the_objective(multirun: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    # Seed 1 fails, which the search survives.
    ended = multirun("sweep=optuna", "seed=choice(0,1,6,9)", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2")
    told = f"{ended} {capsys.readouterr().out}"
    assert (tmp_path / "sweep" / "optimization_results.yaml").is_file(), told
    best = OmegaConf.load(tmp_path / "sweep" / "optimization_results.yaml")
    tried = [RunRecord.load(path.parent) for path in (tmp_path / "sweep").glob("*/run.json")]
    seeds = [int(one.removeprefix("seed=")) for record in tried for one in record.overrides if one.startswith("seed=")]
    values = [abs(seed - 7) for seed in seeds if seed != 1]
    assert len(tried) == 3, told
    assert best.best_value == min(values)
    assert ended == (1 if any(record.status == FAILED for record in tried) else None)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The process of a job of submitit, with a handler that keeps the signals it gets."""
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.delenv("RANK", raising=False)
    received: list[int] = []
    earlier = signal.signal(signal.SIGUSR2, lambda number, _: received.append(number))
    yield received
    signal.signal(signal.SIGUSR2, earlier)


def gives_way(number: int) -> Any:
    def run(_: DictConfig) -> None:
        raise GaveWay("It stops.", number)

    return run


def test_the_first_process_hands_over_to_submitit_and_the_others_leave(job: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    work_off(gives_way(signal.SIGUSR2), OmegaConf.create())
    assert job == [signal.SIGUSR2]
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(SystemExit) as ended:
        work_off(gives_way(signal.SIGUSR2), OmegaConf.create())
    assert ended.value.code == 0
    assert job == [signal.SIGUSR2]


def test_after_sigterm_a_job_leaves_no_result(job: list[int]) -> None:
    with pytest.raises(SystemExit) as ended:
        work_off(gives_way(signal.SIGTERM), OmegaConf.create())
    assert ended.value.code == 128 + signal.SIGTERM
    assert job == []


@pytest.mark.usefixtures("job")
def test_a_job_that_was_sent_again_too_often_says_so() -> None:
    def refuse(*_: Any) -> None:
        raise UncompletedJobError("Job not requeued because: timed-out too many times.")

    signal.signal(signal.SIGUSR2, refuse)
    with pytest.raises(SovitsError, match="It stops. It is not sent again .*too many times.*launcher.minutes or launcher.requeues"):
        work_off(gives_way(signal.SIGUSR2), OmegaConf.create())


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("killed", [True, False])
def test_who_asks_for_the_job_to_be_sent_again_may_be_ended_by_that(killed: bool) -> None:
    def requeue(*_: Any) -> None:
        subprocess.check_call([sys.executable, "-c", "import os; os.kill(os.getpid(), 15)" if killed else "raise SystemExit(1)"])

    signal.signal(signal.SIGUSR2, requeue)
    with pytest.raises(SystemExit if killed else SovitsError) as ended:
        work_off(gives_way(signal.SIGUSR2), OmegaConf.create())
    assert ended.value.code == 128 + signal.SIGTERM if killed else "It is not sent again" in str(ended.value)


@pytest.mark.usefixtures("job")
def test_a_process_whose_peer_died_leaves_the_word_to_the_scheduler() -> None:
    def run(_: DictConfig) -> None:
        raise RuntimeError("[third_party/gloo/transport/tcp/pair.cc:547] Connection closed by peer")

    with pytest.raises(SystemExit):
        work_off(run, OmegaConf.create())
    assert not lost_another(RuntimeError("shapes differ"))


def test_a_single_run_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("SUBMITIT_EXECUTOR", raising=False)
    with pytest.raises(SystemExit) as ended:
        work_off(gives_way(signal.SIGTERM), OmegaConf.create())
    assert ended.value.code == 143
    assert "It stops. Go on with the same command and resume=true." in capsys.readouterr().err


def test_records_tell_stopped_runs_apart(tmp_path: Path) -> None:
    with pytest.raises(GaveWay), recorded_run(tmp_path):
        raise GaveWay("It stops.", signal.SIGUSR2)
    assert RunRecord.load(tmp_path).status == STOPPED
