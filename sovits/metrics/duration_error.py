"""Tempo: how much longer or shorter a sentence is than its speaker said it."""

from __future__ import annotations

import math

import numpy as np

from sovits.hearing.clips import is_silent
from sovits.metrics.clips import as_samples
from sovits.metrics.judge import Figure, Judge, Reading
from sovits.metrics.warping import SAMPLE_RATE, speech_edges


class DurationError(Judge):
    """Durations of synthesis and recording, silence at their edges cut off. No figure where one of them is silent.

    The reconstruction is as long as the recording by construction and gets none.
    """

    figures = (
        Figure("duration_error", "duration error", "absolute natural logarithm of synthesis over recording; 0.1: about 10 % off", False),
        Figure("speaking_rate", "speaking rate", "recording's duration over the synthesis's; above 1: faster than the speaker", None),
    )
    beside = ()

    def score(self, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        spoken, recorded = (speech_seconds(sound, reading.sample_rate) for sound in (reading.synthesis, reading.recording.samples))
        if not spoken or not recorded:
            return {}
        return {"duration_error": abs(math.log(spoken / recorded)), "speaking_rate": recorded / spoken}


def speech_seconds(samples: np.ndarray, sample_rate: int) -> float:
    """Seconds of [T_samples] between its silent edges; 0 for silence."""
    clip = as_samples(samples, sample_rate, SAMPLE_RATE)
    if is_silent(clip):
        return 0.0
    edges = speech_edges(clip)
    return (edges.stop - edges.start) / SAMPLE_RATE
