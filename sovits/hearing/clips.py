"""Clips as what listens takes them."""

from __future__ import annotations

import numpy as np

from sovits.audio.waveform import resample
from sovits.errors import SovitsError

SILENCE_RMS = 1e-4
"""A clip whose root mean square is below this (-80 dBFS) counts as silent: nobody would hear it."""


def as_samples(clip: np.ndarray, sample_rate: int, wanted_rate: int) -> np.ndarray:
    """A clip [T_samples], or what squeezes to it, as float32 [T_samples] at ``wanted_rate`` Hz, clipped to [-1, 1].

    Raises:
        SovitsError: a sample is not a finite number, which means that the network that made it has diverged.
    """
    samples = np.asarray(clip, dtype=np.float32).reshape(-1)
    if not np.isfinite(samples).all():
        raise SovitsError(
            "A clip to be scored holds NaN or infinite samples; the model has diverged: lower the learning rate or resume earlier."
        )
    if sample_rate != wanted_rate and samples.size:
        samples = resample(samples, sample_rate, wanted_rate)
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def is_silent(samples: np.ndarray) -> bool:
    """Whether [T_samples] holds no sound: empty, or quieter than :data:`SILENCE_RMS`."""
    return samples.size == 0 or float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) < SILENCE_RMS
