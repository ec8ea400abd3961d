"""What every way to get a voice has in common, so that a synthesizer need not know which one it holds."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from sovits.errors import SovitsError

SMALLEST, LARGEST = 192, 512
"""Bounds of a speaker embedding that is trained here."""


class SpeakerConditioning(Protocol):
    """Reference clips or speaker numbers -> voices, each a vector of length 1; every implementation is a module.

    Attributes:
        embedding_size: E, the size of one voice.
    """

    embedding_size: int

    @property
    def zero_shot(self) -> bool:
        """Whether it reads a voice from a clip, so that a speaker it has never met has one too."""
        ...

    def forward(self, references: Tensor | None, speakers: Tensor | None = None) -> Tensor:
        """Voices [B, E] of norm 1.

        Args:
            references: waveforms [B, T_samples] in [-1, 1] at the model's sample rate, all of one length.
            speakers: int64 [B], numbers of training speakers.

        Raises:
            SovitsError: the one of the two that it reads is missing or has another shape.
        """
        ...

    def __call__(self, references: Tensor | None, speakers: Tensor | None = None) -> Tensor:
        """As ``forward``, with the hooks of a module."""
        ...


def check_embedding_size(embedding_size: int) -> None:
    """Raises a :class:`SovitsError` for a size outside 192-512."""
    if not SMALLEST <= embedding_size <= LARGEST:
        raise SovitsError(
            f"embedding_size={embedding_size} is outside {SMALLEST}-{LARGEST}: "
            "smaller ones blur voices, larger ones memorise the few training clips; choose one inside."
        )


def readable_clips(references: Tensor | None, shortest: int) -> Tensor:
    """``references`` [B, T_samples], repeated until they have ``shortest`` samples or more.

    Raises:
        SovitsError: there are none, or they have another shape or no samples.
    """
    if references is None or references.dim() != 2 or not references.shape[1]:
        given = "none" if references is None else list(references.shape)
        raise SovitsError(f"This model reads a voice from reference waveforms [B, T_samples], but got {given}; give each speaker a clip.")
    if references.shape[1] >= shortest:
        return references
    return references.repeat(1, -(-shortest // references.shape[1]))
