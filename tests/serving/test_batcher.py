"""Batches form, nobody waits in vain, and nobody hears of another's mistake."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from sovits.errors import SovitsError
from sovits.serving.batcher import Batcher, Busy, Closing, TooLate


class Doubling:
    """Doubles numbers, refuses negative ones, and waits for leave where it is asked to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.leave = threading.Event()
        self.leave.set()
        self.began = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.began.set()
        assert self.leave.wait(10)
        if 13 in items:
            raise RuntimeError("all of it broke")
        return [2 * item if item >= 0 else SovitsError(f"{item} is below 0") for item in items]


def batcher(work: Doubling, **changes: float) -> Batcher[int, int]:
    settings = {"max_batch": 4, "max_wait": 0.05, "max_queue": 8} | changes
    made: Batcher[int, int] = Batcher(work, **settings)  # type: ignore[arg-type]
    made.start()
    return made


async def began(work: Doubling) -> None:
    await asyncio.to_thread(work.began.wait, 10)
    work.began.clear()


async def settled(condition: object) -> None:
    for _ in range(1000):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


def test_those_who_wait_together_are_worked_off_together() -> None:
    async def scene() -> None:
        work = Doubling()
        queue = batcher(work, max_wait=5.0)
        done = await asyncio.gather(*(queue.submit(number) for number in range(8)))
        assert [one.result for one in done] == [2 * number for number in range(8)]
        assert work.batches == [[0, 1, 2, 3], [4, 5, 6, 7]]
        assert {one.batch for one in done} == {4}
        assert all(one.queued >= 0 and one.computed >= 0 for one in done)
        await queue.close()

    asyncio.run(scene())


def test_one_alone_waits_no_longer_than_it_must() -> None:
    async def scene() -> None:
        work = Doubling()
        queue = batcher(work, max_wait=0.0)
        assert (await queue.submit(3)).result == 6
        assert (await queue.submit(4)).batch == 1
        await queue.close()

    asyncio.run(scene())


def test_a_mistake_is_its_own() -> None:
    async def scene() -> None:
        queue = batcher(Doubling())
        told = await asyncio.gather(*(queue.submit(number) for number in (1, -5, 2)), return_exceptions=True)
        assert [one.result for one in (told[0], told[2])] == [2, 4]  # type: ignore[union-attr]
        assert isinstance(told[1], SovitsError)
        # The next batch comes, even after one that broke altogether.
        with pytest.raises(RuntimeError, match="all of it broke"):
            await queue.submit(13)
        assert (await queue.submit(7)).result == 14
        await queue.close()

    asyncio.run(scene())


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    async def scene() -> None:
        work = Doubling()
        queue = batcher(work, max_batch=1, max_wait=0.0, max_queue=2)
        work.leave.clear()
        accepted = [asyncio.create_task(queue.submit(0))]
        await began(work)
        accepted += [asyncio.create_task(queue.submit(number)) for number in (1, 2)]
        await settled(lambda: queue.waiting == 2)
        with pytest.raises(Busy, match="2 requests are waiting") as refused:
            await queue.submit(9)
        assert refused.value.retry_after >= 1
        work.leave.set()
        assert [(await one).result for one in accepted] == [0, 2, 4]
        await queue.close()
        assert work.batches == [[0], [1], [2]]

    asyncio.run(scene())


def test_the_oldest_goes_with_those_of_its_length() -> None:
    async def scene() -> None:
        work = Doubling()
        queue: Batcher[int, int] = Batcher(work, max_batch=3, max_wait=0.0, max_queue=16, length=float)
        queue.start()
        work.leave.clear()
        first = asyncio.create_task(queue.submit(0))
        await began(work)
        numbers = (50, 3, 90, 52, 4, 49, 91, 2, 100)
        others = [asyncio.create_task(queue.submit(number)) for number in numbers]
        await settled(lambda: queue.waiting == len(numbers))
        # Who left counts no more, were it the oldest.
        others[0].cancel()
        await settled(lambda: queue.waiting == len(numbers) - 1)
        work.leave.set()
        done = await asyncio.gather(*others[1:])
        assert [one.result for one in done] == [2 * number for number in numbers[1:]]
        assert (await first).result == 0
        # 3 is the oldest, then 90; 52 and 49 are left.
        assert work.batches == [[0], [3, 4, 2], [90, 91, 100], [52, 49]]
        await queue.close()

    asyncio.run(scene())


def test_an_item_without_a_length_is_refused() -> None:
    def length(number: int) -> float:
        raise SovitsError(f"{number} has none")

    async def scene() -> None:
        queue: Batcher[int, int] = Batcher(Doubling(), max_batch=3, max_wait=0.0, max_queue=16, length=length)
        queue.start()
        with pytest.raises(SovitsError, match="7 has none"):
            await queue.submit(7)
        assert queue.waiting == 0
        await queue.close()

    asyncio.run(scene())


def test_who_left_is_not_worked_off() -> None:
    async def scene() -> None:
        work = Doubling()
        queue = batcher(work, max_batch=1, max_wait=0.0)
        work.leave.clear()
        first, second, third = (asyncio.create_task(queue.submit(number)) for number in (1, 2, 3))
        await began(work)
        await settled(lambda: queue.waiting == 2)
        second.cancel()
        await settled(lambda: queue.waiting == 1)
        work.leave.set()
        assert ((await first).result, (await third).result) == (2, 6)
        assert work.batches == [[1], [3]]
        await queue.close()

    asyncio.run(scene())


def test_a_deadline() -> None:
    async def scene() -> None:
        work = Doubling()
        queue = batcher(work, max_batch=1, max_wait=0.0)
        work.leave.clear()
        first = asyncio.create_task(queue.submit(1))
        await began(work)
        with pytest.raises(TooLate, match=r"not ready within 0\.02 s"):
            await queue.submit(2, deadline=0.02)
        work.leave.set()
        assert (await first).result == 2
        await queue.close()
        assert work.batches == [[1]]

    asyncio.run(scene())


def test_what_was_accepted_is_done_before_it_closes() -> None:
    async def scene() -> None:
        work = Doubling()
        queue = batcher(work, max_batch=2, max_wait=0.0, workers=2)
        work.leave.clear()
        accepted = [asyncio.create_task(queue.submit(number)) for number in range(6)]
        await began(work)
        closing = asyncio.create_task(queue.close())
        await settled(lambda: not queue.open)
        with pytest.raises(Closing, match="shutting down"):
            await queue.submit(9)
        assert not closing.done()
        work.leave.set()
        await closing
        assert [one.result().result for one in accepted] == [2 * number for number in range(6)]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("name", "value"), [("max_batch", 0), ("max_queue", 0), ("workers", 0), ("max_wait", -1.0), ("max_wait", float("inf"))]
)
def test_settings_that_cannot_be(name: str, value: float) -> None:
    with pytest.raises(SovitsError, match=rf"batching\.{name}="):
        Batcher(Doubling(), **({"max_batch": 4, "max_wait": 0.05, "max_queue": 8} | {name: value}))  # type: ignore[arg-type]
