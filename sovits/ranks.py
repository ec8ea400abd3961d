"""Figures of several processes that train as one."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


@torch.no_grad()
def mean_over_ranks(values: Tensor) -> Tensor:
    """The average of ``values`` over all processes, detached; in a single process, ``values``.

    With it as denominator, the average of the processes' gradients is that of one process on all their clips: a rank with longer clips
    counts for more.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return values.detach()
    total = values.detach().clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()
