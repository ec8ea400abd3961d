"""Bodies that are too large or never end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sovits.serving.answers import Refused, answer


class BodyLimit:
    """Reads a request's body before anything else does, and no more of it than it may have.

    Args:
        app: gets the whole body at once.
        most: bytes for a path.
        seconds: that a body may take: a slow client keeps a connection, and no memory beyond its limit, for no longer.
    """

    def __init__(self, app: ASGIApp, most: Callable[[str], int], seconds: float) -> None:
        self.app, self.most, self.seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.most(scope["path"])
        try:
            declared = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
            if declared > limit:
                raise _too_large(limit)
            async with asyncio.timeout(self.seconds):
                body = await _read(receive, limit)
        except TimeoutError:
            told = Refused(408, f"The body did not come within {self.seconds:g} s; send it faster.")
        except Refused as error:
            told = error
        else:
            if body is not None:
                await self.app(scope, _given(body, receive), send)
            return
        await answer(told)(scope, receive, send)


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None where the client left."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
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
