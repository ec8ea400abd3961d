"""Low-rank updates (LoRA) of linear layers and convolutions, and their way back into plain weights.

Written on PyTorch's parametrizations and not taken from `peft`: its layers stand in the place of the original ones, where a synthesizer's
parts look for weights and channels, drop a convolution's dilation, and cannot hold layers with weight norm.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

LAYERS = (nn.Linear, nn.Conv1d, nn.ConvTranspose1d)


class LowRankUpdate(nn.Module):
    """Adds a product of two thin matrices to a weight (LoRA; Hu et al. 2021); at first it adds nothing.

    A kernel is read as the matrix [rows, all the rest].

    Args:
        shape: of the weight.
        rank: columns of the one and rows of the other matrix.
        alpha: the product is scaled by ``alpha / rank``.
    """

    def __init__(self, shape: torch.Size, rank: int, alpha: float) -> None:
        super().__init__()
        columns = math.prod(shape[1:])
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.empty(rank, columns))
        self.up = nn.Parameter(torch.zeros(shape[0], rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with the update in it, of its own shape."""
        return weight + (self.scale * self.up @ self.down).view_as(weight)


def add_low_rank(module: nn.Module, rank: int, alpha: float) -> int:
    """Puts an update beside each weight of :data:`LAYERS` below ``module`` that is larger than the update would be; returns how many.

    All other weights stop learning.
    """
    module.requires_grad_(False)
    layers = [part for part in module.modules() if isinstance(part, LAYERS) and not _has_update(part)]
    count = 0
    for layer in layers:
        shape = layer.weight.shape
        # A kernel of one channel (depthwise) is no more than a few numbers a row.
        if rank * (shape[0] + math.prod(shape[1:])) >= math.prod(shape):
            continue
        update = LowRankUpdate(shape, rank, alpha).to(layer.weight.device)
        parametrize.register_parametrization(layer, "weight", update)
        update.requires_grad_(True)
        count += 1
    return count


@torch.no_grad()
def merge_low_rank(module: nn.Module) -> nn.Module:
    """Adds every update below ``module`` to the weight it belongs to, in place; names and shapes are then those of before."""
    for layer in [part for part in module.modules() if _has_update(part)]:
        merged = layer.weight.clone()
        steps = layer.parametrizations["weight"]
        if len(steps) == 1:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        else:
            # What is below, weight norm, finds its own values of the merged weight.
            del steps[len(steps) - 1]
            layer.weight = merged
    return module


def _has_update(layer: nn.Module) -> bool:
    return parametrize.is_parametrized(layer, "weight") and isinstance(layer.parametrizations["weight"][-1], LowRankUpdate)
