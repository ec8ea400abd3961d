"""Figures of several processes that train as one."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def n_ranks() -> int:
    """Processes that train together; 1 where torch.distributed is not set up."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_over_ranks(values: Tensor) -> Tensor:
    """The average over ranks of ``values``, a small float tensor of any shape, without a graph; in one process ``values`` detached.

    As the denominator of a masked loss, ``total / mean_over_ranks(count)``, it makes the averaged gradients those of one process on the
    joined batch, however unevenly the ranks' clips are long: mean(total_r / mean(count)) = sum(total_r) / sum(count). All denominators
    of a loss in one tensor cost one collective. Every rank must call it as often as the others.
    """
    values = values.detach()
    if n_ranks() == 1:
        return values
    values = values.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(values)
    return values / n_ranks()
