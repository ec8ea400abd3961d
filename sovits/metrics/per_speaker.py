"""Sums kept per speaker, so that a figure is the same on one rank and on many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from sovits.audio.waveform import resample
from sovits.errors import SovitsError

Clip = np.ndarray | Tensor
"""One waveform: [T_samples], or anything that squeezes to it."""

SILENCE_RMS = 1e-4
"""A clip whose root mean square is below this (-80 dBFS) counts as silent: nobody would hear it."""


def as_samples(clip: Clip, sample_rate: int, wanted_rate: int) -> np.ndarray:
    """A clip as float32 [T_samples] at ``wanted_rate`` Hz, clipped to [-1, 1].

    Raises:
        SovitsError: a sample is not a finite number, which means that the network that made it has diverged.
    """
    samples = clip.detach().cpu().float().numpy() if isinstance(clip, Tensor) else np.asarray(clip, dtype=np.float32)
    samples = samples.reshape(-1)
    if not np.isfinite(samples).all():
        raise SovitsError(
            "A clip to be scored holds NaN or infinite samples; the model has diverged: lower the learning rate or resume earlier."
        )
    if sample_rate != wanted_rate and samples.size:
        samples = resample(samples, sample_rate, wanted_rate)
    return np.clip(samples, -1.0, 1.0).astype(np.float32)


def is_silent(samples: np.ndarray) -> bool:
    """Whether [T_samples] holds no sound: empty, or quieter than :data:`SILENCE_RMS`."""
    return samples.size == 0 or float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) < SILENCE_RMS


class PerSpeakerMetric(Metric):
    """A metric whose states have one row per speaker and are summed over ranks.

    Figures over all speakers are means of the speakers' means: a speaker with many clips counts as much as one with few.

    Args:
        speakers: every speaker that may be scored, in the same order on every rank.
    """

    is_differentiable = False
    full_state_update = False

    def __init__(self, speakers: Sequence[str]) -> None:
        super().__init__()
        self.speakers = list(speakers)
        self._rows = {speaker: row for row, speaker in enumerate(self.speakers)}

    def add_sum(self, name: str, *shape: int) -> None:
        """Adds the state ``name`` of zeros [n_speakers, *shape] in float64."""
        self.add_state(name, torch.zeros(len(self.speakers), *shape, dtype=torch.float64), dist_reduce_fx="sum")

    def row(self, speaker: str) -> int:
        """Where ``speaker`` is kept.

        Raises:
            SovitsError: the metric was not made for that speaker.
        """
        if speaker not in self._rows:
            raise SovitsError(
                f"The metric was made for {', '.join(self.speakers)} and was given '{speaker}'; add it to the metric's speakers."
            )
        return self._rows[speaker]

    def figures(self, name: str, values: Tensor, known: Tensor) -> dict[str, Tensor]:
        """``{name: mean over speakers, name/<speaker>: its value}`` for the speakers where ``known`` [n_speakers] is true.

        Without any such speaker the mean is NaN.
        """
        figures = {name: values[known].mean()}
        figures |= {f"{name}/{speaker}": values[row] for row, speaker in enumerate(self.speakers) if known[row]}
        return figures
