"""How long the room rings, read from the speech alone.

In a room of reverberation time T no sound can fall faster than 60 dB in T seconds, however sharply the speaker ends a syllable. So
the fastest falls of many in a clip show the room: the idea of Wen, Habets and Naylor, "Blind estimation of reverberation time based
on the distribution of signal decay rates" (ICASSP 2008), with a percentile where they take a variance.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sovits.data.quality.noise import RATE
from sovits.data.quality.spectra import power_spectra

_WINDOW, _HOP = 256, 64
"""Samples: 16 ms, 4 ms apart."""
_BANDS, _LOWEST, _HIGHEST = 16, 200.0, 6000.0
_SPAN = 50
"""Frames over which a fall is measured: 0.2 s, long enough for the direct sound and the first reflections to be over."""
_LEAST_FALLS = 50
_ABOVE_AT_START, _ABOVE_AT_END = 15.0, 5.0
"""dB over a band's quietest frames: a fall into the noise would look slow."""
_FASTEST = 5.0
"""Percentile of the slopes that counts as the fastest."""
_LONGEST = 10.0


def reverberation_time(samples: np.ndarray) -> float | None:
    """Seconds in which the fastest falls of the speech would reach -60 dB.

    Rooms as diffuse noise (T60 of 0.5, 0.8 and 1.2 s) give about 0.5, 0.75 and 1.0 s; close speech in a dry room 0.2-0.4 s, the speaker's
    own limit; longer times are underestimated, and a strong direct sound shortens all. Steady sound under the speech lengthens them.

    Args:
        samples: [T_samples] at 16 kHz.

    Returns:
        Seconds, 10 at most; ``None`` where too little of the clip rises above its noise to tell.
    """
    level = 10.0 * np.log10(power_spectra(samples, _WINDOW, _HOP) @ _bands() + 1e-10)
    if len(level) <= _SPAN:
        return None
    floor = np.percentile(level, 5, axis=0)
    time = (np.arange(_SPAN) - (_SPAN - 1) / 2) * _HOP / RATE
    windows = np.lib.stride_tricks.sliding_window_view(level, _SPAN, axis=0)
    slopes = windows @ (time / np.square(time).sum()).astype(np.float32)
    heard = (windows[..., 0] > floor + _ABOVE_AT_START) & (windows[..., -1] > floor + _ABOVE_AT_END)
    if heard.sum() < _LEAST_FALLS:
        return None
    fastest = float(np.percentile(slopes[heard], _FASTEST))
    return min(-60.0 / fastest, _LONGEST) if fastest < 0 else None


@cache
def _bands() -> np.ndarray:
    """[bins, bands] that sum a power spectrum into bands of equal width on the mel scale."""
    import librosa

    return librosa.filters.mel(sr=RATE, n_fft=_WINDOW, n_mels=_BANDS, fmin=_LOWEST, fmax=_HIGHEST, norm=None).T.astype(np.float32)
