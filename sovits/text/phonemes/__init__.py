"""From words to phones: what a phonemizer of either language gives."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Phone(NamedTuple):
    """One entry of the symbol table and its tone or stress."""

    symbol: str
    tone: int


class SpokenWord(NamedTuple):
    """An English word or one Chinese character, and how it is said."""

    start: int
    """Where it starts in the text the phonemizer was given, in characters."""
    end: int
    phones: tuple[Phone, ...]


class Phonemizer(Protocol):
    """Reads a stretch of normalised text of one language, without punctuation other than apostrophes and hyphens."""

    def __call__(self, text: str) -> list[SpokenWord]:
        """The words of ``text`` in order; a word that is not spoken is left out."""
        ...
