"""Which checkpoints a run keeps: the last, the one before it, the best, and some on the way."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from sovits.errors import SovitsError
from sovits.ranks import n_ranks
from sovits.training import between_batches
from sovits.training.callbacks.validation import logged_at_validation
from sovits.training.checkpoint_files import BEST, LAST, PREVIOUS, DurableCheckpoints, copy_durably, remove_partial
from sovits.training.lightning_module import VoiceTraining
from sovits.training.loggers import CsvTable, cut_off
from sovits.training.parallel import average_running_statistics

log = logging.getLogger(__name__)


class KeepCheckpoints(Checkpoint):
    """Writes ``last.ckpt`` at every validation and ``best.ckpt`` when a figure got better; ``previous.ckpt`` is the last but one.

    Every file is whole or not there, and holds the run between two batches (see ``between_batches``): a run that goes on from it does what
    it would have done without the interruption, which covers what it logs.

    Args:
        folder: where they lie.
        monitor: what is logged at validation and tells the best one, such as ``val/mel``; None keeps no best one.
        mode: ``min`` or ``max``.
        every_steps: generator steps from one ``last.ckpt`` to the next between validations too; None for validations alone.
        keep_every: generator steps from one ``step_<steps>.ckpt`` to the next; these stay. None keeps none.
    """

    def __init__(
        self, folder: str, monitor: str | None = None, mode: str = "min", every_steps: int | None = None, keep_every: int | None = None
    ) -> None:
        if mode not in ("min", "max"):
            raise SovitsError(f"callbacks.checkpoints.mode={mode} is neither min nor max; choose which {monitor} is better.")
        for name, steps in (("every_steps", every_steps), ("keep_every", keep_every)):
            if steps is not None and steps < 1:
                raise SovitsError(f"callbacks.checkpoints.{name}={steps} is no number of steps; give 1 or more, or null.")
        self.folder = Path(folder)
        self.monitor, self.mode, self.every_steps, self.keep_every = monitor, mode, every_steps, keep_every
        self.best_score: float | None = None
        self.best_step: int | None = None
        self._seen = False
        self._saved_step = self._written_step = self._kept_step = -1

    @property
    def last_model_path(self) -> str:
        """``last.ckpt``, once there is one."""
        path = self.folder / LAST
        return str(path) if path.is_file() else ""

    @property
    def best_model_path(self) -> str:
        """``best.ckpt``, once there is one."""
        path = self.folder / BEST
        return str(path) if path.is_file() else ""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Has every checkpoint of the trainer written so that it is whole or not there."""
        trainer.strategy.checkpoint_io = DurableCheckpoints()
        if stage != "fit":
            self._make_folder(trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """By now a checkpoint that does not fit was refused, and nothing made for it.

        Raises:
            SovitsError: nobody will log what the best checkpoint is to be chosen by.
        """
        self._require_logged(trainer, pl_module)  # type: ignore[arg-type]
        self._make_folder(trainer)

    def _require_logged(self, trainer: Trainer, module: VoiceTraining) -> None:
        known = logged_at_validation(trainer, module)
        if self.monitor is None or known is None:
            return  # the first validation tells
        # Each speaker's own figure stands behind the name of the mean.
        if self.monitor not in known and self.monitor.rsplit("/", 1)[0] not in known:
            raise self._unknown(known)

    def _unknown(self, known: Iterable[str]) -> SovitsError:
        return SovitsError(
            f"callbacks.checkpoints.monitor={self.monitor} is logged by nothing at validation; choose one of {', '.join(sorted(known))}, "
            "or null to keep no best checkpoint."
        )

    def _make_folder(self, trainer: Trainer) -> None:
        """Also frees it from what a killed run left half-written."""
        if trainer.is_global_zero:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                remove_partial(self.folder)
            except OSError as error:
                raise SovitsError(
                    f"Checkpoints cannot be written to {self.folder} ({error.strerror}); give another folder with hydra.run.dir=DIR."
                ) from error

    def on_train_start(self, trainer: Trainer, pl_module: VoiceTraining) -> None:  # type: ignore[override]
        """Takes up the thread: of a resumed run, what was logged behind the checkpoint is logged again."""
        between_batches.go_on(trainer)
        cut_off(trainer.loggers, between_batches.batches_done(trainer))
        self._saved_step = pl_module.generator_step

    def on_train_batch_start(self, trainer: Trainer, pl_module: VoiceTraining, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        """Saves between validations: here all of the batch before is done and logged."""
        if not self.possible_now(pl_module):
            return
        step = pl_module.generator_step
        stays = _is_multiple(step, self.keep_every) and step != self._kept_step
        # What a resumed run went on from is saved already, but may lie elsewhere.
        if (stays and step != self._written_step) or (_is_multiple(step, self.every_steps) and step != self._saved_step):
            self.save_last(trainer, pl_module)
        if stays:
            self._kept_step = step
            if trainer.is_global_zero:
                copy_durably(self.folder / LAST, self.folder / f"step_{step}.ckpt")

    def on_validation_end(self, trainer: Trainer, pl_module: VoiceTraining) -> None:  # type: ignore[override]
        """Saves what was just judged."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if self._better(trainer, pl_module.generator_step):
            self._save_best(trainer, pl_module)
        else:
            self.save_last(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Whoever saves, it is the state between two batches."""
        between_batches.settle(checkpoint)
        between_batches.forget_logged(trainer)

    @staticmethod
    def possible_now(module: VoiceTraining) -> bool:
        """Whether no gradients wait for more batches: they are in no checkpoint."""
        return module.batches_since_step % module.rounds.accumulate == 0

    def save_last(self, trainer: Trainer, module: VoiceTraining) -> None:
        """Writes ``last.ckpt`` now, on all ranks together, before a batch or at the end of a validation.

        Raises:
            SovitsError: it could not be written.
        """
        self._prepare(trainer, module)
        self._keep_previous(trainer)
        trainer.save_checkpoint(self.folder / LAST, weights_only=False)

    def _save_best(self, trainer: Trainer, module: VoiceTraining) -> None:
        # Best before last: a run killed between the two does the last steps again, and writes the same best one again.
        self._prepare(trainer, module)
        trainer.save_checkpoint(self.folder / BEST, weights_only=False)
        self._keep_previous(trainer)
        if trainer.is_global_zero:
            copy_durably(self.folder / BEST, self.folder / LAST)

    def _prepare(self, trainer: Trainer, module: VoiceTraining) -> None:
        if n_ranks() > 1 and not trainer.validating:
            # Before a validation the strategy does it. A resumed run gives rank 0's statistics to all.
            average_running_statistics(module)
        for logger in trainer.loggers:
            if isinstance(logger, CsvTable):
                logger.to_disk()
        self._saved_step = self._written_step = module.generator_step

    def _keep_previous(self, trainer: Trainer) -> None:
        if trainer.is_global_zero and (self.folder / LAST).is_file():
            copy_durably(self.folder / LAST, self.folder / PREVIOUS)

    def _better(self, trainer: Trainer, step: int) -> bool:
        if self.monitor is None:
            return False
        if self.monitor not in trainer.callback_metrics:
            self._require_known(trainer)
            return False
        self._seen = True
        # The same decision on every rank, as saving is done together.
        score = float(trainer.strategy.broadcast(float(trainer.callback_metrics[self.monitor])))
        sign = 1 if self.mode == "min" else -1
        if math.isnan(score) or (self.best_score is not None and sign * score >= sign * self.best_score):
            return False
        self.best_score, self.best_step = score, step
        return True

    def _require_known(self, trainer: Trainer) -> None:
        # A figure taken at every n-th validation is unknown for a while after a resumption.
        if not self._seen:
            raise self._unknown(name for name in trainer.callback_metrics if name.startswith("val/"))

    def state_dict(self) -> dict[str, Any]:
        """What is best so far."""
        return {"best_score": self.best_score, "best_step": self.best_step, "monitor": self.monitor, "mode": self.mode, "seen": self._seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes :meth:`state_dict`; another monitored name begins anew."""
        if (state_dict["monitor"], state_dict["mode"]) == (self.monitor, self.mode):
            self.best_score, self.best_step, self._seen = state_dict["best_score"], state_dict["best_step"], state_dict["seen"]
        else:
            log.warning(
                "The run being resumed kept the best by %s (%s), this one by %s (%s): the best begins anew.",
                state_dict["monitor"], state_dict["mode"], self.monitor, self.mode,
            )  # fmt: skip


def _is_multiple(step: int, of: int | None) -> bool:
    return of is not None and step > 0 and step % of == 0
