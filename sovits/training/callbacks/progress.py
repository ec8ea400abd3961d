"""How far training is, in the steps that people speak in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sovits.training.lightning_module import VoiceTraining


class GeneratorProgress(ProgressBar):
    """Generator steps done and to come, losses, speed and time left: a bar in a terminal, now and then a plain line elsewhere.

    Lightning's own bars count batches of an epoch, and its ``global_step`` counts both players' updates.

    Args:
        losses: logged names to show, such as ``train/generator/mel``; those not logged (yet) are left out.
        refresh_every: steps from one look at the losses to the next; each look waits for the GPU.
        line_every: steps from one plain line to the next where there is no terminal.
        scores: logged names to report after each validation.
    """

    def __init__(self, losses: Sequence[str], refresh_every: int, line_every: int, scores: Sequence[str]) -> None:
        super().__init__()
        self.losses = list(losses)
        self.scores = list(scores)
        self.refresh_every = refresh_every
        self.line_every = line_every
        self.console = Console(soft_wrap=True)
        self._enabled = True
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._first_step = 0
        self._working_seconds = 0.0
        self._began: float | None = None

    def disable(self) -> None:
        """Silences it: Lightning does so on every rank but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Undoes :meth:`disable`."""
        self._enabled = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Prints above the bar."""
        if self._enabled:
            self.console.print(*args)

    def on_train_start(self, trainer: Trainer, pl_module: VoiceTraining) -> None:  # type: ignore[override]
        """Shows where the run begins."""
        self._first_step, self._working_seconds, self._began = pl_module.generator_step, 0.0, time.monotonic()
        if self._enabled and self.console.is_terminal:
            columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}")]
            self._bar = Progress(
                *columns, TextColumn("{task.fields[note]}"), TimeRemainingColumn(), console=self.console, refresh_per_second=2
            )
            self._task = self._bar.add_task("Training", total=pl_module.steps, completed=pl_module.generator_step, note="")
            self._bar.start()
        else:
            self.print(f"Training from step {pl_module.generator_step} to {pl_module.steps}.")

    def on_train_batch_end(self, trainer: Trainer, pl_module: VoiceTraining, outputs: Any, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        """Moves the bar, or writes a line when one is due."""
        step = pl_module.generator_step
        if not self._enabled:
            return
        if self._bar is not None:
            self._bar.update(self._task, completed=step)
            if step % self.refresh_every == 0 or step >= pl_module.steps:
                self._bar.update(self._task, note=f"{self._named(trainer, self.losses)}  {self._speed(step):.2f} steps/s")
        elif step % self.line_every == 0 or step >= pl_module.steps:
            left = (pl_module.steps - step) / max(self._speed(step), 1e-9)
            figures = f"{self._named(trainer, self.losses)}  {self._speed(step):.2f} steps/s"
            self.print(f"step {step}/{pl_module.steps}  {figures}  {duration(left)} left")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stops the clock: speed is that of training."""
        self._working_seconds, self._began = self._worked(), None
        if self._bar is not None:
            self._bar.update(self._task, description="Validating")

    def on_validation_end(self, trainer: Trainer, pl_module: VoiceTraining) -> None:  # type: ignore[override]
        """Says what was measured, and goes on."""
        self._began = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, description="Training")
        if not trainer.sanity_checking:
            self.print(f"validation at step {pl_module.generator_step}  {self._named(trainer, self.scores)}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Closes the bar."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Gives the terminal back before the message comes."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _speed(self, step: int) -> float:
        """Training steps a second since the start of this process."""
        return (step - self._first_step) / max(self._worked(), 1e-9)

    def _worked(self) -> float:
        """Seconds spent in training, without validations."""
        return self._working_seconds + (0.0 if self._began is None else time.monotonic() - self._began)

    @staticmethod
    def _named(trainer: Trainer, names: Sequence[str]) -> str:
        known = [name for name in names if name in trainer.callback_metrics]
        return "  ".join(f"{_short(name)} {float(trainer.callback_metrics[name]):.3g}" for name in known)


def duration(seconds: float) -> str:
    """``4:05`` or ``1:02:03``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _short(name: str) -> str:
    """``train/generator/mel`` -> ``mel``; ``train/discriminator/total`` -> ``discriminator``."""
    *parents, last = name.split("/")
    return parents[-1] if last == "total" and parents else last.replace("_", " ")
