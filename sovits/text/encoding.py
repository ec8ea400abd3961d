"""What the text front end hands to the networks: one encoded text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


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


def padded_rows(rows: Sequence[Sequence[int] | np.ndarray]) -> np.ndarray:
    """[B, longest] int64, zero past the end of each row."""
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for place, row in zip(padded, rows, strict=True):
        place[: len(row)] = row
    return padded
