"""Clients that ask a service for speech at the same time, and what they got."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

ENGLISH = (
    "the", "a", "small", "boat", "garage", "letter", "winter", "house", "harbour", "weather", "street", "office", "number", "morning",
    "people", "window", "closes", "early", "late", "on", "at", "in", "before", "after", "nobody", "everyone", "had", "seen", "sold",
    "crossed", "quiet", "old", "last", "and", "or", "when", "where", "because", "opens", "again", "please", "hold", "line", "call",
    "back",
)  # fmt: skip
MANDARIN = (
    "你好",
    "欢迎",
    "致电",
    "客服",
    "中心",
    "请问",
    "有什么",
    "可以",
    "帮您",
    "好的",
    "再见",
    "马上",
    "为您",
    "转接",
    "今天",
    "天气",
)
MOST_CHARACTERS = 150
PATIENCE = 60.0
"""s that an answer may take."""


@dataclass(frozen=True)
class Asked:
    """A request for speech."""

    text: str
    speaker: str
    seed: int
    format: str = "pcm"
    stream: bool = False

    @property
    def body(self) -> bytes:
        """As it is sent."""
        told = {"text": self.text, "speaker_id": self.speaker, "seed": self.seed, "format": self.format, "stream": self.stream}
        return json.dumps(told, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Reply:
    """An answer, or why there is none."""

    asked: Asked
    seconds: float = 0.0
    """From asking to the last byte."""
    first_byte: float = 0.0
    """Seconds from asking to the first byte of sound."""
    content: bytes = b""
    request_id: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Load:
    """What clients got together."""

    replies: list[Reply]
    seconds: float
    """From the first request to the last answer."""


def sentences(drawn: random.Random, count: int, speakers: Sequence[str]) -> list[Asked]:
    """Requests of mixed lengths (one to sixteen words), languages, voices and seeds; every other one as a WAV file."""
    return [
        Asked(_sentence(drawn), drawn.choice(speakers), drawn.randrange(2**31), "wav" if number % 2 else "pcm") for number in range(count)
    ]


def streaming(asked: Sequence[Asked]) -> list[Asked]:
    """The same requests, streamed."""
    return [replace(one, stream=True, format="pcm") for one in asked]


def ask_all(port: int, asked: Sequence[Asked], clients: int) -> Load:
    """All requests by ``clients`` that each ask for the next one as soon as they have an answer."""
    return ask_each(port, [asked], [clients])


def ask_each(port: int, kinds: Sequence[Sequence[Asked]], clients: Sequence[int]) -> Load:
    """Several kinds of requests at the same time, each by as many clients as told."""
    ready = threading.Barrier(sum(clients) + 1)

    def client(requests: Iterator[Asked]) -> list[Reply]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.connect()
        ready.wait()
        replies = [_reply(connection, one) for one in requests]
        connection.close()
        return replies

    with ThreadPoolExecutor(sum(clients)) as pool:
        # Iterators of lists may be drawn from by several threads.
        shared = [iter(list(requests)) for requests in kinds]
        futures = [pool.submit(client, requests) for requests, number in zip(shared, clients, strict=True) for _ in range(number)]
        ready.wait()
        began = time.perf_counter()
        replies = [reply for future in futures for reply in future.result()]
        return Load(replies, time.perf_counter() - began)


def _reply(connection: http.client.HTTPConnection, asked: Asked) -> Reply:
    began = time.perf_counter()
    try:
        connection.request("POST", "/v1/tts", asked.body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        first = response.read1(65536)
        first_byte = time.perf_counter() - began
        content = first + response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Reply(asked, error=f"{type(error).__name__}: {error}")
    told = None if response.status == 200 else f"{response.status}: {content[:200].decode(errors='replace')}"
    return Reply(asked, time.perf_counter() - began, first_byte, content, response.headers.get("X-Request-Id", ""), told)


def _sentence(drawn: random.Random) -> str:
    """English, Mandarin, or both."""
    words, kind = drawn.randint(1, 16), drawn.random()
    english, mandarin = drawn.choices(ENGLISH, k=words), drawn.choices(MANDARIN, k=words)
    half = words // 2
    if kind < 0.6:
        text = " ".join(english) + "."
    elif kind < 0.8:
        text = "".join(mandarin) + "。"
    else:
        text = " ".join(english[half:]) + "，" + "".join(mandarin[: half + 1])
    return text[:MOST_CHARACTERS]
