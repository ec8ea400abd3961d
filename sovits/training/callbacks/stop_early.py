"""Ends a training that no longer makes anything better."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from lightning import Callback, LightningModule, Trainer

from sovits.errors import SovitsError
from sovits.training.callbacks.validation import logged_at_validation

log = logging.getLogger(__name__)

SIGNS = {"max": 1.0, "min": -1.0}


class StopEarly(Callback):
    """Stops when none of several figures has got better for some validations: one that still does is worth going on for.

    Args:
        monitors: what is logged at validation, such as ``val/speaker_similarity``, and whether ``max`` or ``min`` is better.
        patience: validations in a row without anything better.
        least: share of its best value by which a figure must get better to count.

    Raises:
        SovitsError: no monitor, an unknown mode, or no patience.
    """

    def __init__(self, monitors: Mapping[str, str], patience: int, least: float = 0.0) -> None:
        if not monitors or not set(monitors.values()) <= SIGNS.keys():
            raise SovitsError(f"callbacks.stop_early.monitors={dict(monitors)}: give figures, each with max or min.")
        if patience < 1:
            raise SovitsError(f"callbacks.stop_early.patience={patience} would stop at once; give 1 or more.")
        self.monitors, self.patience, self.least = dict(monitors), patience, least
        self.best: dict[str, float] = {}
        self.waited = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before the first step.

        Raises:
            SovitsError: nobody will log one of the figures.
        """
        known = logged_at_validation(trainer, pl_module)  # type: ignore[arg-type]
        if known is not None and (unknown := sorted(self.monitors.keys() - known)):
            raise SovitsError(
                f"callbacks.stop_early.monitors: {unknown[0]} is logged by nothing at validation; choose among {', '.join(sorted(known))}."
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compares with the best so far, the same on every rank."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        figures = {name: float(trainer.callback_metrics[name]) for name in self.monitors if name in trainer.callback_metrics}
        better = [name for name, value in trainer.strategy.broadcast(figures).items() if self._is_better(name, value)]
        self.waited = 0 if better else self.waited + 1
        if self.waited >= self.patience:
            told = ", ".join(f"{name} {value:.3g}" for name, value in self.best.items())
            log.info("Nothing got better in %d validations (best: %s): the training ends here.", self.waited, told)
            trainer.should_stop = True

    def _is_better(self, name: str, value: float) -> bool:
        best, sign = self.best.get(name), SIGNS[self.monitors[name]]
        # A figure that no clip gives, such as English words of a Mandarin speaker, says nothing.
        if math.isnan(value) or (best is not None and sign * (value - best) <= self.least * abs(best)):
            return False
        self.best[name] = value
        return True

    def state_dict(self) -> dict[str, Any]:
        """What is best so far, so that a resumed run stops where the uninterrupted one would."""
        return {"best": dict(self.best), "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes :meth:`state_dict`."""
        self.best, self.waited = dict(state_dict["best"]), state_dict["waited"]
