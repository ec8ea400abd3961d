"""Noise for texts that are spoken together without knowing of one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Generators = torch.Generator | Sequence[np.random.Generator] | None
"""Where noise comes from: a source for the whole batch, one for each of its texts, or None for the global one.

Those of single texts are NumPy's, so that a seed means the same on every device, and without PyTorch.
"""


def standard_normal(channels: int, mask: Tensor, generators: Generators) -> Tensor:
    """Noise [B, channels, T] for the positions of ``mask`` [B, 1, T].

    With a generator for each text, a text's noise is the same in every batch, whatever it is padded to; outside the mask it is zero then.
    """
    batch, _, size = mask.shape
    if generators is None or isinstance(generators, torch.Generator):
        return torch.randn(batch, channels, size, generator=generators, dtype=mask.dtype, device=mask.device)
    return torch.from_numpy(noise_of_each(channels, mask.sum((1, 2)).long().tolist(), size, generators)).to(mask)


def noise_of_each(channels: int, lengths: Sequence[int], size: int, generators: Sequence[np.random.Generator]) -> np.ndarray:
    """Standard normal float32 [B, channels, size] of a generator for each text, zero past its length."""
    noise = np.zeros((len(lengths), channels, size), dtype=np.float32)
    for row, length, generator in zip(noise, lengths, generators, strict=True):
        row[:, :length] = generator.standard_normal((channels, length), dtype=np.float32)
    return noise


def for_each_text(value: float | Tensor) -> float | Tensor:
    """A number for all texts, or [B] as [B, 1, 1]."""
    return value.view(-1, 1, 1) if isinstance(value, Tensor) else value
