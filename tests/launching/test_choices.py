"""Every launcher and sweep composes; a dry run tells what it would do; what cannot work is refused before anything is made."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from wandb import wandb_agent
from wandb.sdk.launch.sweeps.utils import load_sweep_config

from sovits import cli
from sovits.cli import config_directory
from sovits.errors import SovitsError
from sovits.launching import hooks
from sovits.launching.plan import Plan
from sovits.launching.resources import Resources
from tests.training.interruptions import write_set

LAUNCHERS = sorted(path.stem for path in (config_directory() / "launcher").glob("*.yaml"))
SWEEPS = sorted({path.stem for path in (config_directory() / "sweep").glob("*.yaml")} - {"wandb", "speakers"})


def composed(*overrides: str) -> Any:
    """The configuration of a multirun as Hydra gives it to a launcher: keys with several values keep their own."""
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose("train", [one for one in overrides if "," not in one], return_hydra_config=True)
    OmegaConf.set_readonly(config.hydra, False)
    config.hydra.overrides.task = [one for one in overrides if not one.startswith("hydra")]
    return config


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """`sovits train` in this process, in an empty folder; returns what it exits with."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["sovits", "train", *arguments])
        GlobalHydra.instance().clear()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return str(ended.value.code)

    monkeypatch.chdir(tmp_path)
    handlers = logging.getLogger().handlers[:]
    yield run
    # Hydra's write to what pytest has closed by then.
    logging.getLogger().handlers[:] = handlers
    hooks.Launching.multirun = None
    GlobalHydra.instance().clear()


@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_sweep_is_planned(sweep: str) -> None:
    expected = {"embedding_size": 12, "minutes_of_data": 12, "seeds": 5, "optuna": 20}
    assert Plan.of(composed(f"sweep={sweep}")).size == expected[sweep]


def test_a_sweep_over_the_speakers_of_a_set(command: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_set(tmp_path / "set", clips=1)
    asked = ["-m", "experiment=per_speaker", "sweep=speakers", "seed=0", "dry_run=true"]
    assert command(*asked, "data.root=set") == "0"
    assert re.findall(r"^ +\d  (.*)$", capsys.readouterr().out, re.M) == ["data.speaker=ana", "data.speaker=bo"]
    assert "No prepared set at nowhere" in command(*asked, "data.root=nowhere")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_plans(launcher: str) -> None:
    config = composed(f"launcher={launcher}", "sweep=seeds", "trainer=cpu", "trainer.devices=1")
    plan = Plan.of(config)
    assert plan.resources.where == ("local" if launcher == "local" else "slurm")
    # All that goes to the launcher has a value by now.
    assert OmegaConf.to_container(config.hydra.launcher, resolve=True)["tasks_per_node"] == 1
    assert config.resume is True


def test_keys_of_the_launcher_reach_slurm() -> None:
    given = ["partition=long", "account=speech", "minutes=90", "cpus=3", "memory_gb=20", "jobs=7", "warning_seconds=200", "requeues=2"]
    config = composed("launcher=slurm_ddp", "trainer.num_nodes=2", "trainer.devices=8", *(f"launcher.{one}" for one in given))
    hooks._give_resources(config, Resources.of(config))
    sent = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    expected = {
        "partition": "long", "account": "speech", "timeout_min": 90, "cpus_per_task": 3, "mem_gb": 20, "array_parallelism": 7,
        "signal_delay_s": 200, "max_num_timeout": 2, "nodes": 2, "tasks_per_node": 8, "gpus_per_node": 8,
    }  # fmt: skip
    assert {key: sent[key] for key in expected} == expected
    assert config.trainer.strategy._target_.endswith("PlayersDDPStrategy")


def test_overrides_win_over_the_values_of_a_sweep() -> None:
    jobs = Plan.of(composed("sweep=embedding_size", "embedding_size=192,512", "seed=4")).jobs
    assert [[one for one in job if one.startswith(("embedding_size", "seed"))] for job in jobs] == [
        ["embedding_size=192", "seed=4"],
        ["embedding_size=512", "seed=4"],
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("launcher=slurm trainer=cpu launcher.gpus=1", "launcher.gpus=1 would stay idle"),
        ("launcher=slurm trainer.devices=2", "take launcher=slurm_ddp"),
        ("launcher=slurm_ddp launcher.gpus=2 trainer.devices=4", "launcher.gpus=2 is too few for the 4 processes"),
        ("launcher=slurm_ddp trainer.devices=-1", "trainer.devices=-1 does not say how much"),
        ("launcher=local trainer.num_nodes=2", "take launcher=slurm_ddp"),
        ("launcher=slurm launcher.minutes=0", "launcher.minutes=0"),
        ("launcher=slurm launcher.cpus=1,2", "different resources"),
        ("launcher=slurm_ddp trainer.devices=1,2", "different resources"),
    ],
)
def test_resources_that_do_not_fit_are_refused(overrides: str, message: str) -> None:
    config = composed(*overrides.split())
    with pytest.raises(SovitsError, match=message):
        Plan.of(config)


def test_a_dry_run_tells_jobs_and_hours_and_makes_nothing(command: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ended = command(
        "-m", "sweep=embedding_size", "seed=0,1", "launcher=slurm_ddp", "trainer.devices=2", "launcher.minutes=90", "dry_run=true"
    )
    told = capsys.readouterr().out
    assert ended == "0"
    assert "8 jobs, sent to Slurm" in told
    assert re.findall(r"^ +(\d)  (.*)$", told, re.M)[5] == ("5", "embedding_size=384 seed=1")
    assert "Each job: 1 node, 2 processes, 2 GPUs, 8 CPUs, at most 1.5 h." in told
    assert "at most 24 GPU-hours (8 jobs x 2 GPUs x 1.5 h) and 96 CPU-hours" in told
    assert "upper bound from the time limit" in told
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_one_run(command: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command("seed=3", "dry_run=true") == "0"
    told = capsys.readouterr().out
    assert "1 job" in told
    assert "seed=3" in told
    assert "no time limit" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("launcher=slurm", "add -m"),
        ("sweep=seeds", "add -m"),
        ("sweep=wandb", "`wandb sweep`"),
        ("-m sweep=wandb", "`wandb sweep`"),
        ("trainer.num_nodes=2", "torchrun --nnodes"),
        ("-m seed=0,1 trainer.devices=2", "add launcher=local"),
    ],
)
def test_commands_that_cannot_work_make_nothing(arguments: str, message: str, command: Any, tmp_path: Path) -> None:
    assert message in command(*arguments.split())
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_is_not_there(command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *rest: None if name == "sbatch" else find(name, *rest) or "/bin/true")
    assert "this machine has no sbatch" in command("-m", "sweep=seeds", "launcher=slurm")
    silent = tmp_path / "bin"
    silent.mkdir()
    for name in ("sbatch", "srun", "scontrol", "sacct", "sinfo"):
        (silent / name).write_text("#!/bin/sh\necho no slurmctld >&2\nexit 1\n")
        (silent / name).chmod(0o755)
    monkeypatch.setattr(shutil, "which", find)
    monkeypatch.setenv("PATH", f"{silent}:/usr/bin:/bin")
    assert "Slurm does not answer here (sinfo: no slurmctld)" in command("-m", "sweep=seeds", "launcher=slurm")
    assert not (tmp_path / "outputs").exists()


def agents_command(config: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `wandb agent` runs for the first values of a sweep."""
    ran: list[list[str]] = []
    monkeypatch.setenv("WANDB_DIR", str(folder))
    monkeypatch.setattr(wandb_agent, "AgentProcess", lambda command, **_: ran.append(command) or type("Process", (), {})())
    agent = wandb_agent.Agent(api=None, queue=None)
    agent._sweep_command = config["command"]
    values = {name: {"value": parameter["values"][0]} for name, parameter in config["parameters"].items()}
    (folder / "wandb" / "sweep-None").mkdir(parents=True)
    agent._command_run({"run_id": "first", "program": config["program"], "args": values})
    return ran[0]


def test_the_sweep_of_weights_and_biases_is_a_command_of_this_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_sweep_config(str(config_directory() / "sweep" / "wandb.yaml"))
    assert config is not None
    assert config["method"] in ("grid", "random", "bayes")
    assert set(config["metric"]) == {"name", "goal"}
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):
        monkeypatch.setenv(name, "")
    built = agents_command(config, tmp_path, monkeypatch)
    assert built[:3] == ["/usr/bin/env", "sovits", "train"]
    one = composed(*built[3:])
    assert (one.embedding_size, one.seed, one.logger.wandb.offline) == (192, 0, False)
