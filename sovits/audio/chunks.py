"""Pieces of a long computation whose parts depend on their neighbours only so far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Chunk(NamedTuple):
    """A piece, and what must be computed for it."""

    start: int
    end: int
    """The piece is ``[start, end)``."""
    first: int
    last: int
    """Computed is ``[first, last)``; what lies around the piece is cut off again."""


def growing_chunks(length: int, context: int, first: int, longest: int) -> Iterator[Chunk]:
    """``length`` positions in chunks that double: whoever listens to one has the time to wait for one twice as long.

    Args:
        context: positions on each side that a position depends on.
        first: positions of the first chunk.
        longest: most positions of a chunk.
    """
    start, size = 0, first
    while start < length:
        end = min(start + size, length)
        yield Chunk(start, end, max(start - context, 0), min(end + context, length))
        start, size = end, min(2 * size, longest)
