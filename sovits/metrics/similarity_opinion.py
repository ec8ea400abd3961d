"""What people might say of how alike two voices are, put in place of asking them: a proxy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sovits.metrics.judge import REAL, RECONSTRUCTION, Figure, Reading, Recording
from sovits.metrics.speaker_similarity import VoiceJudge
from sovits.metrics.voice_encoders import VoiceEncoder

BEST, WORST_OPINION = 5.0, 1.0


@dataclass(frozen=True)
class OpinionScale:
    """Cosines between which opinions lie, for one speaker."""

    other: float
    """Mean cosine between recordings of the speaker and of each other speaker: opinion 1, another person."""
    own: float
    """Mean cosine between two recordings of the speaker: opinion 5, the same person."""

    def __call__(self, cosine: float) -> float:
        """Straight between the two ends, and no further."""
        share = (cosine - self.other) / (self.own - self.other)
        return WORST_OPINION + (BEST - WORST_OPINION) * min(max(share, 0.0), 1.0)


class SimilarityOpinion(VoiceJudge):
    """A **proxy** of a similarity MOS, 1 to 5: nobody was asked, and it was not fitted to anybody's answers.

    The mean cosine between a clip and the speaker's recordings of other sentences, put on a straight line: 5 where two recordings of that
    speaker lie on average, 1 where recordings of that speaker and of the other speakers do, cut off beyond. Both ends are
    measured with the same encoder, so that the figure means the same whatever the encoder's own scale; yet an encoder that hears less
    still tells less. The other speakers set the scale: among speakers who sound alike, 1 is nearer to 5. Recordings themselves
    come below 5, as the better half of them is cut off. No figure with fewer than two recordings of the speaker, or without another
    speaker. A silent clip scores 1.

    Args:
        speakers: see :class:`~sovits.metrics.judge.Judge`.
        encoder: see :class:`~sovits.metrics.speaker_similarity.VoiceJudge`.
    """

    figures = (
        Figure(
            "similarity_opinion",
            "similarity MOS proxy",
            "voice on a scale from 1 (as far as other speakers) to 5 (as near as the speaker's own recordings)",
            True,
        ),
    )

    def __init__(self, speakers: Sequence[str], encoder: VoiceEncoder) -> None:
        super().__init__(speakers, encoder)
        self._scales: dict[str, OpinionScale | None] = {}

    def enrol(self, recordings: Iterable[Recording]) -> None:
        """See :class:`~sovits.metrics.judge.Judge`."""
        super().enrol(recordings)
        self._scales = {}

    def scale(self, speaker: str) -> OpinionScale | None:
        """What 1 and 5 are for ``speaker``; None where it cannot be known, or where the speaker's own recordings lie no nearer."""
        if speaker not in self._scales:
            self._scales[speaker] = self._measured(speaker)
        return self._scales[speaker]

    def score(self, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        scale = self.scale(reading.speaker)
        others = _voices(self.references(reading.speaker, without=reading.id))
        if scale is None or not len(others):
            return {}
        mean = others.mean(axis=0)
        sounds = {"": reading.synthesis, REAL: reading.recording.samples, RECONSTRUCTION: reading.reconstruction}
        opinions = {}
        for ending, samples in sounds.items():
            if samples is not None:
                voice = self.embed(samples, reading.sample_rate)
                opinions[f"similarity_opinion{ending}"] = scale(float(mean @ voice)) if voice.any() else WORST_OPINION
        return opinions

    def _measured(self, speaker: str) -> OpinionScale | None:
        own = _voices(self.references(speaker))
        others = [voices.mean(axis=0) for name in self.speakers if name != speaker and len(voices := _voices(self.references(name)))]
        if len(own) < 2 or not others:
            return None
        total = own.sum(axis=0, dtype=np.float64)
        # All pairs but those of a recording with itself, whose cosine is 1.
        within = float((total @ total - len(own)) / (len(own) * (len(own) - 1)))
        between = float(own.mean(axis=0) @ np.mean(others, axis=0))
        return OpinionScale(between, within) if within > between and math.isfinite(within) else None


def _voices(vectors: np.ndarray) -> np.ndarray:
    """Those of [N, E] that are not of silent clips."""
    return vectors[np.any(vectors != 0, axis=1)]
