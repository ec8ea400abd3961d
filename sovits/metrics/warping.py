"""Two readings of one sentence laid along each other: shared by the judges that compare a sound with the recording moment by moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from sovits.audio.spectrogram import MelSpectrogram
from sovits.hearing.clips import is_silent
from sovits.metrics.clips import as_samples
from sovits.metrics.judge import Reading

SAMPLE_RATE = 16000
"""Hz at which sounds are compared, whatever the model's, so that models of different rates can be."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""
COEFFICIENTS = 13
_WINDOW, _BANDS = 640, 40
_TRIM = 40.0
"""dB below its loudest moment at which a sound's edges count as silence."""
_RMS = 0.1
_FLOOR = 1e-4
"""Of power, some 50 dB below a loud band, under which bands are not told apart; sounds are brought to one loudness before."""


@dataclass(frozen=True)
class AlignedSounds:
    """Speech and recording at 16 kHz, without silent edges, and which of their frames belong together."""

    sound: np.ndarray
    """[T_samples]."""
    recording: np.ndarray
    """[T_samples]."""
    sound_cepstra: np.ndarray
    """[T_frames, 13]."""
    recording_cepstra: np.ndarray
    """[T_frames, 13]."""
    path: np.ndarray
    """[N, 2] frames of the sound and of the recording, from their first to their last."""


def align(samples: np.ndarray, reading: Reading) -> AlignedSounds | None:
    """Lays [T_samples] beside the recording of ``reading``: a reconstruction frame by frame, any other sound by dynamic time warping.

    The warping takes steps (1, 0), (0, 1) and (1, 1) of weight one and has the smallest sum of distances between mel-cepstra.

    Returns:
        None where one of them is silent or shorter than a frame.
    """
    sound = as_samples(samples, reading.sample_rate, SAMPLE_RATE)
    recording = as_samples(reading.recording.samples, reading.sample_rate, SAMPLE_RATE)
    if is_silent(sound) or is_silent(recording):
        return None
    in_step = samples is reading.reconstruction
    if in_step:
        end = min(len(sound), len(recording))
        edges = speech_edges(recording[:end])
        sound, recording = sound[:end][edges], recording[:end][edges]
    else:
        sound, recording = sound[speech_edges(sound)], recording[speech_edges(recording)]
    if min(len(sound), len(recording)) < HOP:
        return None
    first, second = mel_cepstra(sound), mel_cepstra(recording)
    path = np.repeat(np.arange(len(first))[:, None], 2, axis=1) if in_step else warping_path(first, second)
    return AlignedSounds(sound, recording, first, second, path)


def speech_edges(samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> slice:
    """Where [T_samples] begins and ends once silence at its edges (40 dB below its loudest 40 ms) is cut off."""
    import librosa

    window = sample_rate // 25
    _, (start, end) = librosa.effects.trim(samples, top_db=_TRIM, frame_length=window, hop_length=window // 4)
    return slice(int(start), int(end))


def mel_cepstra(samples: np.ndarray) -> np.ndarray:
    """[T_samples] at 16 kHz -> mel-cepstral coefficients 1 to 13 [T_frames, 13], without the 0th, which holds the loudness.

    Of 40 mel bands of 40 ms every 10 ms, by the discrete cosine transform (type II) of their logarithmic power, scaled so that the
    logarithmic *amplitude* (nats) of band ``k`` is the sum over ``d`` of ``c_d cos(pi d (k + 1/2) / 40)``: the convention of SPTK,
    which Kubichek's formula takes for granted.
    """
    loud = samples * (_RMS / max(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))), 1e-12))
    power = _mel_spectrogram()(torch.from_numpy(loud.astype(np.float32)).unsqueeze(0))[0]
    return cepstra_of(power.clamp_min(_FLOOR).log().numpy().T)


def cepstra_of(log_power: np.ndarray) -> np.ndarray:
    """Logarithmic power [T_frames, bands] in nats -> cepstra [T_frames, 13], see :func:`mel_cepstra`."""
    from scipy.fft import dct

    # Unscaled, the transform is twice the sum over bands of log power times cosine; log power is twice log amplitude.
    return dct(log_power.astype(np.float64), type=2, axis=1)[:, 1 : COEFFICIENTS + 1] / (2 * log_power.shape[1])


def warping_path(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Features [T_frames, C] and [any T_frames, C] -> [N, 2] pairs of frames in order, from both beginnings to both ends."""
    import librosa
    from scipy.spatial.distance import cdist

    _, path = librosa.sequence.dtw(C=cdist(first, second))
    return path[::-1]


@cache
def _mel_spectrogram() -> MelSpectrogram:
    return MelSpectrogram(SAMPLE_RATE, n_fft=_WINDOW, hop_length=HOP, n_mels=_BANDS)
