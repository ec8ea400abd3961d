"""Low-rank updates (LoRA) of linear layers and convolutions, and their way back into plain weights.

Written on PyTorch's parametrizations and not taken from `peft`: its layers stand in the place of the original ones, where a synthesizer's
parts look for weights and channels, drop a convolution's dilation, and cannot hold layers with weight norm.
"""

from __future__ import annotations

import math
from typing import cast

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
def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """The state of ``module`` with every update added to the weight it belongs to; names and shapes are those of before.

    Nothing is taken off ``module`` itself: its copies, averages among them, share with it the classes that a parametrization changes.
    """
    state = dict(module.state_dict())
    for name, layer in module.named_modules():
        if not _has_update(layer):
            continue
        steps = _steps(layer)
        prefix, last = f"{name}.parametrizations.weight", len(steps) - 1
        for key in [key for key in state if key.startswith(f"{prefix}.{last}.")]:
            del state[key]
        if last == 0:
            del state[f"{prefix}.original"]
            state[f"{name}.weight"] = layer.weight
        else:
            # What is below, weight norm, finds its own values of the merged weight.
            for number, value in enumerate(steps[0].right_inverse(layer.weight)):  # type: ignore[operator]
                state[f"{prefix}.original{number}"] = value
    return state


def _has_update(layer: nn.Module) -> bool:
    return parametrize.is_parametrized(layer, "weight") and isinstance(_steps(layer)[-1], LowRankUpdate)


def _steps(layer: nn.Module) -> parametrize.ParametrizationList:
    """What makes the layer's weight, one after the other."""
    return cast(nn.ModuleDict, layer.parametrizations)["weight"]  # type: ignore[return-value]
