"""Which positions of a padded batch are real."""

from __future__ import annotations

import torch
from torch import Tensor


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """[B] lengths -> float mask [B, 1, size], 1 where the position is inside the clip."""
    positions = torch.arange(size, device=lengths.device)
    return (positions < lengths[:, None]).unsqueeze(1).float()


def masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """[B, C, T] with zeros where ``mask`` [B, 1, T] is 0; None stands for all ones and costs nothing."""
    return values if mask is None else values * mask


def upsampled(mask: Tensor | None, rate: int) -> Tensor | None:
    """[B, 1, T] -> [B, 1, T * rate]."""
    return None if mask is None else mask.repeat_interleave(rate, dim=-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of [B, C, T] over channels and the positions where ``mask`` [B, 1, T] is 1."""
    return (values * mask).sum() / (mask.sum() * values.shape[1]).clamp_min(1)
