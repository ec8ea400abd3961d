"""Pieces of speech that are made in a thread: in time, too late, broken, or for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from sovits.serving.batcher import TooLate
from sovits.serving.streaming import Pieces

ONE = np.ones(3, np.float32)


def test_every_piece_in_order() -> None:
    closed: list[bool] = []

    async def scene() -> list[float]:
        pieces = Pieces(lambda: iter([ONE, 2 * ONE]), 5.0, lambda: closed.append(True))
        heard = []
        while (piece := await pieces.next()) is not None:
            heard.append(float(piece[0]))
        pieces.close()
        return heard

    assert asyncio.run(scene()) == [1.0, 2.0]
    assert closed == [True]


@pytest.mark.parametrize("late", [0, 1])
def test_a_piece_that_is_late_keeps_its_place_until_its_thread_ends(late: int) -> None:
    leave, closed = threading.Event(), threading.Event()

    def make() -> Iterator[np.ndarray]:
        for number in range(2):
            if number == late:
                assert leave.wait(10)
            yield ONE

    async def scene() -> None:
        pieces = Pieces(make, 0.2, closed.set)
        for _ in range(late):
            await pieces.next()
        with pytest.raises(TooLate, match="not ready within 0.2 s"):
            await pieces.next()
        pieces.close()
        assert not closed.is_set()
        leave.set()
        while not closed.is_set():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(scene(), 10))


def test_what_went_wrong_is_told_and_the_place_given_back() -> None:
    closed = threading.Event()

    def broken() -> Iterator[np.ndarray]:
        raise ValueError("broken")

    async def scene() -> None:
        pieces = Pieces(broken, 5.0, closed.set)
        with pytest.raises(ValueError, match="broken"):
            await pieces.next()
        pieces.close()

    asyncio.run(scene())
    assert closed.is_set()


def test_nobody_waits_for_who_left() -> None:
    leave, closed = threading.Event(), threading.Event()

    def make() -> Iterator[np.ndarray]:
        assert leave.wait(10)
        raise ValueError("nobody hears of it")
        yield

    async def scene() -> None:
        pieces = Pieces(make, 5.0, closed.set)
        waiting = asyncio.create_task(pieces.next())
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        pieces.close()
        assert not closed.is_set()
        leave.set()
        while not closed.is_set():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(scene(), 10))
