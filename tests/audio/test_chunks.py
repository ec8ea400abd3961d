"""Pieces of a computation: all positions once, with the context they need."""

from __future__ import annotations

import pytest

from sovits.audio.chunks import growing_chunks


@pytest.mark.parametrize("length", [1, 4, 5, 100])
@pytest.mark.parametrize("context", [0, 3, 200])
def test_every_position_once_and_its_context_with_it(length: int, context: int) -> None:
    chunks = list(growing_chunks(length, context, first=4, longest=10))
    assert [position for chunk in chunks for position in range(chunk.start, chunk.end)] == list(range(length))
    for chunk in chunks:
        assert chunk.first == max(0, chunk.start - context)
        assert chunk.last == min(length, chunk.end + context)


def test_chunks_double_up_to_the_longest() -> None:
    assert [chunk.end - chunk.start for chunk in growing_chunks(50, 2, first=4, longest=10)] == [4, 8, 10, 10, 10, 8]
