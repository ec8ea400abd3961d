"""What the text front end hands to the networks: one encoded text, and a padded batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class SpokenSpan(NamedTuple):
    """A word of a text and the phones that say it."""

    text: str
    """As it stands in the normalised text: an English word or one Chinese character."""
    first: int
    end: int
    """One past its last phone."""


@dataclass(frozen=True)
class EncodedText:
    """One text as ids, every list but ``tokens`` and ``words`` of length ``T_text``.

    Its units are phones, or with :class:`~sovits.text.TokenFrontEnd` tokens; all that reads them calls them phones.
    ``phone_to_token[i]`` is the index in ``tokens`` of the semantic token whose characters phone ``i`` was read from.
    """

    text: str
    """The normalised text: what the semantic tokenizer read and what character offsets refer to."""
    symbols: list[str]
    """The phones as written, for pictures and messages."""
    phones: list[int]
    tones: list[int]
    """Mandarin tone or English stress, in one table."""
    languages: list[int]
    tokens: list[int]
    """Semantic (BPE) tokens, cut at the encoder's ``max_length``."""
    phone_to_token: list[int]
    words: tuple[SpokenSpan, ...] = ()
    """In order; silences, marks and boundaries are part of none."""


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
            return pad_sequence([torch.tensor(row, dtype=torch.long) for row in rows], batch_first=True)

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
