"""How far two log-mel spectrograms are apart, in nats per band (1 nat = 4.3 dB)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from sovits.metrics.per_speaker import PerSpeakerMetric

Mel = np.ndarray | Tensor
"""A log-mel spectrogram [n_mels, T_frames] in nats."""


def mel_distance(predicted: Mel, target: Mel) -> float:
    """Mean absolute difference of two time-aligned log-mels [n_mels, T_frames].

    Raises:
        ValueError: their shapes differ, or they are empty.
    """
    first, second = _array(predicted), _array(target)
    if first.shape != second.shape:
        raise ValueError(
            f"Time-aligned mels must have one shape, not {first.shape} and {second.shape}; use warped_mel_distance for free speech."
        )
    return float(np.abs(first - second).mean())


def warped_mel_distance(predicted: Mel, target: Mel) -> float:
    """Mean absolute difference along the best warping of time: for two readings of one sentence, of different lengths.

    Dynamic time warping with steps (1, 0), (0, 1) and (1, 1), all of weight one; the total cost of the cheapest path divided by
    the number of its cells.

    Args:
        predicted: [n_mels, T_frames].
        target: [n_mels, any other T_frames].

    Raises:
        ValueError: the bands differ, or a mel is empty.
    """
    import librosa
    from scipy.spatial.distance import cdist

    first, second = _array(predicted), _array(target)
    if first.shape[0] != second.shape[0]:
        raise ValueError(f"Both mels must have the same bands, not {first.shape[0]} and {second.shape[0]}.")
    costs = cdist(first.T, second.T, metric="cityblock") / first.shape[0]
    totals, path = librosa.sequence.dtw(C=costs)
    return float(totals[-1, -1] / len(path))


def _array(mel: Mel) -> np.ndarray:
    values = mel.detach().cpu().float().numpy() if isinstance(mel, Tensor) else np.asarray(mel)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"A mel has the shape [n_mels, T_frames] with at least one frame, not {values.shape}.")
    return values.astype(np.float64)


class _MeanDistance(PerSpeakerMetric):
    higher_is_better = False
    name: str
    distance: Callable[[Mel, Mel], float]
    total: Tensor
    count: Tensor

    def __init__(self, speakers: Sequence[str]) -> None:
        super().__init__(speakers)
        self.add_sum("total")
        self.add_sum("count")

    def update(self, predicted: Sequence[Mel], target: Sequence[Mel], speakers: Sequence[str]) -> None:
        """Adds pairs of log-mels [n_mels, T_frames], ``speakers[i]`` heard in both mels of pair ``i``."""
        for one, other, speaker in zip(predicted, target, speakers, strict=True):
            self.total[self.row(speaker)] += type(self).distance(one, other)
            self.count[self.row(speaker)] += 1

    def compute(self) -> dict[str, Tensor]:
        """Mean over clips of each speaker, and the mean of those."""
        return self.figures(self.name, self.total / self.count, self.count > 0)


class MelDistance(_MeanDistance):
    """:func:`mel_distance` as ``mel_distance``: of reconstructions, which keep the recording's timing."""

    name = "mel_distance"
    distance = staticmethod(mel_distance)


class DynamicTimeWarpedMelDistance(_MeanDistance):
    """:func:`warped_mel_distance` as ``mel_distance_warped``: of speech made from text, which has a timing of its own."""

    name = "mel_distance_warped"
    distance = staticmethod(warped_mel_distance)
