"""What is measured on the sound of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from sovits.audio.waveform import resample
from sovits.data.quality.music import held_tones
from sovits.data.quality.noise import RATE, Span, rumble_level, signal_to_noise
from sovits.data.quality.quality import Quality
from sovits.data.quality.reverberation import reverberation_time
from sovits.data.quality.spectra import power_spectra
from sovits.errors import SovitsError
from sovits.hearing.lengthwise_dnsmos import LengthwiseDnsmos

_VERSION = 2
"""Of the measures: another one makes all clips be judged again."""
_FLAT_RUN = 3
"""Samples at the ceiling in a row that a wave does not make by itself."""
_BANDWIDTH_SHARE = 0.999
_BANDWIDTH_WINDOW = 0.032
"""Seconds."""


class SignalJudge:
    """Measures clips; several threads may share one.

    Args:
        mos: whether DNSMOS is asked: by far the slowest measure, and the best at noise that comes and goes.
        mos_seconds: of the clip's middle that DNSMOS hears at most, 1-9. Fewer save time (27 ms of a core each) and miss noise.
    """

    def __init__(self, mos: bool = True, mos_seconds: float = 9.0) -> None:
        self.mos = mos
        self.mos_seconds = mos_seconds
        self._scorer = LengthwiseDnsmos(mos_seconds) if mos else None

    @property
    def settings(self) -> dict[str, Any]:
        """What the figures depend on, beside the clip."""
        return {"version": _VERSION, "mos_seconds": self.mos_seconds if self.mos else None}

    def __call__(self, samples: np.ndarray, sample_rate: int, stretches: Sequence[Span]) -> Quality:
        """Figures of one clip; those that need its recording, its text or its speaker stay ``None``.

        Args:
            samples: [T_samples] in [-1, 1], mono, at any level.
            sample_rate: Hz.
            stretches: of speech, in order, in seconds from the clip's start.

        Raises:
            SovitsError: the clip holds no samples, or numbers that are not finite.
        """
        if not samples.size or not np.isfinite(samples).all():
            raise SovitsError("A clip to be judged holds no samples, or NaN or infinite ones; record it again.")
        narrow = resample(samples, sample_rate, RATE)
        quality = Quality(
            bandwidth=_rounded(bandwidth(samples, sample_rate, stretches), 0),
            snr=_rounded(signal_to_noise(narrow, stretches), 2),
            rumble=_rounded(rumble_level(narrow, stretches), 2),
            reverberation=_rounded(reverberation_time(narrow), 3),
            music=_rounded(held_tones(narrow, stretches), 5),
        )
        if self._scorer is not None:
            scores = self._scorer(narrow, RATE)
            quality = replace(
                quality,
                mos_overall=_rounded(scores.overall, 3),
                mos_signal=_rounded(scores.signal, 3),
                mos_background=_rounded(scores.background, 3),
            )
        if not stretches:
            return quality
        pauses = [later.start - earlier.end for earlier, later in pairwise(stretches)]
        return replace(
            quality,
            silence_start=round(max(stretches[0].start, 0.0), 3),
            silence_end=round(max(samples.size / sample_rate - stretches[-1].end, 0.0), 3),
            longest_pause=round(max(pauses, default=0.0), 3),
        )


def clipped_share(samples: np.ndarray) -> float:
    """Share of [T_samples] that stand in flat tops: three or more in a row at the highest value of all, or at the lowest.

    A wave that only touches full scale stays there for one sample, or two. Take the samples as recorded: resampling and lossy
    coding round the corners off.
    """
    if samples.size < _FLAT_RUN:
        return 0.0
    high, low = float(samples.max()), float(samples.min())
    if high == low:
        # Digital silence, or nothing but an offset.
        return 0.0
    return (_in_runs(samples == high) + _in_runs(samples == low)) / samples.size


def bandwidth(samples: np.ndarray, sample_rate: int, stretches: Sequence[Span]) -> float | None:
    """Hz below which 99.9 % of the speech's spectrum lies, each moment weighted alike, so that an s counts as much as a vowel.

    Args:
        samples: [T_samples].
        sample_rate: Hz.
        stretches: of speech, in seconds.

    Returns:
        Hz; ``None`` without speech.
    """
    window = 2 * round(_BANDWIDTH_WINDOW * sample_rate / 2)
    power = power_spectra(samples, window, window // 2)
    middle = (np.arange(len(power)) + 1) * (window // 2) / sample_rate
    speech = np.zeros(len(power), dtype=bool)
    for stretch in stretches:
        speech |= (middle >= stretch.start) & (middle <= stretch.end)
    totals = power.sum(axis=1, dtype=np.float64)
    speech &= totals > 0
    if not speech.any():
        return None
    shares = (power[speech] / totals[speech, np.newaxis]).mean(axis=0)
    return float(np.searchsorted(np.cumsum(shares), _BANDWIDTH_SHARE) * sample_rate / window)


def _in_runs(flags: np.ndarray) -> int:
    """How many of the true ``flags`` stand in runs of ``_FLAT_RUN`` or more."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= _FLAT_RUN].sum())


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
