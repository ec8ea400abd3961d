"""Bodies that are too large, too many at a time, or never end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sovits.serving.answers import Refused, answer


class BodyLimit:
    """Reads a request's body before anything else does, and no more of it than it may have.

    Args:
        app: gets the whole body at once.
        most: bytes for a request; raises ``Refused`` for one whose body is not to be read.
        small: bytes of a body that there is always room for.
        together: bytes of all bodies that are held at a time, until they are answered; larger ones than ``small`` are sent away then.
        seconds: that a body may take: a slow client keeps a connection, and no memory beyond its limit, for no longer.
    """

    def __init__(self, app: ASGIApp, most: Callable[[Scope], int], small: int, together: int, seconds: float) -> None:
        self.app, self.most, self.small, self.together, self.seconds = app, most, small, together, seconds
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(self)
        try:
            whole = await self._whole(body, scope, receive)
            if isinstance(whole, Refused):
                await answer(whole)(scope, receive, send)
            elif whole is not None:
                await self.app(scope, _given(whole, receive), send)
        finally:
            self._held -= body.size

    async def _whole(self, body: _Body, scope: Scope, receive: Receive) -> bytes | Refused | None:
        """The body, or why it is not read; None where the client left."""
        try:
            limit = self.most(scope)
            declared = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
            if declared > limit:
                raise _too_large(limit)
            async with asyncio.timeout(self.seconds):
                return await body.read(receive, limit)
        except TimeoutError:
            return Refused(408, f"The body did not come within {self.seconds:g} s; send it faster.")
        except Refused as error:
            return error


class _Body:
    """One that is read, and counted among those that are held."""

    def __init__(self, among: BodyLimit) -> None:
        self._among, self.size = among, 0

    async def read(self, receive: Receive, limit: int) -> bytes | None:
        """The whole body; None where the client left."""
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            self.size += len(parts[-1])
            self._among._held += len(parts[-1])
            if self.size > limit:
                raise _too_large(limit)
            if self.size > self._among.small and self._among._held > self._among.together:
                raise Refused(503, "Others are sending as much as the service can hold; try again in 5 s.", "busy", 5)
            if not message.get("more_body", False):
                return b"".join(parts)


def _given(body: bytes, receive: Receive) -> Receive:
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message


def _too_large(limit: int) -> Refused:
    return Refused(413, f"The body is larger than {limit:,} bytes, the most that this path takes; send less.", "too_large")
