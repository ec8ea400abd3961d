"""Random training windows: a short slice of latents and the audio under it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def random_starts(lengths: Tensor, size: int) -> Tensor:
    """A uniform start for a window of ``size`` in each clip of ``lengths`` [B]; 0 where the clip is shorter than the window."""
    room = (lengths - size + 1).clamp_min(1)
    return (torch.rand(lengths.shape, device=lengths.device) * room).long().clamp_max(room - 1)


def take_slices(values: Tensor, starts: Tensor, size: int) -> Tensor:
    """[B, C, T] -> [B, C, size] from ``starts`` [B]; positions past T are zero."""
    values = F.pad(values, (0, max(size - values.shape[-1], 0)))
    index = starts[:, None, None] + torch.arange(size, device=values.device)
    return values.gather(2, index.expand(-1, values.shape[1], -1))
