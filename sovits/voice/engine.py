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


class Engine(Protocol):
    """A trained synthesizer at work. Several threads may use it at once."""

    sample_rate: int
    """Hz."""
    hop_length: int
    """Samples a frame."""
    embedding_size: int
    """Numbers of a voice."""
    device: str
    """What it runs on, for messages."""

    def speak(self, lines: Sequence[Line]) -> list[Said]:
        """Says all lines at once; each sounds as it does alone, but for rounding."""

    def stream(self, line: Line, first: int, longest: int) -> Iterator[np.ndarray]:
        """The samples of ``speak`` piece by piece, ``first`` frames and then twice as many each time, up to ``longest``."""

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
