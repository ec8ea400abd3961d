"""Speech against what is heard when nobody speaks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np

RATE = 16000
"""Hz at which clips are measured."""
LOWEST = 60.0
"""Hz; what is below is no part of speech and hardly heard, but may be the loudest of a recording (traffic, a table, DC)."""
_WINDOW, _HOP = 512, 128
_QUIETEST = 10.0
"""Percentile of the frames' power that counts as the noise's."""
_RANGE = (-20.0, 80.0)
"""dB; what is beyond is not told apart."""


class Span(Protocol):
    """A stretch of speech, in seconds from the clip's start."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


def signal_to_noise(samples: np.ndarray, stretches: Sequence[Span]) -> float | None:
    """dB of mean speech power over noise power, both above 60 Hz.

    The noise is the tenth percentile of all moments of 32 ms (minimum statistics, Martin 2001, over one clip instead of a moving
    window): it lies in the pauses where there are any, in the dips between syllables where there is none, and does not trust a detector
    of speech, which leaves weak syllables in the pauses. Noise that comes and goes is not in it: DNSMOS hears that.

    Args:
        samples: [T_samples] at ``RATE``.
        stretches: of speech.

    Returns:
        dB, held between -20 and 80; ``None`` without speech or for less than a window (32 ms).
    """
    power, speech = _power(samples, stretches)
    if speech is None:
        return None
    # Speech is heard together with the noise.
    ratio = speech / max(np.percentile(power, _QUIETEST), 1e-12) - 1.0
    return float(np.clip(10.0 * np.log10(max(ratio, 1e-9)), *_RANGE))


def rumble_level(samples: np.ndarray, stretches: Sequence[Span]) -> float | None:
    """dB of all power below 60 Hz over mean speech power above it: traffic, wind, a hand at the microphone.

    A voice has next to nothing there, so that this hears what comes and goes under the speech, where the quietest moments do not tell.

    Args:
        samples: [T_samples] at ``RATE``.
        stretches: of speech.

    Returns:
        dB, held between -80 and 20; ``None`` without speech or for less than a window (32 ms).
    """
    _, speech = _power(samples, stretches)
    if not speech:
        return None
    low = np.square(_filtered(samples, "lowpass")).mean()
    return float(np.clip(10.0 * np.log10(max(low / speech, 1e-12)), -_RANGE[1], -_RANGE[0]))


def _power(samples: np.ndarray, stretches: Sequence[Span]) -> tuple[np.ndarray, float | None]:
    """Power above 60 Hz [T_frames] of every moment, and its mean in speech; ``None`` without speech, or for less than a window."""
    if not stretches or samples.size < _WINDOW:
        return np.zeros(0), None
    power = _frame_power(_filtered(samples, "highpass"))
    middle = (np.arange(power.size) * _HOP + _WINDOW / 2) / RATE
    speech = np.zeros(power.size, dtype=bool)
    for stretch in stretches:
        speech |= (middle >= stretch.start) & (middle <= stretch.end)
    return power, float(power[speech].mean()) if speech.any() else None


def _filtered(samples: np.ndarray, kind: str) -> np.ndarray:
    """What is above, or below, ``LOWEST``."""
    from scipy.signal import sosfiltfilt

    # Odd extension at the ends, so that an offset rings at neither.
    return sosfiltfilt(_filter(kind), samples.astype(np.float64), padlen=min(RATE // 4, samples.size - 1))


@cache
def _filter(kind: str) -> np.ndarray:
    from scipy.signal import butter

    # Steeper downwards: the lowest voices begin at 70 Hz.
    return butter(4 if kind == "lowpass" else 2, LOWEST, kind, fs=RATE, output="sos")


def _frame_power(samples: np.ndarray) -> np.ndarray:
    """Mean square [T_frames] of windows of 32 ms, 8 ms apart."""
    total = np.concatenate([[0.0], np.cumsum(np.square(samples))])
    starts = np.arange(0, samples.size - _WINDOW + 1, _HOP)
    return (total[starts + _WINDOW] - total[starts]) / _WINDOW
