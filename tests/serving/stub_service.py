"""The service as its page sees it, from memory: no model, every answer planned, every request kept."""

from __future__ import annotations

import base64
import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from sovits.audio.waveform import encode_waveform, pcm16

RATE = 22050
MOST_CHARACTERS = 150
STRICT = "default-src 'self'; media-src blob: data:; img-src 'self' data:"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


@dataclass
class StubSpeaker:
    """A voice as GET /v1/speakers tells of it."""

    id: str
    origin: str = "model"
    seconds: float | None = None
    clips: int | None = None
    consent: str | None = None
    enrolled_at: str | None = None


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> list[tuple[str, str | None, bytes]]:
        """Name, file's name and content of each part."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + self.body).iter_parts()  # type: ignore[attr-defined]
        return [
            (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_payload(decode=True)) for part in parts
        ]


@dataclass
class StubService:
    """What it answers may be changed at any time."""

    page: Path
    speakers: list[StubSpeaker]
    key: str | None = None
    """That is asked for."""
    delay: float = 0.0
    """s until speech or a voice is ready."""
    refusal: tuple[int, str] | None = None
    """Status and message of the next POST."""
    notes: tuple[str, ...] = ()
    """Of the next enrolment."""
    enrolment: dict[str, float] | None = field(default_factory=lambda: {"clips": 20, "clip_seconds": 60.0, "seconds": 3.0})
    """What a new voice needs."""
    asked: list[Asked] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Paths whose clients went before the answer."""
    address: str = ""

    def last(self, method: str, path: str) -> Asked:
        """The last request of a kind."""
        return [one for one in self.asked if (one.method, one.path) == (method, path)][-1]


@contextmanager
def stub_service(page: Path, *speakers: StubSpeaker) -> Iterator[StubService]:
    """One at an address of its own."""
    service = StubService(page, list(speakers))

    class Handler(_Handler):
        stub = service

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.address = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    stub: StubService

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._keep()
        file = self.stub.page / ("index.html" if self.path == "/" else self.path.removeprefix("/page/"))
        if self.path == "/" or (self.path.startswith("/page/") and file.is_file()):
            self._send(200, file.read_bytes(), KINDS[file.suffix], {"Content-Security-Policy": STRICT})
        elif self._admitted():
            if self.path == "/v1/speakers":
                self._send_json(200, {"speakers": [asdict(one) for one in self.stub.speakers], "enrolment": self.stub.enrolment})
            else:
                self._refuse(404, "Not Found; /docs lists what there is.")

    def do_POST(self) -> None:
        asked = self._keep()
        if not self._admitted() or not self._awaited():
            return
        if self.stub.refusal is not None:
            (status, message), self.stub.refusal = self.stub.refusal, None
            self._refuse(status, message)
        elif self.path == "/v1/tts":
            self._speak(asked.json)
        else:
            self._enrol(asked)

    def do_DELETE(self) -> None:
        self._keep()
        if not self._admitted():
            return
        name = unquote(self.path.removeprefix("/v1/speakers/"))
        found = next((one for one in self.stub.speakers if one.id == name), None)
        if found is None:
            self._refuse(404, f"There is no voice {name!r}.")
        elif found.origin == "model":
            self._refuse(403, f"{name!r} is a voice of the model itself and cannot be deleted.")
        else:
            self.stub.speakers.remove(found)
            self._send(204, b"", None)

    def _keep(self) -> Asked:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.stub.asked.append(Asked(self.command, self.path, self.headers, body))
        return self.stub.asked[-1]

    def _admitted(self) -> bool:
        if self.stub.key is None or self.headers.get("Authorization") == f"Bearer {self.stub.key}":
            return True
        self._refuse(401, "This service asks for a key; send the header `Authorization: Bearer KEY`.")
        return False

    def _awaited(self) -> bool:
        """Whether the client is still there when the answer is ready: nothing can be read of one that left."""
        readable, _, _ = select.select([self.connection], [], [], self.stub.delay)
        if readable and self.connection.recv(1, socket.MSG_PEEK) == b"":
            self.stub.left.append(self.path)
            return False
        return True

    def _speak(self, asked: dict[str, Any]) -> None:
        if (count := len(asked["text"])) > MOST_CHARACTERS:
            return self._refuse(422, f"text has {count} characters and may have {MOST_CHARACTERS}; send it in parts.")
        if asked["speaker_id"] not in {one.id for one in self.stub.speakers}:
            return self._refuse(404, f"There is no speaker {asked['speaker_id']!r}; GET /v1/speakers lists them.")
        samples, words = sounding(asked["text"], asked["speed"])
        name = asked["format"]
        audio = pcm16(samples).tobytes() if name == "pcm" else encode_waveform(samples, RATE, f".{name}")
        seconds = round(len(samples) / RATE, 4)
        whole = [{"text": asked["text"], "start": 0.0, "end": seconds}]
        body = {"format": name, "sample_rate": RATE, "seconds": seconds, "seed": asked["seed"], "sentences": whole, "words": words}
        answer = {"audio": base64.b64encode(audio).decode(), **body, "phones": []}
        return self._send_json(200, answer, {"X-Request-Id": "0123456789abcdef", "X-Seed": str(asked["seed"])})

    def _enrol(self, asked: Asked) -> None:
        fields = {name: content.decode() for name, file, content in asked.form if file is None}
        clips = sum(file is not None for _, file, _ in asked.form)
        name = fields["speaker_id"]
        if name in {one.id for one in self.stub.speakers}:
            return self._refuse(409, f"There is a voice {name!r} already; choose another name, or delete that one first.")
        self.stub.speakers.append(StubSpeaker(name, "enrolled", 12.4, clips, fields["consent"], "2026-05-03T09:15:00+00:00"))
        return self._send_json(201, {"id": name, "seconds": 12.4, "clips": clips, "notes": list(self.stub.notes)})

    def _refuse(self, status: int, message: str) -> None:
        self._send_json(status, {"error": {"message": message, "type": "invalid_request_error", "code": None}})

    def _send_json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", headers)

    def _send(self, status: int, body: bytes, kind: str | None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (({"Content-Type": kind} if kind else {}) | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def sounding(text: str, speed: float) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """[T_samples] that look like speech, a humming syllable for each two letters, and the words' times."""
    generator = np.random.default_rng(len(text))
    words, parts, now = [], [np.zeros(round(0.12 * RATE))], 0.12
    for word in [part for chunk in text.split() for part in (chunk if ord(chunk[0]) > 0x2E80 else [chunk])]:
        seconds = (0.12 + 0.055 * len(word)) / speed
        time = np.arange(round(seconds * RATE)) / RATE
        syllables = max(1, round(len(word) / 2.5))
        shape = np.abs(np.sin(np.pi * syllables * time / seconds)) ** 0.7 * generator.uniform(0.35, 0.9)
        parts += [shape * np.sin(2 * np.pi * generator.uniform(140, 220) * time), np.zeros(round(0.04 * RATE))]
        words.append({"text": word, "start": round(now, 4), "end": round(now + seconds, 4)})
        now += (len(parts[-2]) + len(parts[-1])) / RATE
    return np.concatenate(parts).astype(np.float32), words
