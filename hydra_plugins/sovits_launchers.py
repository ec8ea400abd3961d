"""The launchers of `sovits train -m`, where Hydra looks for plugins; what they do is in ``sovits.launching.submission``."""

from __future__ import annotations

from sovits.launching.submission import LocalSubmission, SlurmSubmission


class SlurmSweep(SlurmSubmission):
    """``launcher=slurm`` and ``launcher=slurm_ddp``."""


class LocalSweep(LocalSubmission):
    """``launcher=local``."""
