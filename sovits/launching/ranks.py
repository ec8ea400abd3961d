"""Processes of one run that something outside started: torchrun, Kubernetes, or Slurm's srun."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from lightning.pytorch.plugins.environments import ClusterEnvironment, SLURMEnvironment, TorchElasticEnvironment
from torch.distributed import PrefixStore, TCPStore

from sovits.errors import SovitsError

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
TOLD_BY = "RANK"
"""Without it the others are of no account: libraries set them too."""


@dataclass(frozen=True)
class OutsideRanks:
    """What this process was told about the run's other processes."""

    rank: int
    world_size: int
    address: str
    """Where rank 0 listens."""
    port: int
    starter: str
    """Who started them, for messages."""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> OutsideRanks | None:
        """Reads the variables of torchrun and Kubernetes, or else those of srun; None where nothing outside started several.

        Raises:
            SovitsError: some are there and others are not, or one is no number.
        """
        environment = os.environ if environment is None else environment
        if TOLD_BY in environment:
            return cls._of_torch(environment)
        if "SUBMITIT_EXECUTOR" not in environment and _srun_started_this(environment) and int(environment["SLURM_NTASKS"]) > 1:
            slurm = SLURMEnvironment(auto_requeue=False)
            return cls(slurm.global_rank(), slurm.world_size(), slurm.main_address, slurm.main_port, "srun")
        return None

    @classmethod
    def _of_torch(cls, environment: Mapping[str, str]) -> OutsideRanks:
        if missing := [name for name in VARIABLES if not environment.get(name)]:
            given = ", ".join(name for name in VARIABLES if environment.get(name))
            raise SovitsError(
                f"The environment has {given} but not {' and '.join(missing)}; processes started from outside need all five of "
                f"{', '.join(VARIABLES)} (unset RANK for a run of one process)."
            )
        numbers = {}
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"):
            if not environment[name].isdigit():
                raise SovitsError(f"{name}={environment[name]} in the environment is no whole number; set it as torchrun does.")
            numbers[name] = int(environment[name])
        if numbers["RANK"] >= numbers["WORLD_SIZE"]:
            raise SovitsError(
                f"RANK={numbers['RANK']} and WORLD_SIZE={numbers['WORLD_SIZE']} in the environment disagree; ranks go from 0 to "
                f"{numbers['WORLD_SIZE'] - 1}."
            )
        starter = "torchrun" if "TORCHELASTIC_RUN_ID" in environment else "RANK and WORLD_SIZE"
        return cls(numbers["RANK"], numbers["WORLD_SIZE"], environment["MASTER_ADDR"], numbers["MASTER_PORT"], starter)


def cluster_environment(nodes: int, devices: int | str | list[int]) -> ClusterEnvironment | None:
    """How Lightning learns the ranks: from whoever started the processes; None where it starts them itself.

    Args:
        nodes: ``trainer.num_nodes``.
        devices: ``trainer.devices``; only a number or a list of GPUs can be compared with the environment.

    Raises:
        SovitsError: another number of processes was started than the trainer is told to use.
    """
    each = len(devices) if isinstance(devices, list) else devices
    counted = int(each) if str(each).isdigit() else None
    if TOLD_BY in os.environ:
        ranks = OutsideRanks.of_environment()
        assert ranks is not None
        _require_equal(ranks.starter, ranks.world_size, nodes, counted, devices)
        return TorchElasticEnvironment()
    if _srun_started_this(os.environ):
        if int(os.environ["SLURM_NTASKS"]) > 1 or nodes * (counted or 1) > 1:
            _require_equal("Slurm", int(os.environ["SLURM_NTASKS"]), nodes, counted, devices)
        # Resuming is the business of resume=true; Lightning's own way leaves checkpoints that later runs there would pick up.
        return SLURMEnvironment(auto_requeue=False)
    return None


def _srun_started_this(environment: Mapping[str, str]) -> bool:
    # Lightning's question alone would warn wherever srun is installed.
    return "SLURM_NTASKS" in environment and SLURMEnvironment.detect()


def _require_equal(starter: str, started: int, nodes: int, each: int | None, devices: object) -> None:
    if each is not None and nodes * each != started:
        raise SovitsError(
            f"{starter} started {started} processes, and trainer.num_nodes={nodes} x trainer.devices={devices} is {nodes * each}; "
            f"give trainer=ddp trainer.devices=N of each node and trainer.num_nodes=M with N x M = {started}."
        )


def agreed(ranks: OutsideRanks, value: str, timeout_minutes: float = 10.0) -> str:
    """Rank 0's ``value``, on every rank.

    With torchrun it goes through the store that its agent keeps. Otherwise rank 0 listens at the run's own address and port until all
    have come and gone; training then listens there itself.

    Raises:
        SovitsError: not all came in time, or the address cannot be used.
    """
    hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    here = f"{ranks.address}:{ranks.port}"
    others = [str(rank) for rank in range(1, ranks.world_size)]
    try:
        tcp = TCPStore(
            ranks.address,
            ranks.port,
            is_master=hosted and ranks.rank == 0,
            timeout=timedelta(minutes=timeout_minutes),
            wait_for_workers=False,
        )
        # A restarted group of torchrun finds the agent's store as the last one left it.
        store = PrefixStore(f"sovits/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", tcp)
        if ranks.rank == 0:
            store.set("value", value)
            store.wait([f"come/{rank}" for rank in others])
            store.set("all", "here")
            store.wait([f"gone/{rank}" for rank in others])
            return value
        decided = store.get("value").decode()
        store.set(f"come/{ranks.rank}", "1")
        # Nobody may begin to look for training's store while this one is still there.
        store.wait(["all"])
        store.set(f"gone/{ranks.rank}", "1")
    except RuntimeError as error:
        first = " ".join(str(error).split())[:300]
        raise SovitsError(
            f"Rank {ranks.rank} of {ranks.world_size} did not meet the others at {here} within {timeout_minutes:g} minutes ({first}); "
            "see whether all processes were started with the same MASTER_ADDR and MASTER_PORT, and whether that port is free and reachable."
        ) from error
    return decided
