"""Music and other steady tones under speech.

Tones that hold their pitch show as horizontal lines in a spectrogram; a voice glides and pauses. The lines are what a filter along
time leaves and a mean along frequency does not, as in the separation of harmonic from percussive sound (FitzGerald, DAFx 2010), here
with an opening (minimum, then maximum) in place of the median, which is twenty times faster.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sovits.data.quality.noise import RATE, Span
from sovits.data.quality.spectra import power_spectra

_WINDOW, _HOP = 1024, 256
"""Samples: 64 ms to tell neighbouring notes apart, 16 ms apart."""
_LOWEST, _HIGHEST = 7, 480
"""Bins: 110-7500 Hz."""
_HELD = 19
"""Frames that a tone lasts: 0.3 s, longer than most vowels hold a pitch."""
_NEIGHBOURS = 25
"""Bins: 390 Hz."""
_ABOVE_NEIGHBOURS = 2.5
_LEAST = 0.1
"""Of the speech's mean magnitude (-20 dB): a fainter tone does not count."""


def held_tones(samples: np.ndarray, stretches: Sequence[Span]) -> float | None:
    """Share of the spectrogram (110-7500 Hz) that lies on tones held for 0.3 s or longer.

    Clean speech has 0.002, at most 0.0097 of 436 clips (held vowels); over music at 5 dB it has 0.012 in the middle, over noise 0.003.

    Args:
        samples: [T_samples] at 16 kHz.
        stretches: of speech, in seconds.

    Returns:
        0-1; ``None`` without speech or for clips shorter than a tone.
    """
    from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

    power = power_spectra(samples, _WINDOW, _HOP)[:, _LOWEST:_HIGHEST]
    middle = (np.arange(len(power)) * _HOP + _WINDOW / 2) / RATE
    speech = np.zeros(len(power), dtype=bool)
    for stretch in stretches:
        speech |= (middle >= stretch.start) & (middle <= stretch.end)
    if len(power) < _HELD or not speech.any():
        return None
    magnitude = np.sqrt(power)
    held = maximum_filter1d(minimum_filter1d(uniform_filter1d(magnitude, 3, axis=0), _HELD, axis=0), _HELD, axis=0)
    held = np.minimum(held, magnitude)
    lines = held - _ABOVE_NEIGHBOURS * uniform_filter1d(held, _NEIGHBOURS, axis=1)
    return float((lines > _LEAST * np.sqrt(power[speech].mean())).mean())
