"""Bodies that are too large, too slow, or never end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from sovits.serving.body_limit import BodyLimit

LIMIT = 10


async def echo(_: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body, and with what comes after it."""
    message = await receive()
    assert not message["more_body"]
    after = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"] + after["type"].encode()})


def asked(messages: Iterable[Message], headers: Iterable[tuple[bytes, bytes]] = (), seconds: float = 5.0) -> tuple[int, bytes]:
    """Status and body of the answer to a request that comes in ``messages``, and then never ends; (0, b"") for none."""

    async def scene() -> tuple[int, bytes]:
        coming, sent = iter(messages), []

        async def receive() -> Message:
            for message in coming:
                return message
            await asyncio.sleep(60)
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        app = BodyLimit(echo, most=lambda path: LIMIT if path == "/small" else 100, seconds=seconds)
        await app({"type": "http", "path": "/small", "headers": list(headers), "method": "POST"}, receive, send)
        if not sent:
            return 0, b""
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    return asyncio.run(scene())


def body(content: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


LEFT: Message = {"type": "http.disconnect"}


def test_a_body_in_pieces_arrives_whole() -> None:
    assert asked([body(b"12345", True), body(b"", True), body(b"67890"), LEFT]) == (200, b"1234567890http.disconnect")


@pytest.mark.parametrize(
    ("messages", "headers"),
    [
        ([body(b"x" * 11)], []),
        ([body(b"x" * 6, True), body(b"x" * 6, True)], []),
        # Nothing is read of what says that it is too large.
        ([], [(b"content-length", b"11")]),
    ],
)
def test_more_than_may_be_is_refused_at_once(messages: list[Any], headers: list[Any]) -> None:
    status, answer = asked(messages, headers)
    assert status == 413
    assert "larger than 10 bytes" in json.loads(answer)["error"]["message"]


def test_a_body_that_does_not_come() -> None:
    status, answer = asked([body(b"x", True)], seconds=0.05)
    assert status == 408
    assert "within 0.05 s" in json.loads(answer)["error"]["message"]


def test_nobody_is_answered_who_left() -> None:
    assert asked([body(b"x", True), LEFT]) == (0, b"")
