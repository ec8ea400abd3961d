"""A run of several processes on one machine from one command: the same as torchrun, without typing it."""

from __future__ import annotations

import signal
import sys
import uuid
from collections.abc import Sequence

import torch
from omegaconf import DictConfig, ListConfig
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from sovits.errors import SovitsError


def processes_wanted(config: DictConfig) -> int:
    """How many processes ``trainer.devices`` means on this machine.

    Raises:
        SovitsError: several machines, which one command on one of them cannot start.
    """
    trainer = config.trainer
    if trainer.num_nodes > 1:
        raise SovitsError(
            f"trainer.num_nodes={trainer.num_nodes}, but this process was started alone; start it on every node with torchrun "
            "--nnodes, or send it to a cluster with -m launcher=slurm_ddp."
        )
    if isinstance(trainer.devices, ListConfig):
        raise SovitsError(
            f"trainer.devices={list(trainer.devices)} chooses devices; for a run of several processes choose them with "
            "CUDA_VISIBLE_DEVICES and give their number."
        )
    if str(trainer.devices) in ("-1", "auto"):
        return torch.cuda.device_count() if trainer.accelerator != "cpu" else 1
    return int(trainer.devices)


def start_processes(count: int, arguments: Sequence[str]) -> int:
    """Runs ``sovits train`` with these arguments in ``count`` processes that train as one, until all have ended.

    Returns:
        the exit status: 0, or that of the first process that failed. An asked-for end (SIGTERM) reaches the processes.
    """
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.5,
    )
    try:
        elastic_launch(settings, entrypoint=sys.executable)("-m", "sovits.cli", "train", *arguments)
    except ChildFailedError as error:
        # Its processes have said why.
        return abs(error.get_first_failure()[1].exitcode) or 1
    except SignalException as error:
        return 128 + int(signal.Signals(error.sigval))
    return 0
