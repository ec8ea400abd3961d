"""One job of `sovits train`, from the inside: how an error, or the end of its time, reaches whoever sent it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from torch.distributed import DistError

from sovits.errors import SovitsError, mistake_behind
from sovits.launching.multirun import in_multirun
from sovits.launching.objective import objective
from sovits.launching.sweep_folder import record_failure
from sovits.runs.recorded import Stopped, first_process, task_overrides
from sovits.training.callbacks.preemption import GaveWay

log = logging.getLogger(__name__)


def in_job() -> bool:
    """Whether submitit started this process."""
    return "SUBMITIT_EXECUTOR" in os.environ


def work_off(run: Callable[[DictConfig], Any], config: DictConfig) -> float | None:
    """Trains one run; its value for a search is the figure that ``config.objective`` names, or None.

    Raises:
        SovitsError: a mistake in the configuration or the data; of a multirun's job it is in ``run.json`` and the log then.
        SystemExit: the run gave way to a signal.
    """
    try:
        run(config)
        return objective(Path(config.paths.run), config.objective) if config.objective and first_process() else None
    except Stopped as stopped:
        _give_way(stopped)
    except (SovitsError, InstantiationException, OmegaConfBaseException) as error:
        cause = mistake_behind(error)
        if cause is None:
            note_mistake(f"{type(error).__name__}: {' '.join(str(error).split())}", config)
            raise
        note_mistake(str(cause), config)
        raise cause from None
    except Exception as error:
        if in_job() and lost_another(error):
            log.exception("The run's other processes are gone.")
            # Without a result, so that the scheduler's word counts: it sends the job again where a node died.
            raise SystemExit(1) from None
        if in_multirun():
            log.exception("The run failed.")
            note_mistake(f"{type(error).__name__}: {error}", config)
        raise
    return None


def lost_another(error: Exception) -> bool:
    """Whether this process failed only because it heard no more of another."""
    # gloo's and some of NCCL's are no more than a RuntimeError.
    told = str(error)
    return isinstance(error, DistError) or (isinstance(error, RuntimeError) and any(name in told for name in ("gloo", "NCCL")))


def note_mistake(told: str, config: DictConfig) -> None:
    """Leaves a job's mistake in its record and log; of a single run the one who waits for it is told."""
    if not in_multirun():
        return
    log.error("%s", told)
    if first_process():
        record_failure(Path(config.paths.run), told, task_overrides())


def _give_way(stopped: Stopped) -> None:
    """Ends this process; where submitit runs it and asked for its place, after seeing to it that the job is sent again."""
    number = stopped.signal_number if isinstance(stopped, GaveWay) else signal.SIGTERM
    if not in_job():
        if first_process():
            print(f"sovits train: {stopped} Go on with the same command and resume=true.", file=sys.stderr)
        raise SystemExit(128 + number)
    handler = signal.getsignal(number)
    if number != signal.SIGUSR2 or not callable(handler):
        # No result is written: a scheduler that takes the place away may send the job again by itself.
        raise SystemExit(128 + number)
    if not first_process():
        raise SystemExit(0)
    log.info("%s The job is sent again and goes on.", stopped)
    try:
        handler(number, None)
    except Exception as error:
        if isinstance(error, subprocess.CalledProcessError) and error.returncode == -signal.SIGTERM:
            # A cluster that sends a job again ends all of its processes first: here before the one that asked for it could say so.
            raise SystemExit(128 + signal.SIGTERM) from None
        # submitit's: too many time limits reached.
        raise SovitsError(f"{stopped} It is not sent again ({error}); give more launcher.minutes or launcher.requeues.") from error
