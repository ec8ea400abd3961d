"""Mel-cepstral distortion: how far the colour of the sound is from the recording's, moment by moment."""

from __future__ import annotations

from typing import Any

import numpy as np

from sovits.metrics.judge import Figure, PairJudge, Reading
from sovits.metrics.warping import COEFFICIENTS, align

DECIBELS = 10.0 / np.log(10.0) * np.sqrt(2.0)


def mel_cepstral_distortion(first: np.ndarray, second: np.ndarray) -> float:
    """Mean over frames of ``10 / ln 10 * sqrt(2 sum_d (c_d - c'_d)^2)`` in dB (Kubichek 1993), for paired cepstra [T_frames, C].

    In the scale of :func:`~sovits.metrics.warping.mel_cepstra` that is the root mean square over mel bands of the difference of two
    smooth spectral envelopes in dB.

    Raises:
        ValueError: their shapes differ, or they are empty.
    """
    if first.shape != second.shape or not len(first):
        raise ValueError(f"Paired cepstra must have one shape with at least one frame, not {first.shape} and {second.shape}.")
    return float(DECIBELS * np.sqrt(np.square(first - second).sum(axis=1)).mean())


class MelCepstralDistortion(PairJudge):
    """Mel-cepstral distortion of 13 coefficients without the 0th, along the warping of :func:`~sovits.metrics.warping.align`.

    The reconstruction is compared frame by frame. Figures of other programs use other cepstra (of a vocoder's envelope, of other
    bands) and are not on this scale. No figure for silence.
    """

    figures = (
        Figure("mel_cepstral_distortion", "MCD", "mel-cepstral distortion to the recording along the best warping of time, dB", False),
    )

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        return {"coefficients": COEFFICIENTS}

    def compare(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.PairJudge`."""
        aligned = align(samples, reading)
        if aligned is None:
            return {}
        pairs = aligned.sound_cepstra[aligned.path[:, 0]], aligned.recording_cepstra[aligned.path[:, 1]]
        return {"mel_cepstral_distortion": mel_cepstral_distortion(*pairs)}
