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


def asked(
    messages: Iterable[Message], headers: Iterable[tuple[bytes, bytes]] = (), seconds: float = 5.0, together: int = 100
) -> tuple[int, bytes]:
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

        app = BodyLimit(echo, most=lambda scope: LIMIT if scope["path"] == "/small" else 100, small=4, together=together, seconds=seconds)
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


def test_more_than_can_be_held_is_sent_away_but_small_ones_are_not() -> None:
    assert asked([body(b"1234"), LEFT], together=3)[0] == 200
    status, answer = asked([body(b"12345")], together=3)
    assert status == 503
    assert "try again in 5 s" in json.loads(answer)["error"]["message"]


def test_what_was_held_is_forgotten_with_its_answer() -> None:
    app = BodyLimit(echo, most=lambda _: 100, small=4, together=10, seconds=5.0)

    async def scene(messages: list[Message]) -> int:
        coming, sent = iter(messages), []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return next(coming)

        await app({"type": "http", "path": "/", "headers": [], "method": "POST"}, receive, send)
        return sent[0]["status"] if sent else 0

    for _ in range(3):
        assert asyncio.run(scene([body(b"x" * 9), LEFT])) == 200
        assert asyncio.run(scene([body(b"x" * 11), LEFT])) == 503
        assert asyncio.run(scene([body(b"x" * 9, True), LEFT])) == 0


def test_nobody_is_answered_who_left() -> None:
    assert asked([body(b"x", True), LEFT]) == (0, b"")
