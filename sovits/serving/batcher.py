"""Requests that wait at the same time are worked off together: batches for the model, one future for each who waits."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sovits.errors import SovitsError

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Sequence[Result | Exception]]
"""Works off items together and returns for each its result or what went wrong with it."""

_MEMORY = 0.9
"""How much the mean time of a batch keeps of what it was."""


class Busy(SovitsError):
    """The queue is full."""

    def __init__(self, waiting: int, retry_after: int) -> None:
        super().__init__(f"{waiting} requests are waiting, which is as many as may; try again in {retry_after} s.")
        self.retry_after = retry_after


class TooLate(SovitsError):
    """The deadline came before the result."""


class Closing(SovitsError):
    """The service takes nothing more."""


@dataclass(frozen=True)
class Done(Generic[Result]):
    """A result and what it took."""

    result: Result
    queued: float
    """Seconds until its batch began."""
    computed: float
    """Seconds that the batch took."""
    batch: int
    """How many were worked off together."""


@dataclass
class _Job(Generic[Item, Result]):
    item: Item
    length: float
    future: asyncio.Future[Done[Result]]
    came: float = field(default_factory=time.monotonic)


class Batcher(Generic[Item, Result]):
    """A bounded queue in front of one function that works best on several items at once, of about the same length.

    It runs in one event loop; the work is done in threads. Nothing of one item touches another: each waits for a future of its own, a
    failed one fails alone, and one whose client left is dropped before its batch begins.

    A batch is the oldest item and those nearest to it in length, which need the least padding. As the oldest is always among them, nobody
    waits for more batches than there were items before it.

    Args:
        work: see :data:`Work`; called from ``workers`` threads.
        max_batch: most items of a batch.
        max_wait: seconds that the first of a batch waits for others.
        max_queue: most items that wait; further ones are refused (:class:`Busy`).
        workers: batches worked off at the same time.
        length: of an item, in any unit; all are alike without it.
    """

    def __init__(
        self,
        work: Work[Item, Result],
        *,
        max_batch: int,
        max_wait: float,
        max_queue: int,
        workers: int = 1,
        length: Callable[[Item], float] | None = None,
    ) -> None:
        for name, value in (("max_batch", max_batch), ("max_queue", max_queue), ("workers", workers)):
            if value < 1:
                raise SovitsError(f"batching.{name}={value} must be at least 1.")
        if not 0 <= max_wait < math.inf:
            raise SovitsError(f"batching.max_wait={max_wait} must be seconds, 0 or more; 0 is usual.")
        self._work, self._max_batch, self._max_wait, self._max_queue = work, max_batch, max_wait, max_queue
        self._workers, self._length = workers, length or (lambda _: 0.0)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="batch")
        self._waiting: deque[_Job[Item, Result]] = deque()
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._seconds = 0.0

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        # A copy, for other threads may ask.
        return sum(not job.future.done() for job in tuple(self._waiting))

    @property
    def open(self) -> bool:
        """Whether it takes items."""
        return bool(self._tasks) and not self._closing

    def require_open(self) -> None:
        """Raises ``Closing`` where it takes nothing."""
        if not self.open:
            raise Closing("The service is shutting down; ask another one, or again when it is back.")

    def start(self) -> None:
        """Begins to work; within the event loop that submits."""
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self._workers)]

    async def submit(self, item: Item, deadline: float | None = None) -> Done[Result]:
        """The result of ``item``; cancelled, it leaves the queue.

        Args:
            deadline: seconds from now.

        Raises:
            Busy, TooLate, Closing: it was not worked off.
            Exception: what went wrong with it.
        """
        self.require_open()
        if self.waiting >= self._max_queue:
            batches = math.ceil(self.waiting / self._max_batch / self._workers)
            raise Busy(self.waiting, max(1, math.ceil(batches * self._seconds)))
        job: _Job[Item, Result] = _Job(item, self._length(item), asyncio.get_running_loop().create_future())
        async with self._changed:
            self._waiting.append(job)
            self._changed.notify_all()
        try:
            async with asyncio.timeout(deadline):
                return await job.future
        except TimeoutError:
            raise TooLate(f"The speech was not ready within {deadline:g} s; ask for a shorter text, or later.") from None

    async def close(self) -> None:
        """Takes nothing more and returns when all that was accepted is done."""
        async with self._changed:
            self._closing = True
            self._changed.notify_all()
        await asyncio.gather(*self._tasks)
        self._threads.shutdown()

    async def _run(self) -> None:
        while batch := await self._next_batch():
            began = time.monotonic()
            results = await asyncio.get_running_loop().run_in_executor(self._threads, self._worked_off, [job.item for job in batch])
            took = time.monotonic() - began
            self._seconds = took if not self._seconds else _MEMORY * self._seconds + (1 - _MEMORY) * took
            for job, result in zip(batch, results, strict=True):
                if job.future.done():
                    continue
                if isinstance(result, Exception):
                    job.future.set_exception(result)
                else:
                    job.future.set_result(Done(result, began - job.came, took, len(batch)))

    async def _next_batch(self) -> list[_Job[Item, Result]]:
        """Those that are worked off next; none when it is closing and nobody waits."""
        batch: list[_Job[Item, Result]] = []
        async with self._changed:
            # All of a batch may have left before it began.
            while not batch and not (self._closing and not self._waiting):
                await self._changed.wait_for(lambda: self._waiting or self._closing)
                await self._wait_for_others()
                batch = self._taken()
        return batch

    def _taken(self) -> list[_Job[Item, Result]]:
        """The oldest and those like it, taken out of the queue; who left is dropped."""
        there = [job for job in self._waiting if not job.future.done()]
        # Sorting keeps the order of those that are equally near.
        batch = sorted(there, key=lambda job: abs(job.length - there[0].length))[: self._max_batch]
        taken = {id(job) for job in batch}
        self._waiting = deque(job for job in there if id(job) not in taken)
        return batch

    async def _wait_for_others(self) -> None:
        if not self._waiting or self._closing:
            return
        patience = self._max_wait - (time.monotonic() - self._waiting[0].came)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, patience)):
                await self._changed.wait_for(lambda: self.waiting >= self._max_batch or self._closing)

    def _worked_off(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        try:
            return self._work(items)
        except Exception as error:  # whatever it is, those who wait must hear of it and the next batch must come
            return [error] * len(items)
