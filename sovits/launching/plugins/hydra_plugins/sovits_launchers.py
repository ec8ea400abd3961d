"""The launchers of `sovits train -m`, where Hydra looks for plugins.

Hydra imports this for every command, so what they do is elsewhere and imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class _Submitting:
    submission: Launcher

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """See Hydra's ``Launcher``."""
        self.submission.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """See Hydra's ``Launcher``."""
        return self.submission.launch(job_overrides, initial_job_idx)


class SlurmSweep(_Submitting, Launcher):
    """``launcher=slurm`` and ``launcher=slurm_ddp``; see ``sovits.launching.submission.SlurmSubmission``."""

    def __init__(self, **params: Any) -> None:
        from sovits.launching.submission import SlurmSubmission

        self.submission = SlurmSubmission(**params)


class LocalSweep(_Submitting, Launcher):
    """``launcher=local``; see ``sovits.launching.submission.LocalSubmission``."""

    def __init__(self, **params: Any) -> None:
        from sovits.launching.submission import LocalSubmission

        self.submission = LocalSubmission(**params)
