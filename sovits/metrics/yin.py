"""YIN: the period of every frame of a sound (de Cheveigné and Kawahara 2002).

Of our own, because librosa's runs a compiled function whose cache is damaged where two fresh processes import it at once, and then crashes.
"""

from __future__ import annotations

import numpy as np

THRESHOLD = 0.1
"""Of the normalised difference; the shortest period with a dip below it is taken, or the deepest dip where there is none."""


def yin_periods(windows: np.ndarray, shortest: int, longest: int) -> np.ndarray:
    """Periods [T_frames] in samples, between ``shortest`` and ``longest``, with a fraction.

    Args:
        windows: [T_frames, W] samples about each frame's centre; ``longest`` is at most half of W.
        shortest: samples.
        longest: samples.
    """
    normalised = _normalised(_differences(windows, longest))[:, shortest - 1 : longest + 2]
    inner = normalised[:, 1:-1]
    dips = (inner < normalised[:, :-2]) & (inner <= normalised[:, 2:])
    deep = dips & (inner < THRESHOLD)
    places = np.where(deep.any(axis=1), deep.argmax(axis=1), inner.argmin(axis=1))
    return shortest + places + _vertex(normalised, places + 1)


def _differences(windows: np.ndarray, longest: int) -> np.ndarray:
    """[T_frames, longest + 2]: squared difference of two stretches of half a window, so many samples apart about the window's middle."""
    width = windows.shape[1]
    length = width // 2
    differences = np.zeros((len(windows), longest + 2))
    for lag in range(1, longest + 2):
        start = max(0, (width - length - lag) // 2)
        early, late = windows[:, start : start + length], windows[:, start + lag : start + lag + length]
        count = late.shape[1]
        differences[:, lag] = np.square(early[:, :count] - late).sum(axis=1) * (length / count)
    return differences


def _normalised(differences: np.ndarray) -> np.ndarray:
    """Each difference by the mean of those at shorter lags; 1 at lag 0 and where all is silent."""
    lags = np.arange(1, differences.shape[1])
    sums = differences[:, 1:].cumsum(axis=1)
    normalised = np.ones_like(differences)
    np.divide(differences[:, 1:] * lags, sums, out=normalised[:, 1:], where=sums > 1e-12)
    return normalised


def _vertex(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How far from ``places`` [T_frames], -1 to 1, the parabola through three neighbouring values has its lowest point."""
    before, at, after = (np.take_along_axis(values, (places + shift)[:, None], axis=1)[:, 0] for shift in (-1, 0, 1))
    curvature = before - 2 * at + after
    shift = np.divide(0.5 * (before - after), curvature, out=np.zeros_like(curvature), where=curvature > 1e-12)
    return np.clip(shift, -1.0, 1.0)
