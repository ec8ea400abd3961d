"""Noise for texts that are spoken together without knowing of one another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator] | None
"""Where noise comes from: a source for the whole batch, one for each of its texts, or None for the global one."""


def standard_normal(channels: int, mask: Tensor, generators: Generators) -> Tensor:
    """Noise [B, channels, T] for the positions of ``mask`` [B, 1, T].

    With a generator for each text, a text's noise is the same in every batch, whatever it is padded to; outside the mask it is zero then.
    """
    batch, _, size = mask.shape
    if generators is None or isinstance(generators, torch.Generator):
        return torch.randn(batch, channels, size, generator=generators, dtype=mask.dtype, device=mask.device)
    noise = mask.new_zeros(batch, channels, size)
    for row, length, generator in zip(noise, mask.sum((1, 2)).long().tolist(), generators, strict=True):
        row[:, :length] = torch.randn(channels, length, generator=generator, dtype=mask.dtype, device=mask.device)
    return noise


def for_each_text(value: float | Tensor) -> float | Tensor:
    """A number for all texts, or [B] as [B, 1, 1]."""
    return value.view(-1, 1, 1) if isinstance(value, Tensor) else value
