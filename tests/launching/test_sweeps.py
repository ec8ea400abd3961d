"""Sweeps of real trainings on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from wandb.sdk.launch.sweeps.utils import load_sweep_config

from sovits.cli import config_directory
from sovits.runs.record import FAILED, FINISHED
from tests.launching.runs import command, environment, record, train
from tests.launching.test_choices import agents_command

pytestmark = pytest.mark.slow


def test_processes_of_this_machine_and_what_is_left_of_a_sweep(prepared: Path, tmp_path: Path) -> None:
    sweep = ["launcher=local", "launcher.jobs=2", "training.loss_limit=1e-9,1e6", f"hydra.sweep.dir={tmp_path}/sweep"]
    first = train(prepared, tmp_path, *sweep, multirun=True)
    assert first.returncode == 1, first.stderr
    assert "1 done, 1 failed" in first.stdout
    failed, finished = (record(tmp_path / "sweep" / number) for number in "01")
    assert (failed.status, finished.status) == (FAILED, FINISHED)
    assert "holds this sweep already" in train(prepared, tmp_path, *sweep, multirun=True).stderr
    again = train(prepared, tmp_path, *sweep, "resume=true", multirun=True)
    assert "1 done, 1 failed" in again.stdout
    # The finished one was not touched.
    assert record(tmp_path / "sweep" / "1") == finished
    assert record(tmp_path / "sweep" / "0").started == failed.started
    assert "is finished already" in (tmp_path / "sweep" / "1" / "train.log").read_text()


def test_a_job_of_two_processes_on_this_machine(prepared: Path, tmp_path: Path) -> None:
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"]
    done = train(prepared, tmp_path, "launcher=local", *two, "seed=0", f"hydra.sweep.dir={tmp_path}/sweep", multirun=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert record(tmp_path / "sweep" / "0").status == FINISHED
    log = (tmp_path / "sweep" / "0" / "train.log").read_text()
    assert log.count("Trained 2 generator steps") == 1
    assert "1 batches an epoch on each device" in log


def test_the_command_of_the_agent_trains(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):
        monkeypatch.setenv(name, "")
    config = load_sweep_config(str(config_directory() / "sweep" / "wandb.yaml"))
    built = agents_command(config, tmp_path, monkeypatch)
    monkeypatch.undo()
    # Small and offline; all else as the agent has it.
    small = [one for one in command(prepared)[4:] if one != "~logger.wandb"]
    extra = [*small, "logger.wandb.offline=true", f"hydra.run.dir={tmp_path}/run"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    built.remove("logger.wandb.offline=false")
    done = subprocess.run([*built, *extra], cwd=tmp_path, env=environment(PATH=path), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert record(tmp_path / "run").status == FINISHED
    assert "embedding_size=192" in record(tmp_path / "run").overrides
