"""A run that is asked to give way saves what it has and stops, so that it can go on elsewhere."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any

from lightning import Callback, LightningModule, Trainer

from sovits.errors import SovitsError
from sovits.runs.recorded import Stopped
from sovits.training.checkpointing import KeepCheckpoints
from sovits.training.lightning_module import VoiceTraining

log = logging.getLogger(__name__)

REASONS = {
    signal.SIGUSR2: "its place was taken away or its time limit is near (SIGUSR2)",
    signal.SIGUSR1: "its place was taken away or its time limit is near (SIGUSR1)",
    signal.SIGTERM: "it was asked to end (SIGTERM)",
}


class GaveWay(Stopped):
    """Because of a signal."""

    def __init__(self, told: str, signal_number: int) -> None:
        super().__init__(told)
        self.signal_number = signal_number


class Preemption(Callback):
    """On SIGUSR2 or SIGUSR1 (a scheduler needs the place, or the time is nearly up) and on SIGTERM: saves ``last.ckpt`` before the next
    batch and stops.

    One process that was asked is enough: all ranks agree, save together and stop together. The signals reach it from the first batch to
    the last; before and after, whatever handled them handles them.

    Args:
        every_n_batches: how often several processes ask one another, which costs a small collective. One process asks nobody, at every
            batch. Choose it so that a scheduler's warning time holds so many batches.
    """

    def __init__(self, every_n_batches: int = 5) -> None:
        if every_n_batches < 1:
            raise SovitsError(f"callbacks.preemption.every_n_batches={every_n_batches} would never ask; give 1 or more.")
        self.every_n_batches = every_n_batches
        self._received = 0
        self._earlier: dict[int, Any] = {}
        self._batches = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on the signals are this callback's; Lightning's own way with SIGTERM broadcasts from inside the handler."""
        self._received, self._batches = 0, 0
        if threading.current_thread() is not threading.main_thread():
            log.warning("Training runs outside of the main thread, so signals cannot save it: a run that is ended loses what came last.")
            return
        for number in REASONS:
            self._earlier[number] = signal.signal(number, self._receive)

    def on_train_batch_start(self, trainer: Trainer, pl_module: VoiceTraining, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        """Between two batches: all that came before is done.

        Raises:
            GaveWay: on every rank, once it is saved.
        """
        self._batches += 1
        if not KeepCheckpoints.possible_now(pl_module) or not self._agreed(trainer, self._batches % self.every_n_batches == 0):
            return
        for keeper in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(keeper, KeepCheckpoints):
                keeper.save_last(trainer, pl_module)
                raise self._gave_way(trainer, f"is saved at step {pl_module.generator_step}")
        raise self._gave_way(trainer, "is not saved, because callbacks.checkpoints was left out")

    def on_train_end(self, trainer: Trainer, pl_module: VoiceTraining) -> None:  # type: ignore[override]
        """All steps are done and saved, but not what comes after them.

        Raises:
            GaveWay: on every rank.
        """
        asked = self._agreed(trainer, True)
        self._restore()
        if asked:
            raise self._gave_way(trainer, f"is saved at its last step, {pl_module.generator_step}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Lets the signals go."""
        self._restore()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lets the signals go."""
        self._restore()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        # Nothing more: a handler interrupts any line of Python.
        self._received = _foremost([self._received, number])

    def _agreed(self, trainer: Trainer, due: bool) -> bool:
        if trainer.world_size == 1:
            return bool(self._received)
        return due and trainer.strategy.reduce_boolean_decision(bool(self._received), all=False)

    def _gave_way(self, trainer: Trainer, saved: str) -> GaveWay:
        # A rank that nobody asked stops for the reason that the asked one had.
        number = _foremost(trainer.strategy.broadcast(self._received, src=rank) for rank in range(trainer.world_size))
        return GaveWay(f"The run stops because {REASONS[signal.Signals(number)]}; it {saved}.", number)

    def _restore(self) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier = {}


def _foremost(numbers: Iterable[int]) -> int:
    """Of several signals the one that promises to go on: SIGTERM has the highest number. 0 is none."""
    return min((number for number in numbers if number), default=0)
