"""Clients that send or read too slowly, over real sockets: each is ended, and the others do not wait for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from sovits.serving.connections import patient

LARGE = 2**24
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Client]]


async def app(scope: Any, _: Any, send: Any) -> None:
    """Answers "yes", to /large with more than any buffer holds, to /slow late."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.6)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % (LARGE if "large" in scope["path"] else 3))]}
    )
    if scope["path"] == "/large":
        for number in range(16):
            await send({"type": "http.response.body", "body": bytes(LARGE // 16), "more_body": number < 15})
    else:
        await send({"type": "http.response.body", "body": b"yes"})


def tried(scene: Callable[[Connect], Awaitable[None]]) -> uvicorn.Server:
    """Runs ``scene`` beside a server that waits 0.3 s for heads and readers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, lifespan="off", http=patient(0.3, 0.3))  # type: ignore[arg-type]
        server = uvicorn.Server(config)

        async def connect() -> Client:
            return await asyncio.open_connection(*listening.getsockname())

        async def run() -> None:
            serving = asyncio.create_task(server.serve([listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            await asyncio.wait_for(scene(connect), 20)
            assert not server.server_state.connections
            server.should_exit = True
            await serving

        asyncio.run(run())
    return server


async def answered(client: Client, asked: bytes = GET) -> bytes:
    reader, writer = client
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    return await reader.readexactly(3)


async def ended(client: Client) -> bytes:
    """What still comes until the service ends the connection."""
    rest = b""
    with suppress(ConnectionError):
        rest = await client[0].read()
    client[1].close()
    return rest


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: here\r\nX-Slow: y"])
def test_a_head_that_does_not_come(beginning: bytes) -> None:
    async def scene(connect: Connect) -> None:
        slow = await connect()
        slow[1].write(beginning)
        client = await connect()
        assert await answered(client) == b"yes"
        assert await ended(slow) == b""
        # That of the second request on a connection too.
        client[1].write(beginning or b"G")
        assert await ended(client) == b""

    tried(scene)


def test_a_head_that_comes_byte_by_byte() -> None:
    async def scene(connect: Connect) -> None:
        slow, began = await connect(), asyncio.get_running_loop().time()
        with suppress(ConnectionError):
            for place in range(len(GET)):
                slow[1].write(GET[place : place + 1])
                await slow[1].drain()
                await asyncio.sleep(0.05)
        assert asyncio.get_running_loop().time() - began < 1.4
        assert await ended(slow) == b""

    tried(scene)


def test_who_waits_for_an_answer_is_not_ended() -> None:
    async def scene(connect: Connect) -> None:
        client = await connect()
        for _ in range(2):
            assert await answered(client, GET.replace(b"/ ", b"/slow ")) == b"yes"
        client[1].close()
        await asyncio.sleep(0.1)

    tried(scene)


def test_an_answer_that_is_not_read() -> None:
    async def scene(connect: Connect) -> None:
        slow = await connect()
        slow[1].transport.pause_reading()  # type: ignore[attr-defined]
        slow[1].write(GET.replace(b"/ ", b"/large "))
        client = await connect()
        assert await answered(client) == b"yes"
        client[1].close()
        await asyncio.sleep(1.0)
        slow[1].transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await ended(slow)) < LARGE

    tried(scene)


def test_an_answer_that_is_read_is_whole() -> None:
    async def scene(connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET.replace(b"/ ", b"/large "))
        await reader.readuntil(b"\r\n\r\n")
        assert len(await reader.readexactly(LARGE)) == LARGE
        writer.close()
        await asyncio.sleep(0.1)

    tried(scene)
