"""Speech that is sent while it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import numpy as np
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from sovits.audio.waveform import pcm16
from sovits.serving.answers import CLIENT_LEFT, refused, speech_headers, stream_head
from sovits.serving.batcher import TooLate
from sovits.serving.schemas import MEDIA_TYPES
from sovits.serving.service import Service
from sovits.serving.watching import Trace


class Pieces:
    """Samples that a thread makes piece by piece, each within a time.

    Args:
        make: begins, in the thread too.
        seconds: that a piece may take.
        closed: called once when nobody wants more and no thread works on it any longer.
    """

    def __init__(self, make: Callable[[], Iterator[np.ndarray]], seconds: float, closed: Callable[[], None]) -> None:
        self._make, self._seconds, self._closed = make, seconds, closed
        self._pieces: Iterator[np.ndarray] | None = None
        self._task: asyncio.Task[np.ndarray | None] | None = None

    async def next(self) -> np.ndarray | None:
        """float32 [n]; None after the last.

        Raises:
            TooLate: it is not ready in time; the thread goes on, and nobody may ask for more.
            Exception: what went wrong with it.
        """
        self._task = asyncio.create_task(asyncio.to_thread(self._next))
        done, _ = await asyncio.wait({self._task}, timeout=self._seconds)
        if not done:
            raise TooLate(f"The speech was not ready within {self._seconds:g} s; ask for a shorter text, or later.")
        return self._task.result()

    def close(self) -> None:
        """Says that nobody wants more."""
        if self._task is None or self._task.done():
            self._closed()
        else:
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[np.ndarray | None]) -> None:
        # Looked at, as nobody else will: asyncio would complain of it.
        if not task.cancelled():
            task.exception()
        self._closed()

    def _next(self) -> np.ndarray | None:
        if self._pieces is None:
            self._pieces = self._make()
        return next(self._pieces, None)


class SpeechStream(StreamingResponse):
    """Sends the pieces, and closes them however it ends: also where the client left before the first byte.

    Args:
        first: the first piece; what is wrong with a request is found before its answer begins.
        pieces: the others.
        trace: told to the service's watch at the end.
    """

    def __init__(self, service: Service, first: np.ndarray | None, pieces: Pieces, trace: Trace) -> None:
        self.service, self.pieces, self.trace, self.samples = service, pieces, trace, 0
        self.rate = service.speaking.voice.sample_rate
        asked = trace.asked
        super().__init__(self._sent(first), media_type=MEDIA_TYPES[asked.format], headers=speech_headers(trace.request_id, asked.seed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.trace.status, self.trace.error = CLIENT_LEFT, "the client left"
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.pieces.close()
            self.trace.seconds = self.samples / self.rate
            self.service.watch.tell(self.trace)

    async def _sent(self, piece: np.ndarray | None) -> AsyncIterator[bytes]:
        yield stream_head(self.rate, self.trace.asked.format)
        while piece is not None:
            self.samples += len(piece)
            yield pcm16(piece).tobytes()
            try:
                piece = await self.pieces.next()
            except Exception as error:  # the connection ends within a chunk, which tells the client; the log tells why
                self.trace.status, self.trace.error = refused(error).status, f"{type(error).__name__}: {error}"
                raise
        self.trace.status, self.trace.error = 200, None
