"""Gives every choice the same CPU time, and says what it cost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer

from sovits.training.lightning_module import VoiceTraining


class Stopwatch(Callback):
    """Ends training, which brings a validation and a checkpoint, once it has taken ``seconds`` of CPU time.

    CPU time, reading of batches included: other work on the machine does not shorten a run.

    Args:
        seconds: from the start of training on; None for no end.
        path: of the JSON that is written when training ends.
    """

    def __init__(self, seconds: float | None, path: str) -> None:
        self.seconds, self.path = seconds, Path(path)
        self.ends: list[float] = []
        """CPU seconds since the start at the end of each generator step."""

    def on_train_start(self, trainer: Trainer, pl_module: VoiceTraining) -> None:  # type: ignore[override]
        """Starts the clock."""
        self._began = time.process_time()

    def on_train_batch_end(self, trainer: Trainer, pl_module: VoiceTraining, outputs: Any, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        """Looks at it."""
        taken = time.process_time() - self._began
        if pl_module.generator_step > len(self.ends):
            self.ends.append(taken)
            trainer.should_stop |= self.seconds is not None and taken > self.seconds

    def on_validation_end(self, trainer: Trainer, pl_module: VoiceTraining) -> None:  # type: ignore[override]
        """Writes down what there is: also an untrained model is validated."""
        parts = {name: sum(weight.numel() for weight in part.parameters()) for name, part in pl_module.named_children()}
        told = {"adversary_from": pl_module.adversary_from, "ends": self.ends, "parameters": parts}
        self.path.write_text(json.dumps(told), encoding="utf-8")
