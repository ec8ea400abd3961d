"""Processes that something else started learn who they are, and meet."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from lightning.pytorch.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

from sovits.errors import SovitsError
from sovits.launching.ranks import OutsideRanks, agreed, cluster_environment
from sovits.runs.record import FINISHED, STOPPED
from tests.launching.runs import command, environment, record, rows, started, train, wait_until

TOLD = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "head", "MASTER_PORT": "29500"}
DDP = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that tells no ranks."""
    for name in list(os.environ):
        if name in (*TOLD, "LOCAL_WORLD_SIZE") or name.startswith(("SLURM_", "TORCHELASTIC_", "SUBMITIT_")):
            monkeypatch.delenv(name)
    return monkeypatch


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.mark.usefixtures("alone")
def test_a_process_learns_its_rank_from_the_environment() -> None:
    assert OutsideRanks.of_environment({}) is None
    # Left over from something else: Lightning sets these too.
    assert OutsideRanks.of_environment({"WORLD_SIZE": "2", "LOCAL_RANK": "0"}) is None
    assert OutsideRanks.of_environment(TOLD) == OutsideRanks(1, 4, "head", 29500, "RANK and WORLD_SIZE")
    assert OutsideRanks.of_environment(TOLD | {"TORCHELASTIC_RUN_ID": "x"}).starter == "torchrun"


def test_srun_tells_ranks_too_but_submitits_jobs_have_their_folder(alone: pytest.MonkeyPatch) -> None:
    slurm = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_PROCID": "1", "SLURM_JOB_ID": "7", "SLURM_NODELIST": "node[4-5]"}
    for name, value in (slurm | {"SLURM_NNODES": "2", "SLURM_JOB_NAME": "train"}).items():
        alone.setenv(name, value)
    assert OutsideRanks.of_environment() == OutsideRanks(1, 2, "node4", 15007, "srun")
    assert isinstance(cluster_environment(2, 1), SLURMEnvironment)
    assert cluster_environment(2, 1).auto_requeue is False
    with pytest.raises(SovitsError, match="Slurm started 2 processes, and trainer.num_nodes=1 x trainer.devices=1 is 1"):
        cluster_environment(1, 1)
    alone.setenv("SUBMITIT_EXECUTOR", "slurm")
    assert OutsideRanks.of_environment() is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MASTER_PORT": None}, "has RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR but not MASTER_PORT"),
        ({"WORLD_SIZE": None, "LOCAL_RANK": None}, "but not WORLD_SIZE and LOCAL_RANK"),
        ({"RANK": "first"}, "RANK=first in the environment is no whole number"),
        ({"RANK": "4"}, "RANK=4 and WORLD_SIZE=4 in the environment disagree; ranks go from 0 to 3"),
    ],
)
def test_half_an_environment_is_refused(changes: dict[str, str | None], message: str) -> None:
    told = {name: value for name, value in (TOLD | changes).items() if value is not None}
    with pytest.raises(SovitsError, match=message):
        OutsideRanks.of_environment(told)


def test_the_trainer_must_use_as_many_processes_as_were_started(alone: pytest.MonkeyPatch) -> None:
    assert cluster_environment(1, 4) is None
    for name, value in TOLD.items():
        alone.setenv(name, value)
    for fitting in ((1, 4), (2, 2), (1, -1), (4, [0])):
        assert isinstance(cluster_environment(*fitting), TorchElasticEnvironment)
    with pytest.raises(SovitsError, match="started 4 processes, and trainer.num_nodes=1 x trainer.devices=2 is 2; .* N x M = 4"):
        cluster_environment(1, 2)


@pytest.mark.usefixtures("alone")
def test_all_ranks_learn_what_the_first_one_decided_and_the_port_is_free_again() -> None:
    port = free_port()
    ranks = [OutsideRanks(rank, 3, "127.0.0.1", port, "test") for rank in range(3)]
    with ThreadPoolExecutor(3) as threads:
        decided = list(threads.map(lambda ranks: agreed(ranks, f"of rank {ranks.rank}", 1.0), ranks))
    assert decided == ["of rank 0"] * 3
    # Training listens there next.
    store = torch.distributed.TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)
    store.set("x", "y")


@pytest.mark.usefixtures("alone")
def test_ranks_that_never_meet_say_where_they_waited() -> None:
    port = free_port()
    with pytest.raises(SovitsError, match=rf"Rank 0 of 2 did not meet the others at 127.0.0.1:{port} within 0.02 minutes"):
        agreed(OutsideRanks(0, 2, "127.0.0.1", port, "test"), "x", 0.02)


def one_run_of_two(folder: Path, said: str) -> None:
    """One folder, written by one rank."""
    runs = [path.parent for path in (folder / "outputs" / "train").glob("*/run.json")]
    assert len(runs) == 1, said
    assert len(list((folder / "outputs" / "train").iterdir())) == 1
    assert record(runs[0]).status == FINISHED
    log = (runs[0] / "train.log").read_text()
    assert log.count("Trained 2 generator steps") == 1
    assert sorted(set(rows(runs[0]))) == [0, 1]
    assert "1 batches an epoch on each device" in log


@pytest.mark.slow
def test_torchrun(prepared: Path, tmp_path: Path) -> None:
    _, _, _, _, *overrides = command(prepared, *DDP)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "sovits.cli", "train"]
    done = subprocess.run(
        [*torchrun, *overrides, "trainer.log_every_n_steps=1"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    one_run_of_two(tmp_path, done.stdout + done.stderr)


@pytest.mark.slow
def test_variables_set_by_hand_as_kubernetes_does(prepared: Path, tmp_path: Path) -> None:
    # Two machines of one process each.
    two = [*DDP[:3], "trainer.num_nodes=2", "trainer.devices=1", "trainer.log_every_n_steps=1"]
    common = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = [
        subprocess.Popen(command(prepared, *two), cwd=tmp_path, env=environment(RANK=rank, **common), stdout=subprocess.DEVNULL)
        for rank in "01"
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    one_run_of_two(tmp_path, "")


@pytest.mark.slow
def test_one_command_starts_the_processes_itself(prepared: Path, tmp_path: Path) -> None:
    done = train(prepared, tmp_path, *DDP, "trainer.log_every_n_steps=1")
    assert done.returncode == 0, done.stderr
    one_run_of_two(tmp_path, done.stdout + done.stderr)


@pytest.mark.slow
def test_sigterm_to_one_rank_saves_and_ends_all_and_the_run_goes_on(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    long = [*DDP, "trainer.log_every_n_steps=1", "trainer.val_check_interval=1000", "callbacks.preemption.every_n_batches=1"]
    at_work = started(prepared, tmp_path, *long, "training.steps=1000", f"hydra.run.dir={run}", "resume=true")
    wait_until(lambda: len(rows(run)) > 2, "training")
    at_work.send_signal(signal.SIGTERM)
    assert at_work.wait(timeout=120) == 128 + signal.SIGTERM, (tmp_path / "said").read_text()
    assert record(run).status == STOPPED
    assert "SIGTERM" in record(run).reason
    assert "resume=true" in (tmp_path / "said").read_text()
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["sovits"]["generator_step"]
    done = train(prepared, tmp_path, *long, f"training.steps={saved + 2}", f"hydra.run.dir={run}", "resume=true")
    assert done.returncode == 0, done.stderr
    assert record(run).generator_step == saved + 2
    assert list(dict.fromkeys(rows(run))) == list(range(saved + 2))
