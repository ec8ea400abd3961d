"""What a multirun is going to do, before it does anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from sovits.errors import SovitsError
from sovits.launching.resources import Resources, counted, hours
from sovits.runs.reproduction import Override

SAME_FOR_ALL = ("launcher", "trainer.devices", "trainer.num_nodes", "trainer.accelerator", "trainer")
"""Keys that one launcher can know only once for all jobs."""
NOT_TOLD = ("dry_run", "sweep", "launcher")


@dataclass(frozen=True)
class Plan:
    """The jobs of a multirun.

    Raises:
        SovitsError: see ``of``.
    """

    jobs: list[list[str]]
    """The overrides of each; empty where the sweeper chooses them as it goes."""
    chosen_later: int
    """How many of those there are."""
    resources: Resources

    @classmethod
    def of(cls, config: DictConfig) -> Plan:
        """The plan of a composed multirun.

        Raises:
            SovitsError: jobs that need different resources, or resources that do not fit the trainer.
        """
        overrides = asked(config)
        for override in OverridesParser.create().parse_overrides(overrides):
            key = override.key_or_group
            if override.is_sweep_override() and (key in SAME_FOR_ALL or key.startswith("launcher.")):
                raise SovitsError(f"{override.input_line} asks for jobs with different resources; give a multirun for each of them.")
        resources = Resources.of(config)
        target = str(config.hydra.sweeper._target_)
        if target.endswith("BasicSweeper"):
            jobs = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(overrides), None)[0]
            return cls([_without_hydra(job) for job in jobs], 0, resources)
        return cls([], int(config.hydra.sweeper.get("n_trials", 0)), resources)

    @property
    def size(self) -> int:
        """How many jobs."""
        return len(self.jobs) + self.chosen_later

    def told(self) -> str:
        """The jobs, what each needs and what all may cost, in lines."""
        shared = [override for override in self.jobs[0] if all(override in job for job in self.jobs)] if self.jobs else []
        told = [override for override in shared if Override.of(override).key not in NOT_TOLD]
        lines = [f"{counted(self.size, 'job')}, {_WHERE[self.resources.where]}"]
        for number, job in enumerate(self.jobs):
            lines.append(f"  {number:>3}  {' '.join(one for one in job if one not in shared) or '(as it stands)'}")
        if self.chosen_later:
            lines.append("  (the sweeper chooses the overrides of each as it goes)")
        if told:
            lines.append(f"All with: {' '.join(told)}")
        lines.append(f"Each job: {self.resources.told()}.")
        return "\n".join([*lines, *self._cost()])

    def _cost(self) -> list[str]:
        resources = self.resources
        if resources.minutes is None:
            return ["GPU-hours: not known, because nothing limits the time of a job."]
        gpu_hours = self.size * resources.all_gpus * resources.minutes / 60
        cpu_hours = self.size * (resources.all_cpus or 0) * resources.minutes / 60
        lines = [
            f"All together at most {gpu_hours:,.6g} GPU-hours ({counted(self.size, 'job')} x {counted(resources.all_gpus, 'GPU')} x "
            f"{hours(resources.minutes)}) and {cpu_hours:,.6g} CPU-hours.",
            f"That is an upper bound from the time limit (launcher.minutes={resources.minutes}); a job that ends earlier costs less.",
        ]
        if resources.requeues:
            lines.append(
                f"A job that reaches the limit is sent again and goes on, up to {resources.requeues} times (launcher.requeues), each for "
                "as long again."
            )
        return lines


_WHERE = {
    "slurm": "sent to Slurm",
    "local": "as processes of this machine",
    "here": "one after another in this process",
}


def asked(config: DictConfig) -> list[str]:
    """The overrides of a multirun as the sweeper reads them: the sweep's own parameters, and what the command said."""
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    return [*(f"{key}={value}" for key, value in params.items()), *(str(one) for one in config.hydra.overrides.task)]


def _without_hydra(job: Sequence[str]) -> list[str]:
    return [text for text in job if not Override.of(text).key.startswith(("hydra.", "hydra/"))]
