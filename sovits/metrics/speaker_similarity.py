"""How much synthetic speech sounds like the speaker, beside how much the speaker sounds like the speaker."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sovits.metrics.clips import as_samples
from sovits.metrics.judge import REAL, RECONSTRUCTION, Figure, Judge, Reading, Recording
from sovits.metrics.voice_encoders import RememberingEncoder, VoiceEncoder


class VoiceJudge(Judge):
    """A judge that knows the speakers' voices from recordings enrolled with it.

    Args:
        speakers: see :class:`~sovits.metrics.judge.Judge`.
        encoder: hears who is speaking; not the encoder that conditions the model, which would mark its own work.
    """

    def __init__(self, speakers: Sequence[str], encoder: VoiceEncoder) -> None:
        super().__init__(speakers)
        self.encoder = encoder if isinstance(encoder, RememberingEncoder) else RememberingEncoder(encoder)
        self._enrolled: dict[str, dict[str, np.ndarray]] = {speaker: {} for speaker in self.speakers}

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        return self.encoder.settings

    def enrol(self, recordings: Iterable[Recording]) -> None:
        """See :class:`~sovits.metrics.judge.Judge`."""
        for recording in recordings:
            self.row(recording.speaker)
            self._enrolled[recording.speaker][recording.id] = self.embed(recording.samples, recording.sample_rate)

    def embed(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """One clip [T_samples] -> unit vector [E], zeros where it is silent."""
        return self.encoder(as_samples(samples, sample_rate, self.encoder.sample_rate))

    def references(self, speaker: str, without: str | None = None) -> np.ndarray:
        """Unit vectors [N, E] of the speaker's enrolled recordings, but for the one of the id ``without``."""
        vectors = [vector for name, vector in self._enrolled[speaker].items() if name != without]
        return np.stack(vectors) if vectors else np.zeros((0, self.encoder.channels), dtype=np.float32)


class SpeakerSimilarity(VoiceJudge):
    """Mean cosine between a clip and the speaker's enrolled recordings **of other sentences**.

    The same sentence is left out so that the figure can be read beside the speaker's own, ``speaker_similarity_real``: synthesis that
    equals the recordings scores exactly that. A silent clip has no voice and scores 0. Cosines of different encoders are on different
    scales: never compare them.
    """

    figures = (
        Figure(
            "speaker_similarity",
            "speaker similarity",
            "cosine with the speaker's recordings of other sentences; read it beside that of real clips",
            True,
        ),
    )

    def score(self, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        sounds = {"": reading.synthesis, REAL: reading.recording.samples, RECONSTRUCTION: reading.reconstruction}
        others = self.references(reading.speaker, without=reading.id)
        return {
            f"speaker_similarity{ending}": _mean_cosine(self.embed(samples, reading.sample_rate), others)
            for ending, samples in sounds.items()
            if samples is not None
        }


def _mean_cosine(embedding: np.ndarray, others: np.ndarray) -> float:
    """Of unit vectors [E] and [N, E]; NaN where there are none to compare with."""
    return float((others @ embedding).mean()) if len(others) else math.nan
