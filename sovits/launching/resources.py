"""What one job of a multirun asks of a machine or a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import DictConfig

from sovits.errors import SovitsError

LAUNCHERS = {"SlurmSweep": "slurm", "LocalSweep": "local"}


@dataclass(frozen=True)
class Resources:
    """Of one job."""

    where: str
    """``slurm``, ``local`` (processes on this machine) or ``here`` (one after another, in this process)."""
    nodes: int
    processes: int
    """On each node."""
    gpus: int
    """On each node."""
    cpus: int | None
    """Of each process; None where nothing limits them."""
    minutes: int | None
    """The time limit; None where there is none."""
    requeues: int = 0
    """How often a job that reached its time limit is sent again."""

    @classmethod
    def of(cls, config: DictConfig) -> Resources:
        """Those of ``config`` of a multirun of `sovits train`.

        Raises:
            SovitsError: numbers that do not fit the trainer's.
        """
        trainer, settings = config.trainer, config.launcher
        where = LAUNCHERS.get(str(config.hydra.launcher._target_).rpartition(".")[2], "here")
        on_cpu = trainer.accelerator == "cpu"
        if where == "here" or settings is None:
            devices = _count(trainer.devices) if isinstance(trainer.devices, int | str) and str(trainer.devices).isdigit() else 1
            return cls("here", 1, devices, 0 if on_cpu else devices, None, None)
        nodes, processes = _whole("trainer.num_nodes", trainer.num_nodes), _whole("trainer.devices", trainer.devices)
        if where == "local" and nodes > 1:
            raise SovitsError(f"trainer.num_nodes={nodes} with launcher=local, which knows one machine; take launcher=slurm_ddp.")
        if config.hydra.runtime.choices.get("launcher") == "slurm" and nodes * processes > 1:
            raise SovitsError(
                f"launcher=slurm sends jobs of one process, and trainer.num_nodes={nodes} x trainer.devices={processes} are "
                f"{nodes * processes}; take launcher=slurm_ddp."
            )
        gpus = (0 if on_cpu else processes) if settings.gpus is None else int(settings.gpus)
        if on_cpu and gpus:
            raise SovitsError(f"launcher.gpus={gpus} would stay idle with trainer.accelerator=cpu; give trainer=gpu or launcher.gpus=0.")
        if not on_cpu and gpus < processes:
            raise SovitsError(
                f"launcher.gpus={gpus} is too few for the {processes} processes of trainer.devices={processes} on a node; give as many, "
                "or trainer=cpu."
            )
        cpus, minutes = _whole("launcher.cpus", settings.cpus), _whole("launcher.minutes", settings.minutes)
        return cls(where, nodes, processes, gpus, cpus, minutes, int(settings.requeues))

    @property
    def all_gpus(self) -> int:
        """Of all nodes."""
        return self.nodes * self.gpus

    @property
    def all_cpus(self) -> int | None:
        """Of all nodes."""
        return None if self.cpus is None else self.nodes * self.processes * self.cpus

    def told(self) -> str:
        """``2 nodes, 8 processes, 8 GPUs, 32 CPUs, at most 24 h``."""
        parts = [
            counted(self.nodes, "node"),
            "1 process" if self.nodes * self.processes == 1 else f"{self.nodes * self.processes} processes",
            counted(self.all_gpus, "GPU"),
        ]
        if self.all_cpus is not None:
            parts.append(counted(self.all_cpus, "CPU"))
        parts.append("no time limit" if self.minutes is None else f"at most {hours(self.minutes)}")
        return ", ".join(parts)


def counted(number: int, thing: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def hours(minutes: float) -> str:
    """``24 h``, ``0.5 h``."""
    return f"{minutes / 60:.3g} h"


def _count(value: object) -> int:
    return max(int(str(value)), 1)


def _whole(key: str, value: object) -> int:
    if not str(value).isdigit() or int(str(value)) < 1:
        raise SovitsError(f"{key}={value} does not say how much a job needs; give a whole number from 1 on.")
    return int(str(value))
