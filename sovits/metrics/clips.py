"""Clips as judges take them."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from sovits.hearing import clips

Clip = np.ndarray | Tensor
"""One waveform: [T_samples], or anything that squeezes to it."""


def as_samples(clip: Clip, sample_rate: int, wanted_rate: int) -> np.ndarray:
    """See :func:`sovits.hearing.clips.as_samples`; on any device."""
    return clips.as_samples(clip.detach().cpu().float().numpy() if isinstance(clip, Tensor) else clip, sample_rate, wanted_rate)
