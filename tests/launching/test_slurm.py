"""Sweeps on a real Slurm of two nodes, which a script starts on this machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sovits.runs.record import FAILED, FINISHED, STOPPED
from tests.conftest import REPOSITORY
from tests.launching.runs import environment, record, rows, started, train, wait_until

pytestmark = pytest.mark.slow
UP = Path(os.environ.get("SOVITS_SLURM_UP", REPOSITORY.parent / "shared" / "slurm" / "slurm-up"))
ON_CPU = ["trainer.accelerator=cpu", "trainer.precision=32-true", "launcher.cpus=1"]
TWO_NODES = ["launcher=slurm_ddp", *ON_CPU, "trainer.devices=1", "trainer.num_nodes=2", "callbacks.preemption.every_n_batches=1"]


class Cluster:
    """The Slurm at work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, str] = {}

    def up(self) -> None:
        """Starts it, or what of it is down."""
        done = subprocess.run([UP, self.folder], capture_output=True, text=True, timeout=300, check=True)
        self.variables = dict(line.removeprefix("export ").split("=", 1) for line in done.stdout.split("\n") if line)

    def down(self, *nodes: str) -> None:
        """Stops it, or cuts the power of nodes."""
        subprocess.run([UP.with_name("slurm-down"), self.folder, *nodes], capture_output=True, timeout=120, check=True)

    def tell(self, *command: str) -> str:
        """What one of Slurm's commands says."""
        return subprocess.run(command, env=environment(**self.variables), capture_output=True, text=True, timeout=60, check=True).stdout

    def job(self) -> str:
        """The newest one that has not ended."""
        return self.tell("squeue", "-h", "-o", "%i").split()[0]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes; stopped at the end."""
    if not UP.is_file():
        pytest.skip(f"there is no script {UP} to start a Slurm; set SOVITS_SLURM_UP to one")
    if os.geteuid() != 0:
        pytest.skip("starting a Slurm needs root")
    # Sockets lie in it, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="slurm", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder))
        try:
            made.up()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine cannot run {UP}: {error.stderr.strip()[-300:]}")
        try:
            yield made
        finally:
            made.down()


def test_a_failing_job_leaves_the_others_alone_and_the_summary_says_so(cluster: Cluster, prepared: Path, tmp_path: Path) -> None:
    sweep = [f"hydra.sweep.dir={tmp_path}/sweep", "launcher=slurm", *ON_CPU[2:], "trainer=cpu", "training.loss_limit=1e-9,1e6"]
    done = train(prepared, tmp_path, *sweep, multirun=True, **cluster.variables)
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert "1 done, 1 failed" in done.stdout, told
    assert "failed   0  training.loss_limit=1e-09: The generator/" in done.stdout, told
    assert "Traceback" not in told
    failed, finished = (record(tmp_path / "sweep" / number) for number in "01")
    assert (failed.status, finished.status) == (FAILED, FINISHED)
    assert "training.loss_limit=1e-09" in failed.reason
    assert failed.reason in (tmp_path / "sweep" / "0" / "train.log").read_text()


def test_two_ranks_on_two_nodes_give_way_and_go_on_where_they_were(cluster: Cluster, prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "sweep" / "0"
    steps = ["training.steps=60", "trainer.val_check_interval=30", "trainer.log_every_n_steps=1", "seed=0"]
    at_work = started(prepared, tmp_path, *TWO_NODES, *steps, f"hydra.sweep.dir={run.parent}", multirun=True, **cluster.variables)
    wait_until(lambda: len(rows(run)) > 3, "training")
    assert len(cluster.tell("squeue", "-h", "-t", "R", "-o", "%D").split()) == 1
    assert cluster.tell("squeue", "-h", "-t", "R", "-o", "%D").strip() == "2"
    cluster.tell("scancel", "--signal=USR2", cluster.job())
    wait_until(lambda: record(run).status == STOPPED, "giving way")
    stopped = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["sovits"]["generator_step"]
    assert "SIGUSR2" in record(run).reason
    assert f"step {stopped}" in record(run).reason
    assert 0 < stopped < 60
    assert at_work.wait(timeout=300) == 0, (tmp_path / "said").read_text()
    ended = record(run)
    assert (ended.status, ended.attempts, ended.generator_step) == (FINISHED, 2, 60)
    log = (run / "train.log").read_text()
    assert f"going on from {run}/checkpoints/last.ckpt, step {stopped}" in log
    # Each step once, in order, and only one of the ranks wrote.
    assert list(dict.fromkeys(rows(run))) == sorted(set(rows(run))) == list(range(60))
    assert log.count("Trained 60 generator steps") == 1


def test_a_node_that_dies_costs_only_what_came_after_the_last_checkpoint(cluster: Cluster, prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "sweep" / "0"
    steps = ["training.steps=60", "trainer.val_check_interval=60", "callbacks.checkpoints.every_steps=5", "trainer.log_every_n_steps=1"]
    at_work = started(prepared, tmp_path, *TWO_NODES, *steps, f"hydra.sweep.dir={run.parent}", multirun=True, **cluster.variables)
    wait_until(lambda: (run / "checkpoints" / "previous.ckpt").is_file(), "saving")
    cluster.down("node2")
    cluster.tell("scontrol", "update", "nodename=node2", "state=down", "reason=cut")
    cluster.up()
    assert at_work.wait(timeout=400) == 0, (tmp_path / "said").read_text()
    ended = record(run)
    assert (ended.status, ended.attempts, ended.generator_step) == (FINISHED, 2, 60)
    assert "resume=true: going on from" in (run / "train.log").read_text()
    assert list(dict.fromkeys(rows(run))) == list(range(60))


def test_a_time_limit_is_met_with_a_checkpoint_and_a_cancelled_job_is_accounted_for(
    cluster: Cluster, prepared: Path, tmp_path: Path
) -> None:
    run = tmp_path / "sweep" / "0"
    limits = ["launcher.minutes=2", "launcher.warning_seconds=45", "training.steps=100000", "trainer.val_check_interval=100000"]
    one = ["launcher=slurm", "trainer=cpu", "launcher.cpus=1", *limits, f"hydra.sweep.dir={run.parent}"]
    at_work = started(prepared, tmp_path, *one, multirun=True, **cluster.variables)
    wait_until(lambda: record(run) is not None and record(run).status == STOPPED, "giving way before the limit", seconds=300)
    assert "time limit is near" in record(run).reason
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["sovits"]["generator_step"]
    assert saved > 0
    # Nobody asked: Slurm sent the signal, and the job comes back.
    wait_until(lambda: f"going on from {run}/checkpoints/last.ckpt, step {saved}" in (run / "train.log").read_text(), "going on")
    assert record(run).attempts == 2 or record(run).status == STOPPED
    wait_until(lambda: len(rows(run)) > saved / 10, "training again")
    cluster.tell("scancel", "--signal=KILL", "--full", cluster.job())
    cluster.tell("scancel", cluster.job())
    assert at_work.wait(timeout=200) == 1
    said = (tmp_path / "said").read_text()
    assert "0 done, 1 failed" in said, said
    assert record(run).status == FAILED
    assert "ended from outside or broke down: Slurm says" in record(run).reason
