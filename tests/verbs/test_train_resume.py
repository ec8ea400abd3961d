"""`sovits train` under kill -9, and the same command again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from sovits.runs.record import RunRecord
from tests.training.interruptions import EVERYTHING, differences, write_set
from tests.verbs.test_train import SMALL

REPOSITORY = Path(__file__).parents[2]
COMMAND = [
    *SMALL, "training.steps=30", "training.adversary_from=3", "trainer.val_check_interval=6", "trainer.log_every_n_steps=1",
    "callbacks.checkpoints.every_steps=2", "evaluation=none", "resume=true", "training.schedule.warm_up_steps=2",
]  # fmt: skip
LONGEST = 120.0
"""Seconds that one process may take."""


def start(root: Path, home: Path, *more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HYDRA_FULL_ERROR": "1"}
    command = [sys.executable, "-m", "sovits.cli", "train", f"data.root={root}", *COMMAND, *more]
    return subprocess.Popen(
        command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    told = process.communicate(timeout=LONGEST)[0]
    assert process.returncode == 0, told[-3000:]
    return told


def kill(process: subprocess.Popen[str]) -> str:
    """All processes of the run at once, as a lost node would."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate(timeout=LONGEST)[0]


def wait_for(moment: Any, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + LONGEST
    while not moment() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


def only_run(home: Path) -> Path:
    (run,) = (home / "outputs" / "train").iterdir()
    return run


def rows(home: Path) -> int:
    tables = list((home / "outputs" / "train").glob("*/csv/metrics.csv"))
    return len(tables[0].read_text().splitlines()) if tables else 0


def attempts(home: Path) -> int:
    found = list((home / "outputs" / "train").glob("*/run.json"))
    return RunRecord.load(found[0].parent).attempts if found else 0


def partial(home: Path) -> bool:
    """Whether a checkpoint is being written, or was when the run was killed."""
    return any((home / "outputs" / "train").glob("*/checkpoints/*.partial"))


def assert_same(run: Path, whole: Path) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (torch.load(each / "checkpoints" / name, weights_only=True) for each in (run, whole))
        for each in (one, other):
            # Where the run lies is part of its configuration.
            del each["sovits"]["config"]
        assert differences({key: one[key] for key in EVERYTHING}, {key: other[key] for key in EVERYTHING}) == [], name
    assert (run / "csv" / "metrics.csv").read_text() == (whole / "csv" / "metrics.csv").read_text()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"), clips=6)


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody interrupted."""
    home = tmp_path_factory.mktemp("whole")
    told = finish(start(root, home))
    assert "holds no unfinished run of this command; a new one begins" in told
    return only_run(home)


@pytest.mark.slow
def test_killed_at_random_moments_the_same_command_ends_the_same(root: Path, whole: Path, tmp_path: Path) -> None:
    chance = random.Random(5)
    for attempt, saving in enumerate([False, True, False, True], start=1):
        process = start(root, tmp_path)
        wait_for(lambda number=attempt: attempts(tmp_path) == number and not partial(tmp_path), process)
        wanted = rows(tmp_path) + chance.randint(3, 20)
        wait_for((lambda: partial(tmp_path)) if saving else (lambda least=wanted: rows(tmp_path) >= least), process)
        time.sleep(0 if saving else chance.random() * 0.2)
        assert "Traceback" not in kill(process)
    told = finish(start(root, tmp_path))
    assert "going on in" in told
    assert "going on from" in told
    run = only_run(tmp_path)
    assert_same(run, whole)
    record = RunRecord.load(run)
    assert (record.status, record.attempts, record.generator_step) == ("finished", 5, 30)
    assert list((run / "checkpoints").glob("*.partial")) == []
    # Once more, in its own folder: nothing is left to do.
    again = finish(start(root, tmp_path, f"hydra.run.dir={run}"))
    assert "is finished already" in again
    assert RunRecord.load(run).attempts == 5
