"""Requests that no service should be hurt by: malformed, oversized, endless, of clients that leave or dawdle."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import numpy as np
import soundfile

LEFT = 0
"""In place of a status: who leaves gets none."""
SLOW = 4
"""Clients that send a byte a second, all the time."""


@dataclass(frozen=True)
class Target:
    """The service."""

    http: httpx.AsyncClient
    host: str
    port: str
    speaker: str

    def head(self, path: str = "/v1/tts", method: str = "POST", **headers: str) -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.host}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def body(self, **changes: object) -> bytes:
        return json.dumps({"text": "Hello there", "speaker_id": self.speaker} | changes).encode()


@dataclass(frozen=True)
class Bad:
    """How to ask, and what may come of it."""

    meant: tuple[int, ...]
    ask: Callable[[Target, random.Random], Awaitable[int]]


BAD: dict[str, Bad] = {}


def bad(*meant: int) -> Callable[[Callable[[Target, random.Random], Awaitable[int]]], None]:
    """Keeps a way to ask under its function's name."""

    def keep(ask: Callable[[Target, random.Random], Awaitable[int]]) -> None:
        BAD[ask.__name__.strip("_").replace("_", " ")] = Bad(meant, ask)

    return keep


async def _posted(target: Target, content: bytes, kind: str = "application/json", path: str = "/v1/tts") -> int:
    return (await target.http.post(path, content=content, headers={"Content-Type": kind})).status_code


async def _enrolled(target: Target, drawn: random.Random, content: bytes, name: str = "clip.wav", speaker: str = "") -> int:
    form = {"speaker_id": speaker or f"bad{drawn.randrange(10**9)}", "consent": "None."}
    return (await target.http.post("/v1/speakers", data=form, files=[("clips", (name, content, "audio/wav"))])).status_code


async def _raw(target: Target, *parts: bytes, read: bool = True) -> int:
    """Bytes as they are, and the status of the answer; ``LEFT`` where none is waited for, or the service ended the connection."""
    reader, writer = await asyncio.open_connection(target.host, int(target.port))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if not read:
            return LEFT
        line = await reader.readline()
        return int(line.split()[1]) if line else LEFT
    except ConnectionError:
        return LEFT
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@bad(400, 422)
async def _malformed_json(target: Target, drawn: random.Random) -> int:
    content = drawn.choice(
        [b"{", b"", b"[]", b"null", b"\xff\xfe", b'{"text": NaN}', b"[" * 20_000, b"1" * 5000, b'{"a": 1e999}', b'"' + b"a" * 60_000]
    )
    return await _posted(target, content)


@bad(422)
async def _unknown_field(target: Target, drawn: random.Random) -> int:
    return await _posted(target, target.body(**{drawn.choice(["checkpoint", "__proto__", "speaker", "数"]): "/etc/passwd"}))


@bad(422)
async def _wrong_type(target: Target, drawn: random.Random) -> int:
    changes = [
        {"text": 3}, {"text": ["a"]}, {"seed": "1"}, {"seed": 2**70}, {"seed": -1}, {"seed": 0.5}, {"speed": "fast"}, {"speed": 1e308},
        {"stream": "yes"}, {"speaker_id": None}, {"format": "exe"}, {"format": "mp3", "stream": True}, {"language": "fr"},
        {"noise_scale": True},
    ]  # fmt: skip
    return await _posted(target, target.body(**drawn.choice(changes)))


@bad(422)
async def _text_that_cannot_be(target: Target, drawn: random.Random) -> int:
    texts = ["a" * 151, "好" * 5000, "", " ", "Привет", "!?!", "\ud800", "\x00", "😀" * 10, "שלום", "a\u0301" * 76, "\u202e", "ก"]
    return await _posted(target, target.body(text=drawn.choice(texts)))


@bad(404, 422)
async def _unknown_speaker(target: Target, drawn: random.Random) -> int:
    names = ["nobody", "../x", "%2e%2e%2f", "a\x00b", "/etc/passwd", "..\\x", "x" * 200, "x" * 50_000, "\u202e", ".lock", "ana.json"]
    return await _posted(target, target.body(speaker_id=drawn.choice(names)))


@bad(403, 404, 405)
async def _delete_what_is_not_there(target: Target, drawn: random.Random) -> int:
    names = ["../x", "..", ".", "a/b", "nobody", target.speaker, "a\x00b", "x" * 5000, ".lock", "\udcff", "%2e%2e%2f", "é"]
    name = quote(drawn.choice(names), safe="", errors="surrogateescape")
    return await _raw(
        target, target.head(drawn.choice([f"/v1/speakers/{name}", f"/v1/speakers/{name}/", f"/v1/speakers/..%2f{name}"]), "DELETE")
    )


@bad(404, 405)
async def _no_such_path(target: Target, drawn: random.Random) -> int:
    path = drawn.choice(["/nothing", "/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "//", "/v1/../v1/tts/x", "/v1/tts/%00"])
    return await _raw(target, target.head(path, drawn.choice(["GET", "PUT", "PATCH", "TRACE", "BREW"])))


@bad(413)
async def _huge_body(target: Target, drawn: random.Random) -> int:
    return await _raw(target, target.head(Content_Length=str(drawn.choice([70_000, 10**9, 10**18])), Content_Type="application/json"))


@bad(413, LEFT)
async def _endless_chunks(target: Target, _: random.Random) -> int:
    chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    return await _raw(target, target.head(Transfer_Encoding="chunked", Content_Type="application/json"), *[chunk] * 30)


@bad(422)
async def _wrong_content_type(target: Target, drawn: random.Random) -> int:
    return await _posted(
        target, target.body(), drawn.choice(["text/plain", "image/png", "application/x-www-form-urlencoded", "application/octet-stream"])
    )


@bad(400, 422)
async def _form_that_is_none(target: Target, drawn: random.Random) -> int:
    kind = drawn.choice(["multipart/form-data", "multipart/form-data; boundary=x", "application/json", "text/plain"])
    content = drawn.choice([b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=clips\r\n\r\n", b"--x--\r\n", b"\x00" * 100])
    return await _posted(target, content, kind, "/v1/speakers")


@bad(422, 503)
async def _clip_that_is_none(target: Target, drawn: random.Random) -> int:
    beginnings = [b"RIFF\xff\xff\xff\xffWAVEfmt ", b"fLaC", b"OggS", b"ID3\x04", b"\xff\xfb\x90", b"", b"MZ", b"PK\x03\x04", b"RF64"]
    return await _enrolled(
        target, drawn, drawn.choice(beginnings) + drawn.randbytes(drawn.randrange(2000)), drawn.choice(["a.wav", "../a.exe", "a" * 300])
    )


@bad(422, 503)
async def _bomb(target: Target, drawn: random.Random) -> int:
    """An hour of silence in some kB: more than may be decoded."""
    return await _enrolled(target, drawn, _packed(drawn.choice([70.0, 3600.0])), "bomb.flac")


@bad(422, 503)
async def _truncated_clip(target: Target, drawn: random.Random) -> int:
    return await _enrolled(target, drawn, _packed(20.0)[: drawn.randrange(40, 120)], "cut.flac")


@bad(422, 503)
async def _name_that_is_none(target: Target, drawn: random.Random) -> int:
    return await _enrolled(
        target, drawn, _packed(5.0), speaker=drawn.choice(["../x", "a/b", ".hidden", "a\x00b", "x" * 300, "x\n", "..", "‮x"])
    )


@bad(200, 400, 404, 422, LEFT)
async def _hardly_http(target: Target, drawn: random.Random) -> int:
    lines = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
        target.head(Content_Length="abc"), target.head(Content_Length="-1"), target.head(Transfer_Encoding="zip"),
        target.head(X="a" * 100_000), target.head("/" + "a" * 100_000),
    ]  # fmt: skip
    return await _raw(target, drawn.choice(lines))


@bad(LEFT)
async def _leaves_before_the_answer(target: Target, drawn: random.Random) -> int:
    body = target.body(stream=drawn.random() < 0.5, seed=drawn.randrange(10**9))
    whole = target.head(Content_Length=str(len(body)), Content_Type="application/json") + body
    return await _raw(target, whole[: drawn.choice([1, 30, len(whole) - 5, len(whole), len(whole)])], read=False)


@bad(200, 503)
async def _leaves_within_the_answer(target: Target, drawn: random.Random) -> int:
    body = target.body(stream=True, format="wav", seed=drawn.randrange(10**9), speed=0.25)
    return await _raw(target, target.head(Content_Length=str(len(body)), Content_Type="application/json") + body)


async def kept_busy(target: Target) -> None:
    """Clients that send a byte a second, until it is cancelled: each is ended in time, and another one comes."""
    body = target.body()
    head = target.head(Content_Length=str(len(body)), Content_Type="application/json")
    # Half of them dawdle over the head, half over the body.
    await asyncio.gather(
        *(_dawdles(target, b"", head + body) for _ in range(SLOW // 2)), *(_dawdles(target, head, body) for _ in range(SLOW // 2))
    )


async def _dawdles(target: Target, at_once: bytes, slowly: bytes) -> None:
    while True:
        reader, writer = await asyncio.open_connection(target.host, int(target.port))
        with suppress(ConnectionError):
            writer.write(at_once)
            for place in range(len(slowly)):
                if reader.at_eof():
                    break
                writer.write(slowly[place : place + 1])
                await writer.drain()
                await asyncio.sleep(1)
        writer.close()


_PACKED: dict[float, bytes] = {}


def _packed(seconds: float) -> bytes:
    """Silence as FLAC: some kB an hour."""
    if seconds not in _PACKED:
        file = io.BytesIO()
        soundfile.write(file, np.zeros(round(seconds * 16000), np.int16), 16000, format="FLAC")
        _PACKED[seconds] = file.getvalue()
    return _PACKED[seconds]
