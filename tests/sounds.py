"""Sounds of known pitch, for judges."""

from __future__ import annotations

import numpy as np


def glide(start: float, end: float, seconds: float, rate: int, harmonics: int = 12) -> np.ndarray:
    """A buzz whose pitch moves evenly (in cents) from ``start`` to ``end`` Hz, [T_samples] in float32."""
    hertz = pitch_of_glide(start, end, np.arange(round(seconds * rate)) / rate / seconds)
    phase = 2 * np.pi * np.cumsum(hertz) / rate
    sound = sum(np.sin(number * phase) / number for number in range(1, harmonics + 1))
    return (0.2 * np.asarray(sound)).astype(np.float32)


def pitch_of_glide(start: float, end: float, share: np.ndarray) -> np.ndarray:
    """Hz at these shares (0-1) of the way."""
    return start * (end / start) ** share


def noise(seconds: float, rate: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """White noise, [T_samples] in float32."""
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)
