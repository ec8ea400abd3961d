"""Loggers that need no account and lose nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger


def csv_logger(save_dir: str, flush_logs_every_n_steps: int = 20) -> CSVLogger:
    """``<save_dir>/csv/metrics.csv``; ``csv/resumed_1`` and so on where an earlier run left one there.

    Lightning's logger would delete the earlier file, and with it the first part of a resumed run's curves.
    """
    folder, version, number = Path(save_dir) / "csv", "", 0
    while (folder / version / "metrics.csv").exists():
        number += 1
        version = f"resumed_{number}"
    return CSVLogger(save_dir, name="csv", version=version, flush_logs_every_n_steps=flush_logs_every_n_steps)


def wandb_logger(save_dir: str, project: str, name: str | None = None, offline: bool | None = None) -> WandbLogger:
    """Weights & Biases without questions: offline unless a key is set.

    Args:
        save_dir: the run's files go to ``<save_dir>/wandb``; an offline run is sent later with ``wandb sync``.
        project: its name there.
        name: of the run; ``None`` lets W&B choose.
        offline: ``None`` for online exactly where ``WANDB_API_KEY`` is set.
    """
    import wandb

    if offline is None:
        offline = not os.environ.get("WANDB_API_KEY")
    Path(save_dir, "wandb").mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(silent=True, console="off", disable_git=True)
    return WandbLogger(name=name, save_dir=save_dir, project=project, offline=offline, settings=settings)


def wandb_id(loggers: Sequence[Logger]) -> str | None:
    """The id of the run in W&B; ``None`` where nothing is logged there."""
    ids = [logger.experiment.id for logger in loggers if isinstance(logger, WandbLogger)]
    return str(ids[0]) if ids else None
