"""Which frames each phone of a recording has, before any network knows: one Gaussian for each phone, as recognisers begin.

A synthesizer that has to find out alone what is said where (the search of Glow-TTS) takes long to leave nonsense behind: at first its
latents and its text encoder both know nothing. Here phones are aligned with cepstra instead, by Viterbi training from a flat start
(segmental k-means; Rabiner 1989), all speakers together: half a minute for hours of speech. It is a guide for the first steps, not the
truth.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torchaudio.functional import compute_deltas, create_dct

from sovits.audio.spectrogram import MelSpectrogram, log_compress
from sovits.modules.alignment import gaussian_log_likelihood, monotonic_alignment

log = logging.getLogger(__name__)

N_MELS, N_CEPSTRA = 40, 13
WINDOW = 1024
"""Samples of the spectrum's window at most."""
LEAST_STD = 0.1
"""Of features whose standard deviation over a clip is one: a phone heard once must not shut out all but that."""
BATCH_FRAMES = 40_000


@dataclass(frozen=True)
class Spoken:
    """A clip as the aligner hears and reads it."""

    features: Tensor
    """[C, T_frames]."""
    units: np.ndarray
    """[T_text] what is said, as numbers of phones whatever their tone."""


class Cepstra:
    """Waveforms -> mel cepstra with their first and second differences, each normalised over the clip: voice and room matter less.

    Args:
        sample_rate: Hz.
        hop_length: samples of a frame.
    """

    def __init__(self, sample_rate: int, hop_length: int) -> None:
        self.mels = MelSpectrogram(sample_rate, max(WINDOW, hop_length), hop_length, N_MELS, f_max=min(8000.0, sample_rate / 2))
        self.dct = create_dct(N_CEPSTRA, N_MELS, "ortho")

    def __call__(self, waveform: np.ndarray) -> Tensor:
        """[T_samples], whole frames -> [3 * N_CEPSTRA, T_frames]."""
        cepstra = self.dct.T @ log_compress(self.mels(torch.from_numpy(waveform).unsqueeze(0)))[0]
        first = compute_deltas(cepstra)
        features = torch.cat([cepstra, first, compute_deltas(first)])
        return (features - features.mean(1, keepdim=True)) / features.std(1, keepdim=True).clamp_min(1e-3)


class PhoneAligner:
    """One diagonal Gaussian for each phone, learned from the clips that are to be aligned.

    Args:
        n_units: numbers of phones are below it.
        rounds: of aligning all clips and learning from that.
    """

    def __init__(self, n_units: int, rounds: int = 15) -> None:
        self.n_units, self.rounds = n_units, rounds

    def align(self, clips: Sequence[Spoken]) -> list[np.ndarray]:
        """Whole frames of each phone [T_text] of every clip, each at least one; they sum up to the clip's.

        Clips need a frame for each phone.
        """
        found = [_evenly(len(clip.units), clip.features.shape[1]) for clip in clips]
        batches = _batches(clips)
        for _ in track(range(self.rounds), "Aligning phones", transient=True):
            means, log_stds = self._learned(clips, found)
            for batch in batches:
                for number, durations in zip(batch, _searched([clips[n] for n in batch], means, log_stds), strict=True):
                    found[number] = durations
        return found

    def _learned(self, clips: Sequence[Spoken], durations: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation [n_units, C] of what each phone sounds like; of an unheard one those of all sound."""
        channels = clips[0].features.shape[0]
        count = torch.zeros(self.n_units)
        sums, squares = torch.zeros(self.n_units, channels), torch.zeros(self.n_units, channels)
        for clip, own in zip(clips, durations, strict=True):
            of_frame = torch.from_numpy(np.repeat(clip.units, own))
            count.index_add_(0, of_frame, torch.ones(len(of_frame)))
            sums.index_add_(0, of_frame, clip.features.T)
            squares.index_add_(0, of_frame, clip.features.T.square())
        heard = count.clamp_min(1).unsqueeze(1)
        means = sums / heard
        return means, (squares / heard - means.square()).clamp_min(LEAST_STD**2).sqrt().log() * (count > 0).unsqueeze(1)


def _searched(clips: Sequence[Spoken], means: Tensor, log_stds: Tensor) -> list[np.ndarray]:
    frames, phones = (torch.tensor([length(clip) for clip in clips]) for length in (lambda c: c.features.shape[1], lambda c: len(c.units)))
    features = torch.nn.utils.rnn.pad_sequence([clip.features.T for clip in clips], batch_first=True).transpose(1, 2)
    units = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(clip.units) for clip in clips], batch_first=True)
    scores = gaussian_log_likelihood(features, means[units].transpose(1, 2), log_stds[units].transpose(1, 2))
    path = monotonic_alignment(scores, phones, frames).sum(-1).long().numpy()
    return [row[:length] for row, length in zip(path, phones.tolist(), strict=True)]


def _evenly(phones: int, frames: int) -> np.ndarray:
    return np.diff(np.arange(phones + 1) * frames // phones)


def _batches(clips: Sequence[Spoken]) -> list[list[int]]:
    """Numbers of clips of like lengths, so that little is padding."""
    batches: list[list[int]] = [[]]
    for number in np.argsort([clip.features.shape[1] for clip in clips], kind="stable"):
        if (len(batches[-1]) + 1) * clips[number].features.shape[1] > BATCH_FRAMES and batches[-1]:
            batches.append([])
        batches[-1].append(int(number))
    return batches


def stretched(durations: np.ndarray, frames: int) -> np.ndarray:
    """Durations [T_text] of a clip that is spoken faster or slower, in ``frames`` frames: in proportion, each at least one."""
    ends = np.round(np.cumsum(durations) * (frames / durations.sum())).astype(int)
    # Each phone ends early enough for the rest, and late enough for itself.
    room = frames - np.arange(len(ends))[::-1]
    for number in range(len(ends)):
        ends[number] = min(max(ends[number], (ends[number - 1] if number else 0) + 1), room[number])
    return np.diff(ends, prepend=0)
