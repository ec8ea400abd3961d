"""How much synthetic speech sounds like the speaker, beside how much the speaker sounds like the speaker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sovits.metrics.per_speaker import Clip, PerSpeakerMetric, as_samples
from sovits.metrics.voice_encoders import RememberingEncoder, VoiceEncoder


def similarity_to_others(embedding: np.ndarray, real: np.ndarray, own: int | None = None) -> float:
    """Mean cosine of a unit vector [E] with the rows of ``real`` [N, E], row ``own`` left out; NaN where no row is left."""
    cosines = real @ embedding
    if own is not None:
        cosines = np.delete(cosines, own)
    return float(cosines.mean()) if cosines.size else float("nan")


class SpeakerSimilarity(PerSpeakerMetric):
    """Mean cosine between a synthetic clip and the speaker's recordings **of other sentences**.

    The same sentence is left out so that the figure can be read beside the speaker's own, ``speaker_similarity_real``: the mean
    cosine between two different recordings of the speaker (leave-one-out). Synthesis that equals the recordings scores exactly
    that. ``speaker_similarity_same_sentence`` compares each synthetic clip with the recording of its own sentence instead.

    A silent synthetic clip has no voice and scores 0. Cosines of different encoders are on different scales: never compare them.

    Args:
        speakers: see :class:`~sovits.metrics.per_speaker.PerSpeakerMetric`.
        encoder: the judge; not the encoder that conditions the model, which would mark its own work.
    """

    higher_is_better = True
    synthetic_sum: Tensor
    synthetic_count: Tensor
    real_sum: Tensor
    real_count: Tensor
    real_self: Tensor
    pair_sum: Tensor

    def __init__(self, speakers: Sequence[str], encoder: VoiceEncoder) -> None:
        super().__init__(speakers)
        self.encoder = RememberingEncoder(encoder)
        self.add_sum("synthetic_sum", encoder.channels)
        self.add_sum("synthetic_count")
        self.add_sum("real_sum", encoder.channels)
        self.add_sum("real_count")
        self.add_sum("real_self")
        self.add_sum("pair_sum")

    def update(self, synthetic: Sequence[Clip | None], real: Sequence[Clip], sample_rate: int, speakers: Sequence[str]) -> None:
        """Adds pairs of a synthetic clip and the recording of the same sentence, ``speakers[i]`` the speaker of both.

        Args:
            synthetic: waveforms [T_samples] in [-1, 1]; ``None`` where a recording only widens what is compared with.
            real: recordings.
            sample_rate: Hz of all of them.
            speakers: names.
        """
        for synthetic_clip, real_clip, speaker in zip(synthetic, real, speakers, strict=True):
            row = self.row(speaker)
            recorded = self.embed(real_clip, sample_rate)
            self.real_sum[row] += recorded
            self.real_count[row] += 1
            self.real_self[row] += recorded @ recorded
            if synthetic_clip is not None:
                spoken = self.embed(synthetic_clip, sample_rate)
                self.synthetic_sum[row] += spoken
                self.synthetic_count[row] += 1
                self.pair_sum[row] += spoken @ recorded

    def embed(self, clip: Clip, sample_rate: int) -> Tensor:
        """One clip [T_samples] at ``sample_rate`` -> unit vector [E] in float64, zeros where it is silent."""
        samples = as_samples(clip, sample_rate, self.encoder.sample_rate)
        return torch.from_numpy(self.encoder(samples)).to(self.real_sum)

    def compute(self) -> dict[str, Tensor]:
        """Mean cosines over speakers, and each speaker's own (left out where a speaker has too few clips for the figure).

        Sums are enough: with R the sum of a speaker's n recordings, the n (n-1) cosines between two of them add up to R.R - sum of r.r.
        """
        cross = (self.synthetic_sum * self.real_sum).sum(-1) - self.pair_sum
        cross_count = self.synthetic_count * (self.real_count - 1)
        within = self.real_sum.square().sum(-1) - self.real_self
        within_count = self.real_count * (self.real_count - 1)
        return {
            **self.figures("speaker_similarity", cross / cross_count, cross_count > 0),
            **self.figures("speaker_similarity_real", within / within_count, within_count > 0),
            **self.figures("speaker_similarity_same_sentence", self.pair_sum / self.synthetic_count, self.synthetic_count > 0),
        }
