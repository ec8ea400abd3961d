"""Learning-rate schedule, moving average of the weights, and the random state that makes a resumed run the same run."""

from __future__ import annotations

import logging
import math
import random
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from sovits.ranks import n_ranks

log = logging.getLogger(__name__)


class WarmUpCosine(LambdaLR):
    """Linear warm-up, then half a cosine down to a share of the peak (Loshchilov & Hutter 2017), in generator steps.

    Args:
        warm_up_steps: steps from zero to the optimiser's own learning rate.
        steps: steps at which the floor is reached; it stays there.
        floor: share of the peak at the end.
    """

    def __init__(self, optimizer: Optimizer, warm_up_steps: int, steps: int, floor: float) -> None:
        def share(step: int) -> float:
            if step < warm_up_steps:
                return (step + 1) / (warm_up_steps + 1)
            progress = min(1.0, (step - warm_up_steps) / max(1, steps - warm_up_steps))
            return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

        super().__init__(optimizer, share)


class WarmEma(WeightAveraging):
    """Exponential moving average whose memory grows with the run: decay ``min(decay, (1 + n) / (10 + n))`` after ``n`` updates.

    A fixed decay of 0.999 would still hold three quarters of the random initial weights after 300 steps. Validation, checkpoints and
    the final model use the averaged weights.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Moves the averages to where the weights are: on the CPU, their library's choice, every step would copy all weights off a GPU."""
        average = self._average_model
        assert average is not None
        average.module.to(pl_module.device)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """One update after each batch that moved weights; the count stays on the host, so that no GPU is waited for."""
        average = self._average_model
        if average is None or trainer.global_step <= self._latest_update_step:
            return
        self._latest_update_step = trainer.global_step
        n = int(average.n_averaged)
        # With two optimisers Lightning's step counter moves by two, but this is one update.
        share = 1 - min(self.decay, (1 + n) / (10 + n)) if n else 1.0
        with torch.no_grad():
            torch._foreach_lerp_(list(average.module.parameters()), list(pl_module.parameters()), share)
            buffers, current = list(average.module.buffers()), list(pl_module.buffers())
            if buffers:
                torch._foreach_copy_(buffers, current)
        average.n_averaged += 1


class RandomState(Callback):
    """Carries the random generators of every process in the checkpoint, and puts them back when training resumes."""

    def __init__(self) -> None:
        self._restored: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """Of all ranks: only the first one's checkpoint is written. Every rank must call it."""
        own = generator_states()
        if n_ranks() == 1:
            return {"ranks": [own]}
        every: list[Any] = [None] * n_ranks()
        dist.all_gather_object(every, own)
        return {"ranks": every}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict["ranks"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Last moment before the first batch: what set-up drew does not count."""
        states, self._restored = self._restored, []
        if not states:
            return
        if len(states) != trainer.world_size:
            log.warning(
                "The run being resumed had %d processes, this one has %d: its random numbers begin anew from the seed.",
                len(states),
                trainer.world_size,
            )
            return
        restore_generators(states[trainer.global_rank])


def generator_states() -> dict[str, Any]:
    """The states of this process's global random generators, as plain values and tensors."""
    version, internal, gauss = random.getstate()
    numpy_state = np.random.get_state(legacy=False)
    return {
        "python": [version, list(internal), gauss],
        "numpy_key": numpy_state["state"]["key"].tolist(),
        "numpy_position": int(numpy_state["state"]["pos"]),
        "numpy_gauss": [int(numpy_state["has_gauss"]), float(numpy_state["gauss"])],
        "torch": torch.get_rng_state(),
        "cuda": [generator.cpu() for generator in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else [],
    }


def restore_generators(state: dict[str, Any]) -> None:
    """Undoes :func:`generator_states`; those of GPUs only where there are as many."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    has_gauss, numpy_gauss = state["numpy_gauss"]
    key = np.array(state["numpy_key"], dtype=np.uint32)
    inner = {"key": key, "pos": state["numpy_position"]}
    np.random.set_state({"bit_generator": "MT19937", "state": inner, "has_gauss": has_gauss, "gauss": numpy_gauss})
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([generator.cpu() for generator in state["cuda"]])
