"""Whose voice it is taken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sovits.metrics.judge import REAL, RECONSTRUCTION, Figure, Reading
from sovits.metrics.speaker_similarity import VoiceJudge
from sovits.metrics.voice_encoders import VoiceEncoder


@dataclass(frozen=True)
class Confusion:
    """Whom the clips of each speaker were taken for."""

    speakers: tuple[str, ...]
    synthesis: np.ndarray
    """int64 [speakers, speakers]: clips of the row's speaker that sound most like the column's."""
    recordings: np.ndarray
    """Likewise of the recordings of the same sentences."""


class NearestSpeaker(VoiceJudge):
    """Share of clips that sound more like their speaker than like any other enrolled one: cosine to the mean of each one's recordings.

    The recording of the same sentence is left out of its speaker's mean, so that synthesis and recordings are asked the same. A silent
    clip has no voice: it counts as wrong, and as nobody's in the matrix. No figure where no other recording of the speaker, or no other
    speaker, is enrolled: there would be nothing to tell apart. Chance is one in as many as there are speakers.

    Args:
        speakers: see :class:`~sovits.metrics.judge.Judge`.
        encoder: see :class:`~sovits.metrics.speaker_similarity.VoiceJudge`.
    """

    figures = (Figure("nearest_speaker", "nearest speaker", "share of clips that sound more like their speaker than like any other", True),)
    confusion: Tensor
    confusion_real: Tensor

    def __init__(self, speakers: Sequence[str], encoder: VoiceEncoder) -> None:
        super().__init__(speakers, encoder)
        for state in ("confusion", "confusion_real"):
            self.add_state(state, torch.zeros(len(self.speakers), len(self.speakers), dtype=torch.int64), dist_reduce_fx="sum")
        self._nearest: dict[str, int | None] = {}
        self.computed: Confusion | None = None
        """As of the last ``compute``, over all ranks; it outlives ``reset``."""

    def update(self, readings: Sequence[Reading]) -> None:
        """See :class:`~sovits.metrics.judge.Judge`."""
        for reading in readings:
            super().update([reading])
            row = self.row(reading.speaker)
            for counts, nearest in ((self.confusion, self._nearest.get("")), (self.confusion_real, self._nearest.get(REAL))):
                if nearest is not None:
                    counts[row, nearest] += 1

    def compute(self) -> dict[str, Tensor]:
        """See :class:`~sovits.metrics.judge.Judge`; the matrix is in ``computed`` afterwards."""
        told = super().compute()
        self.computed = Confusion(tuple(self.speakers), self.confusion.cpu().numpy().copy(), self.confusion_real.cpu().numpy().copy())
        return told

    def score(self, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        self._nearest = {}
        means = {speaker: self._mean(speaker, reading) for speaker in self.speakers}
        known = {self.row(speaker): mean for speaker, mean in means.items() if mean is not None}
        own = self.row(reading.speaker)
        if own not in known or len(known) < 2:
            return {}
        sounds = {"": reading.synthesis, REAL: reading.recording.samples, RECONSTRUCTION: reading.reconstruction}
        for ending, samples in sounds.items():
            if samples is not None:
                self._nearest[ending] = _nearest(self.embed(samples, reading.sample_rate), known)
        return {f"nearest_speaker{ending}": float(nearest == own) for ending, nearest in self._nearest.items()}

    def _mean(self, speaker: str, reading: Reading) -> np.ndarray | None:
        """Direction [E] of the speaker's recordings of other sentences; None where none has a voice."""
        mean = self.references(speaker, without=reading.id if speaker == reading.speaker else None).sum(axis=0)
        length = float(np.linalg.norm(mean))
        return mean / length if length > 0 else None


def _nearest(embedding: np.ndarray, means: dict[int, np.ndarray]) -> int | None:
    """The row of the mean with the greatest cosine; None for a clip without a voice."""
    if not embedding.any():
        return None
    return max(means, key=lambda row: float(means[row] @ embedding))
