"""How far two log-mel spectrograms are apart, in nats per band (1 nat = 4.3 dB)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sovits.audio.spectrogram import MelSpectrogram, log_compress
from sovits.metrics.clips import as_samples
from sovits.metrics.judge import Figure, PairJudge, Reading

SAMPLE_RATE = 22050

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


class MelDistance(PairJudge):
    """How far a sound's log-mel is from the recording's: the synthesis along the best warping of time, the reconstruction frame by frame.

    Its mel is its own (80 bands of 2048 samples every 512, at 22 050 Hz), so that models of different audio settings can be compared.
    """

    figures = (
        Figure("mel_distance", "mel distance", "mean log-mel difference to the recording, nats; synthesis along the best warping", False),
    )

    def __init__(self, speakers: Sequence[str]) -> None:
        super().__init__(speakers)
        self._mel_spectrogram = MelSpectrogram(SAMPLE_RATE, n_fft=2048, hop_length=512, n_mels=80)

    def compare(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.PairJudge`."""
        mel, recorded = (self._log_mel(sound, reading.sample_rate) for sound in (samples, reading.recording.samples))
        if not mel.shape[1] or not recorded.shape[1]:
            return {}
        aligned = samples is reading.reconstruction
        frames = min(mel.shape[1], recorded.shape[1])
        distance = mel_distance(mel[:, :frames], recorded[:, :frames]) if aligned else warped_mel_distance(mel, recorded)
        return {"mel_distance": distance}

    def _log_mel(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """[T_samples] -> [n_mels, T_frames]."""
        resampled = torch.from_numpy(as_samples(samples, sample_rate, SAMPLE_RATE))
        if len(resampled) < self._mel_spectrogram.hop_length:
            return np.zeros((self._mel_spectrogram.n_mels, 0), dtype=np.float32)
        return log_compress(self._mel_spectrogram(resampled.unsqueeze(0)))[0].numpy()
