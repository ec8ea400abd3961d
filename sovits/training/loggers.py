"""Loggers that need no account and lose nothing, also where a run is interrupted and resumed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from sovits.runs.record import FILE_NAME, RunRecord
from sovits.training.csv_table import CsvTable


def csv_logger(save_dir: str, flush_logs_every_n_steps: int = 20) -> CsvTable:
    """``<save_dir>/csv/metrics.csv``; a resumed run goes on in it."""
    return CsvTable(str(Path(save_dir) / "csv"), flush_logs_every_n_steps)


def wandb_logger(save_dir: str, project: str, name: str | None = None, offline: bool | None = None) -> WandbLogger:
    """Weights & Biases without questions: offline unless a key is set. A resumed run goes on under the id it had.

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
    known = RunRecord.load(Path(save_dir)).wandb_id if Path(save_dir, FILE_NAME).is_file() else None
    return WandbLogger(name=name, save_dir=save_dir, project=project, offline=offline, id=known, settings=settings)


def wandb_id(loggers: Sequence[Logger]) -> str | None:
    """The id of the run in W&B; ``None`` where nothing is logged there."""
    ids = [logger.experiment.id for logger in loggers if isinstance(logger, WandbLogger)]
    return str(ids[0]) if ids else None


def cut_off(loggers: Sequence[Logger], step: int) -> None:
    """Takes back what earlier processes of the run logged from ``step`` on, which this one logs again.

    The table loses these rows, TensorBoard hides them (its pictures of this very step came with the checkpoint, so it begins one later).
    W&B cannot: its curves have the points between the checkpoint and the interruption twice.

    Args:
        loggers: of the trainer.
        step: as Lightning counts: batches.
    """
    for logger in loggers:
        if isinstance(logger, CsvTable):
            logger.cut_off(step)
        elif isinstance(logger, TensorBoardLogger) and step:
            _purge(logger, step + 1)


def _purge(logger: TensorBoardLogger, step: int) -> None:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    writer = getattr(logger.experiment, "file_writer", None)
    # Other ranks than the first have none.
    if writer is not None:
        writer.add_event(Event(session_log=SessionLog(status=SessionLog.START)), step)
