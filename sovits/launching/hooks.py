"""What Hydra calls before it makes a folder: here a multirun is planned, refused or only told, and the processes of one run meet."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, flag_override

from sovits.errors import SovitsError, mistake_behind
from sovits.launching.one_command import processes_wanted, start_processes
from sovits.launching.plan import Plan, asked
from sovits.launching.ranks import OutsideRanks, agreed
from sovits.launching.resources import Resources
from sovits.launching.sweep_folder import SweepFolder
from sovits.runs.reproduction import Override

ONLY_WARNINGS = {"version": 1, "root": {"level": "WARNING", "handlers": []}, "disable_existing_loggers": False}
CLUSTER_ANSWERS_WITHIN = 30
"""Seconds."""


class Launching(Callback):
    """Hydra's callback of `sovits train`; it keeps nothing but the multirun that this process works on.

    Args:
        meeting_minutes: how long the processes of one run wait for one another at the start.
    """

    multirun: ClassVar[SweepFolder | None] = None
    """Hydra has one multirun a process, and raises a failed job's error in place of calling ``on_multirun_end``."""

    def __init__(self, meeting_minutes: float = 10.0) -> None:
        self.meeting_minutes = meeting_minutes

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """One run: of this process, or of several."""
        _told_plainly(lambda: self._one_run(config))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Many runs."""
        _told_plainly(lambda: _many_runs(config))

    def _one_run(self, config: DictConfig) -> None:
        choices = config.hydra.runtime.choices
        for group in ("launcher", "sweep"):
            if choices.get(group) is not None:
                raise SovitsError(_without_multirun(group, choices[group]))
        ranks = OutsideRanks.of_environment()
        count = processes_wanted(config) if ranks is None and "LOCAL_RANK" not in os.environ else 1
        if config.dry_run:
            _tell_one_run(config, ranks.world_size if ranks else count)
        if count > 1:
            raise SystemExit(start_processes(count, sys.argv[1:]))
        if ranks is None or ranks.world_size == 1:
            return
        own = str(Path(config.hydra.run.dir).absolute())
        folder = agreed(ranks, own, self.meeting_minutes)
        with flag_override(config, ["readonly", "struct"], [False, False]), flag_override(config.hydra, ["readonly"], [False]):
            config.hydra.run.dir = folder
            if ranks.rank:
                # The first one writes what the run leaves.
                config.hydra.output_subdir = None
                config.hydra.job_logging = ONLY_WARNINGS


def _many_runs(config: DictConfig) -> None:
    choices = config.hydra.runtime.choices
    if choices.get("sweep") == "wandb":
        raise SovitsError(_without_multirun("sweep", "wandb"))
    ranks = OutsideRanks.of_environment()
    if ranks is not None and ranks.world_size > 1:
        raise SovitsError(f"{ranks.starter} started {ranks.world_size} processes of one run, and -m asks for many runs; take a launcher.")
    plan = Plan.of(config)
    if config.dry_run:
        print(plan.told())
        print(f"Folder: {config.hydra.sweep.dir}\nNothing was run (dry_run=true).")
        raise SystemExit(0)
    if choices.get("launcher") is None and plan.resources.processes > 1:
        raise SovitsError(
            f"trainer.devices={config.trainer.devices} in a multirun needs a launcher that starts so many processes a job; "
            "add launcher=local, or launcher=slurm_ddp on a cluster."
        )
    if plan.resources.where == "slurm":
        require_slurm()
    _give_resources(config, plan.resources)
    # Optuna's data base, which is not used, has much to say.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    folder = Path(config.hydra.sweep.dir).absolute()
    sweep = SweepFolder(folder, asked(config), plan.jobs)
    sweep.claim(_said_resume(config))
    Launching.multirun = sweep


def require_slurm() -> None:
    """Sees whether there is a Slurm that answers.

    Raises:
        SovitsError: its commands are missing, or it does not answer.
    """
    for command in ("sbatch", "srun", "scontrol", "sacct"):
        if shutil.which(command) is None:
            raise SovitsError(
                f"The launcher sends jobs to Slurm, and this machine has no {command}; give the command on the cluster's login node, or "
                "take launcher=local."
            )
    try:
        done = subprocess.run(["sinfo", "-h"], capture_output=True, text=True, timeout=CLUSTER_ANSWERS_WITHIN, check=False)
        told = None if done.returncode == 0 else " ".join(done.stderr.split())
    except (OSError, subprocess.TimeoutExpired) as error:
        told = str(error)
    if told is not None:
        raise SovitsError(f"Slurm does not answer here (sinfo: {told}); see whether the cluster is up, or take launcher=local.")


def _give_resources(config: DictConfig, resources: Resources) -> None:
    """Hydra's launcher gets numbers where the configuration left them to be found out."""
    if resources.where == "here":
        return
    launcher = config.hydra.launcher
    with flag_override(config.hydra, ["readonly"], [False]), flag_override(launcher, ["readonly", "struct"], [False, False]):
        launcher.gpus_per_node = resources.gpus or None


def _said_resume(config: DictConfig) -> bool:
    # Launchers set resume for their jobs; whether an old folder may be used is for the command to say.
    said = {override.key: override.value for override in map(Override.of, map(str, config.hydra.overrides.task))}
    return (said.get("resume") or "").lower() == "true"


def _without_multirun(group: str, choice: str) -> str:
    if (group, choice) == ("sweep", "wandb"):
        return (
            "sweep=wandb is a sweep that Weights & Biases leads: give its file conf/sweep/wandb.yaml to `wandb sweep`, and then "
            "`wandb agent` on every machine that shall work."
        )
    return f"{group}={choice} is for many runs, and this command asks for one; add -m, as in: sovits train -m {group}={choice} ..."


def _tell_one_run(config: DictConfig, processes: int) -> None:
    gpus = 0 if config.trainer.accelerator == "cpu" else processes
    print(f"1 job, in this folder: {config.hydra.run.dir}")
    print(f"  {' '.join(str(one) for one in config.hydra.overrides.task if Override.of(str(one)).key != 'dry_run')}")
    resources = Resources("here", 1, processes, gpus, None, None)
    print(f"It needs: {resources.told()}.\nNothing was run (dry_run=true).")
    raise SystemExit(0)


def _told_plainly(work: Callable[[], None]) -> None:
    """Hydra turns what a callback raises into a warning and goes on, so whatever it is must end the process here."""
    try:
        work()
    except Exception as error:
        if mistake := mistake_behind(error):
            raise SystemExit(f"sovits train: {mistake}") from None
        traceback.print_exc()
        raise SystemExit(1) from None
