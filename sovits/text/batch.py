"""Encoded texts, padded into one batch for the networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sovits.text.encoding import EncodedText, padded_rows


@dataclass
class TextBatch:
    """Texts padded with zeros to the longest of the batch."""

    phones: Tensor
    """[B, T_text] int64."""
    lengths: Tensor
    """[B] phones in each text."""
    tones: Tensor
    """[B, T_text]."""
    languages: Tensor
    """[B, T_text]."""
    tokens: Tensor
    """[B, T_tokens]."""
    token_lengths: Tensor
    """[B]."""
    phone_to_token: Tensor
    """[B, T_text] index into ``tokens``."""

    @classmethod
    def collate(cls, texts: Sequence[EncodedText]) -> TextBatch:
        """Pads ``texts`` into one batch on the CPU."""

        def padded(rows: list[list[int]]) -> Tensor:
            return torch.from_numpy(padded_rows(rows))

        return cls(
            phones=padded([text.phones for text in texts]),
            lengths=torch.tensor([len(text.phones) for text in texts]),
            tones=padded([text.tones for text in texts]),
            languages=padded([text.languages for text in texts]),
            tokens=padded([text.tokens for text in texts]),
            token_lengths=torch.tensor([len(text.tokens) for text in texts]),
            phone_to_token=padded([text.phone_to_token for text in texts]),
        )

    @classmethod
    def from_phones(cls, phones: Tensor) -> TextBatch:
        """A batch of bare ids [B, T_text] with neither tone, language nor semantic tokens (all zero)."""
        zeros = torch.zeros_like(phones)
        lengths = torch.full((phones.shape[0],), phones.shape[1], device=phones.device)
        return cls(phones, lengths, zeros, zeros, zeros[:, :1], torch.ones_like(lengths), zeros)

    def to(self, device: torch.device | str) -> TextBatch:
        """The same batch on ``device``."""
        return TextBatch(**{name: value.to(device) for name, value in vars(self).items()})
