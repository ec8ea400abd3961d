"""Melody: how far the pitch is from the recording's, and whether the same sounds are voiced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sovits.errors import SovitsError
from sovits.metrics.judge import Figure, PairJudge, Reading
from sovits.metrics.warping import HOP, SAMPLE_RATE, align
from sovits.metrics.yin import yin_periods

_WINDOW = 1024
"""Samples: 64 ms, two periods of the lowest voice and more."""
_PERIODIC = 0.6
"""Correlation of neighbouring periods from which a frame counts as voiced."""
_QUIET = 35.0
"""dB below the loudest frame at which nothing counts as voiced."""
_BELOW, _ABOVE = 0.75, 1.5
_MEDIAN = 5
"""Frames over which single octave jumps are outvoted."""


@dataclass(frozen=True)
class PitchTrack:
    """The pitch of a sound, every 10 ms."""

    hertz: np.ndarray
    """[T_frames]; of unvoiced frames it means nothing."""
    voiced: np.ndarray
    """[T_frames] of bool."""


def track_pitch(samples: np.ndarray, lowest: float = 60.0, highest: float = 500.0) -> PitchTrack:
    """Pitch of [T_samples] at 16 kHz in ``T_samples // 160`` frames, centred as those of a mel.

    YIN gives every frame a period. Voiced is a frame that is loud enough and whose
    neighbouring stretches, that period apart, correlate. A second pass looks only from 0.75 times the first quartile of the pitch to
    1.5 times the third (Hirst 2011), which leaves out most octave jumps. pYIN takes 20 times as long.

    Args:
        samples: [T_samples].
        lowest: Hz.
        highest: Hz.
    """
    first = _tracked(samples, lowest, highest)
    if not first.voiced.any():
        return first
    quarter, three_quarters = np.quantile(first.hertz[first.voiced], (0.25, 0.75))
    return _tracked(samples, max(lowest, _BELOW * float(quarter)), min(highest, _ABOVE * float(three_quarters)))


def _tracked(samples: np.ndarray, lowest: float, highest: float) -> PitchTrack:
    from scipy.ndimage import median_filter

    frames = len(samples) // HOP
    # Frame i is centred on sample (i + 1/2) * HOP.
    padded = np.pad(samples.astype(np.float64), (_WINDOW // 2 - HOP // 2, _WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP][:frames]
    hertz = SAMPLE_RATE / yin_periods(windows, max(2, int(SAMPLE_RATE / highest)), min(_WINDOW // 2, math.ceil(SAMPLE_RATE / lowest)))
    level = np.sqrt(np.square(windows).mean(axis=1))
    loud = level > level.max(initial=0.0) * 10 ** (-_QUIET / 20)
    voiced = loud & (_periodicity(windows, SAMPLE_RATE / hertz) > _PERIODIC)
    return PitchTrack(median_filter(hertz, _MEDIAN, mode="nearest"), median_filter(voiced, _MEDIAN, mode="nearest"))


def _periodicity(windows: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Correlation [T_frames] of two stretches of each window [T_frames, samples], a period (samples) apart, about its middle."""
    length = windows.shape[1] // 2
    lags = np.clip(np.round(periods).astype(int), 1, length)
    starts = (windows.shape[1] - length - lags) // 2
    places = starts[:, None] + np.arange(length)
    early, late = (np.take_along_axis(windows, places + shift, axis=1) for shift in (0, lags[:, None]))
    energy = np.square(early).sum(axis=1) * np.square(late).sum(axis=1)
    return (early * late).sum(axis=1) / np.sqrt(np.maximum(energy, 1e-20))


class PitchError(PairJudge):
    """Pitch beside the recording's, frames paired by the warping of :func:`~sovits.metrics.warping.align`.

    Cents (1200 to the octave) and not Hz, so that high and low voices count the same. Two recordings of one person saying the same
    sentence differ too: low is good, zero would be a copy. No figure for silence; none of pitch where no frame is voiced in both.

    Args:
        speakers: see :class:`~sovits.metrics.judge.Judge`.
        lowest: Hz, the lowest pitch looked for.
        highest: Hz, the highest.

    Raises:
        SovitsError: the range cannot be measured.
    """

    figures = (
        Figure("pitch_error", "F0 RMSE", "root mean square difference to the recording's pitch where both are voiced, cents", False, 0),
        Figure("voicing_error", "voicing error", "share of frames that are voiced in one and not in the other", False),
    )

    def __init__(self, speakers: Sequence[str], lowest: float = 60.0, highest: float = 500.0) -> None:
        super().__init__(speakers)
        # YIN needs two periods and a little more.
        least = 2 * SAMPLE_RATE // _WINDOW + 1
        if not least <= lowest < highest <= SAMPLE_RATE / 4:
            allowed = f"{least} <= lowest < highest <= {SAMPLE_RATE // 4}"
            raise SovitsError(f"lowest={lowest:g} and highest={highest:g} Hz are no range of pitch; give {allowed}.")
        self.lowest = lowest
        self.highest = highest

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        return {"lowest": self.lowest, "highest": self.highest}

    def compare(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.PairJudge`."""
        aligned = align(samples, reading)
        if aligned is None:
            return {}
        tracks = [track_pitch(sound, self.lowest, self.highest) for sound in (aligned.sound, aligned.recording)]
        (pitch, voiced), (target, target_voiced) = (
            (track.hertz[frames], track.voiced[frames]) for track, frames in zip(tracks, aligned.path.T, strict=True)
        )
        scores = {"voicing_error": float((voiced != target_voiced).mean())}
        both = voiced & target_voiced
        if both.any():
            scores["pitch_error"] = float(1200 * np.sqrt(np.square(np.log2(pitch[both] / target[both])).mean()))
        return scores
