"""Connections of clients that send or read too slowly: each is ended after a time, so that none takes another's place."""

from __future__ import annotations

import asyncio
from functools import partial

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with an end to its patience: it would wait for the rest of a head, and for a reader, forever.

    The body of a request has an end of its own, in :class:`~sovits.serving.body_limit.BodyLimit`.

    Args:
        head_seconds: that the head of a request may take to arrive, the first from the moment of connecting.
        read_seconds: that a client may leave what was sent to it unread, once the system's buffers are full.
        config, server_state, app_state, _loop: uvicorn's.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        head_seconds: float,
        read_seconds: float,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_seconds, self._read_seconds = head_seconds, read_seconds
        self._head: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self._reading or self.loop.call_later(self._read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_head()
        self._stop_reading()

    def _watch_head(self) -> None:
        """Counts while a head is awaited: from connecting, or from its first byte where the connection was kept alive."""
        awaited = self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None and not self.transport.is_closing()
        if not awaited:
            self._stop_head()
        elif self._head is None:
            self._head = self.loop.call_later(self._head_seconds, self.transport.abort)

    def _stop_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None


def patient(head_seconds: float, read_seconds: float) -> partial[PatientProtocol]:
    """What uvicorn calls for each connection."""
    return partial(PatientProtocol, head_seconds=head_seconds, read_seconds=read_seconds)
