"""Pictures and sounds to whichever loggers can show them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure


def log_picture(loggers: Sequence[Logger], tag: str, figure: Figure, path: Path, step: int) -> None:
    """Shows ``figure``, saved at ``path``, in W&B and TensorBoard; other loggers hold numbers only.

    W&B gets no step: it places the picture at the latest metrics, whose axis Lightning counts in its own way.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(tag, [str(path)])
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(tag, figure, global_step=step)


def log_sound(loggers: Sequence[Logger], tag: str, samples: np.ndarray, sample_rate: int, caption: str, path: Path, step: int) -> None:
    """Plays [T_samples], saved at ``path``, in W&B (with ``caption``) and TensorBoard."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_audio(tag, [str(path)], caption=[caption])
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_audio(tag, samples[None], global_step=step, sample_rate=sample_rate)
