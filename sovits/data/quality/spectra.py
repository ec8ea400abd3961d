"""Short-time power spectra, shared by the measures."""

from __future__ import annotations

import numpy as np


def power_spectra(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    """[T_samples] -> float32 [T_frames, window // 2 + 1] with a Hann window; a shorter clip is padded with silence to one window."""
    padded = np.pad(np.asarray(samples, dtype=np.float32), (0, max(window - samples.size, 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    return np.square(np.abs(np.fft.rfft(frames * np.hanning(window).astype(np.float32), axis=1))).astype(np.float32)
