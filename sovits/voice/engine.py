"""What a :class:`~sovits.voice.Voice` speaks with: PyTorch, or onnxruntime without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sovits.text.encoding import EncodedText
from sovits.voice.request import Request


@dataclass(frozen=True)
class Line:
    """One sentence as an engine takes it."""

    text: EncodedText
    voice: np.ndarray
    """[E] float32 of norm 1."""
    request: Request
    """How it is to be said."""


@dataclass(frozen=True)
class Said:
    """One sentence as an engine gives it back."""

    samples: np.ndarray
    """[T_samples] float32."""
    durations: np.ndarray
    """[T_text] int64 frames of every phone."""


@dataclass(frozen=True)
class SpokenPrior:
    """What texts say about the latents of each phone, and how long it lasts."""

    mean: np.ndarray
    """[B, C, T_text]."""
    log_std: np.ndarray
    """[B, C, T_text]."""
    durations: np.ndarray
    """[B, T_text] int64 frames."""


class Engine(Protocol):
    """A trained synthesizer at work. Several threads may use it at once."""

    sample_rate: int
    """Hz."""
    hop_length: int
    """Samples a frame."""
    embedding_size: int
    """Numbers of a voice."""
    noise_channels: int
    """Of the noise of durations."""
    device: str
    """What it runs on, for messages."""

    def speak(self, lines: Sequence[Line]) -> list[Said]:
        """Says all lines at once; each sounds as it does alone, but for rounding."""

    def stream(self, line: Line, first: int, longest: int) -> Iterator[np.ndarray]:
        """The samples of ``speak`` piece by piece, ``first`` frames and then twice as many each time, up to ``longest``."""

    def prior(self, lines: Sequence[Line], noise: np.ndarray) -> SpokenPrior:
        """The first half of speaking, before latents are drawn, for scaled noise of durations [B, noise channels, T_text]."""

    def say(self, drawn: np.ndarray, lengths: np.ndarray, voices: np.ndarray) -> np.ndarray:
        """The second half: drawn latents [B, C, T_frames], their lengths [B], voices [B, E] -> samples [B, T_frames * hop_length]."""

    def embed(self, samples: np.ndarray) -> np.ndarray:
        """The voice [E] in a recording [T_samples].

        Raises:
            SovitsError: it has no speaker encoder.
        """

    def reconstruct(self, samples: np.ndarray, voice: np.ndarray) -> np.ndarray:
        """Whole frames of a recording [T_frames * hop_length] through the posterior's mean and the decoder.

        Raises:
            SovitsError: it has no posterior encoder.
        """


def duration_noise(lines: Sequence[Line], generators: Sequence[np.random.Generator], channels: int) -> np.ndarray:
    """The scaled noise [B, channels, T_text] of the durations of each line, from its own generator."""
    noise = np.zeros((len(lines), channels, max(len(line.text.phones) for line in lines)), dtype=np.float32)
    for row, line, generator in zip(noise, lines, generators, strict=True):
        length = len(line.text.phones)
        row[:, :length] = generator.standard_normal((channels, length), dtype=np.float32) * np.float32(line.request.duration_noise_scale)
    return noise


def drawn_latents(prior: SpokenPrior, lines: Sequence[Line], generators: Sequence[np.random.Generator]) -> np.ndarray:
    """The prior of each phone stretched over its frames, and a draw from it: [B, C, T_frames], zero past each line's end."""
    frames = prior.durations.sum(1)
    drawn = np.zeros((len(lines), prior.mean.shape[1], int(frames.max())), dtype=np.float32)
    for number, (line, generator) in enumerate(zip(lines, generators, strict=True)):
        phone = np.repeat(np.arange(prior.durations.shape[1]), prior.durations[number])
        noise = generator.standard_normal((prior.mean.shape[1], len(phone)), dtype=np.float32) * np.float32(line.request.noise_scale)
        drawn[number, :, : len(phone)] = prior.mean[number][:, phone] + noise * np.exp(prior.log_std[number][:, phone])
    return drawn
