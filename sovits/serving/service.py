"""Everything that the routes need, put together once."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from sovits.data.preparation.workers import available_cores
from sovits.errors import SovitsError
from sovits.serving.access import ApiKeys, RateLimit
from sovits.serving.batcher import Batcher
from sovits.serving.enrolment import Enroller
from sovits.serving.shelf import VoiceShelf
from sovits.serving.speaking import Speaking, Spoken
from sovits.serving.watching import Watch
from sovits.voice import Request

log = logging.getLogger(__name__)


def threads_of_a_batch(threads: int | None, workers: int) -> int:
    """On a CPU: as many as were asked for, or those of the cores that are left to each where several batches are spoken at a time.

    Two batches with a thread each are spoken in less time than one after the other with two: threads wait for one another at each step.
    """
    return threads if threads is not None else max(1, available_cores() // max(1, workers))


@dataclass(frozen=True)
class Limits:
    """What one request may cost.

    Args:
        deadline: seconds until speech must be ready.
        streams: speech streamed at the same time; each has a thread of its own.
        enrolments: that are made or wait for their turn; each holds its clips in memory.
        body_bytes: of a request for speech.
        upload_bytes: of an enrolment.
        body_seconds: that a body may take to arrive.
        head_seconds: that the head of a request may take to arrive.
        read_seconds: that a client may leave an answer unread.
        bodies_bytes: of all bodies that are held at a time; larger ones than ``body_bytes`` are sent away then.
        refresh_seconds: between looks at the folder of voices.
    """

    deadline: float = 30.0
    streams: int = 4
    enrolments: int = 4
    body_bytes: int = 65536
    upload_bytes: int = 64 * 2**20
    body_seconds: float = 30.0
    head_seconds: float = 10.0
    read_seconds: float = 30.0
    bodies_bytes: int = 256 * 2**20
    refresh_seconds: float = 2.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int | float) or not value > 0:
                raise SovitsError(f"limits.{name}={value} must be a number above 0.")

    def most_bytes(self, path: str) -> int:
        """Of the body of a request for ``path``."""
        return self.upload_bytes if path == "/v1/speakers" else self.body_bytes


@dataclass
class Service:
    """The model, its voices, its queue, and who may use them."""

    speaking: Speaking
    shelf: VoiceShelf
    batcher: Batcher[Request, Spoken]
    watch: Watch
    enrol: Enroller
    keys: ApiKeys | None
    rate: RateLimit
    limits: Limits

    def __post_init__(self) -> None:
        self.streams = asyncio.Semaphore(self.limits.streams)
        self.enrolments = asyncio.Semaphore(self.limits.enrolments)
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return self.batcher.open

    async def start(self) -> None:
        """Begins to take requests and to watch the folder of voices."""
        self.batcher.start()
        self._refreshing = asyncio.create_task(self._refresh())

    async def close(self) -> None:
        """Finishes what was accepted."""
        if self._refreshing is not None:
            self._refreshing.cancel()
        await self.batcher.close()
        self.watch.close()

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(self.limits.refresh_seconds)
            try:
                await asyncio.to_thread(self.shelf.refresh)
            except Exception:  # one look that failed must not be the last
                log.exception("The folder of voices could not be looked at; it is tried again in %g s.", self.limits.refresh_seconds)
