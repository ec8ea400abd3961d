"""Using a network without teaching it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, ``module`` is in eval mode and its weights get no gradient, but its input does; after it, all is as before.

    What a forward inside is differentiated for counts from that moment, so ``backward`` may come after the block. It must come before
    the weights change, and a part that computes its forward again in the backward pass (activation checkpointing) needs it inside.
    """
    modes = [(part, part.training) for part in module.modules()]
    learns = [(weight, weight.requires_grad) for weight in module.parameters()]
    try:
        module.eval()
        module.requires_grad_(False)
        yield
    finally:
        # Set one by one: train() would give every part the mode of the whole.
        for part, mode in modes:
            part.training = mode
        for weight, flag in learns:
            weight.requires_grad = flag
