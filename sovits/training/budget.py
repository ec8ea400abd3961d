"""What each model of a comparison may spend, so that one joint model and many per-speaker ones are compared on purpose."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from lightning import Callback, LightningModule, Trainer

from sovits.errors import SovitsError
from sovits.training.lightning_module import VoiceTraining

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Allowance:
    """What one model gets of what the configuration says."""

    steps: float = 1.0
    """Share of ``training.steps``."""
    milestones: float = 1.0
    """Share of the steps at which something begins or is due: warm-up, adversary, validation."""
    minutes: float | None = None
    """Training time, without validations; None for no limit."""


class Budget(ABC):
    """How the methods of a comparison share what they may spend.

    Args:
        n_speakers: speakers that the comparison is about; None for those that the run would have without ``data.speaker``.
    """

    def __init__(self, n_speakers: int | None = None) -> None:
        if n_speakers is not None and n_speakers < 1:
            raise SovitsError(f"budget.n_speakers={n_speakers} compares nobody; give how many speakers the comparison is about, or null.")
        self.n_speakers = n_speakers

    def share(self, own: int, known: int) -> float:
        """The part of the comparison's speakers that one model is of.

        Args:
            own: speakers of the model.
            known: speakers of the comparison where ``n_speakers`` does not say.

        Raises:
            SovitsError: the model has more speakers than the comparison.
        """
        of = known if self.n_speakers is None else self.n_speakers
        if own > of:
            raise SovitsError(
                f"budget.n_speakers={of}, but this model alone is of {own} speakers; give how many speakers the whole comparison is about, "
                "or null."
            )
        return own / of

    @abstractmethod
    def allowance(self, share: float) -> Allowance:
        """What a model of this ``share`` of the speakers gets."""


class EqualSteps(Budget):
    """Every model makes ``training.steps`` updates: per-speaker models together cost as many times more as there are speakers."""

    def allowance(self, share: float) -> Allowance:
        """See :class:`Budget`."""
        return Allowance()


class EqualUpdatesPerSpeaker(Budget):
    """A model of one of ``n`` speakers makes ``training.steps / n`` updates, for a joint model's updates are shared by all of them."""

    def allowance(self, share: float) -> Allowance:
        """See :class:`Budget`."""
        return Allowance(steps=share, milestones=share)


class EqualTime(Budget):
    """The whole method, one joint model or all per-speaker ones together, trains for ``minutes``; ``training.steps`` bounds each model.

    Args:
        minutes: of training on the same machine, validations left out.
        n_speakers: see :class:`Budget`.
    """

    def __init__(self, minutes: float, n_speakers: int | None = None) -> None:
        super().__init__(n_speakers)
        if not minutes > 0:
            raise SovitsError(f"budget.minutes={minutes} leaves no time to train; give the minutes of the whole method.")
        self.minutes = minutes

    def allowance(self, share: float) -> Allowance:
        """See :class:`Budget`."""
        return Allowance(milestones=share, minutes=self.minutes * share)


def shortened(steps: int, share: float, least: int) -> int:
    """``share`` of ``steps``, rounded, and no fewer than ``least`` where there were any."""
    return max(least, round(steps * share)) if steps else 0


class TimeLimit(Callback):
    """Ends training, with a last validation and checkpoint, once ``minutes`` of it were used; what validations take doesn't count.

    The minutes used are part of every checkpoint, so that a resumed run has only the rest. A killed run loses those since its last
    checkpoint together with their steps.
    """

    def __init__(self, minutes: float) -> None:
        self.limit = 60 * minutes
        self._used = 0.0
        self._began: float | None = None

    @property
    def seconds(self) -> float:
        """Used so far."""
        return self._used + (0.0 if self._began is None else time.monotonic() - self._began)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A run that has used all of it may not take one step more."""
        if self._used >= self.limit:
            trainer.should_stop = True

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Starts the clock, at first and after each validation."""
        if self._began is None:
            self._began = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stops the run on all ranks at once."""
        if trainer.strategy.reduce_boolean_decision(self.seconds >= self.limit, all=False):
            trainer.should_stop = True

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stops the clock."""
        self._used, self._began = self.seconds, None

    def on_train_end(self, trainer: Trainer, pl_module: VoiceTraining) -> None:  # type: ignore[override]
        """Says what the time was enough for, and whether it was the time that ended the run."""
        self._used, self._began = self.seconds, None
        step, minutes = pl_module.generator_step, self._used / 60
        log.info("The time budget of %.2f minutes was enough for %d generator steps.", self.limit / 60, step)
        if self._used < self.limit:
            log.warning(
                "training.steps=%d ended the run after %.2f of its %.2f minutes, so these are no equal times; raise training.steps.",
                pl_module.steps,
                minutes,
                self.limit / 60,
            )
        if step <= pl_module.adversary_from:
            log.warning(
                "The time ended at step %d, before the adversary joined at training.adversary_from=%d; lower it, or raise budget.minutes.",
                step,
                pl_module.adversary_from,
            )

    def state_dict(self) -> dict[str, Any]:
        """The seconds used."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes :meth:`state_dict`."""
        self._used = state_dict["seconds"]
