"""The service over HTTP when much is asked at once, clients leave, and things break."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from sovits.serving.app import create_app
from sovits.serving.service import Service
from sovits.voice import Request, Voice
from tests.serving.in_process import heard, logged, service_of


class Held:
    """A model that waits for leave."""

    def __init__(self, service: Service) -> None:
        self.leave, self.began = threading.Event(), threading.Event()
        self._work = service.batcher._work
        service.batcher._work = self

    def __call__(self, requests: Sequence[Request]) -> Any:
        self.began.set()
        assert self.leave.wait(20)
        return self._work(requests)


def test_many_at_once_each_in_its_own_voice(client: TestClient, voice: Voice, tmp_path: Path) -> None:
    asked = [(text, speaker, seed) for text in ("hello there", "好的", "one two three") for speaker in ("ana", "bo") for seed in range(3)]
    with ThreadPoolExecutor(9) as pool:

        def ask(one: tuple[str, str, int]) -> np.ndarray:
            answer = client.post("/v1/tts", json=dict(zip(("text", "speaker_id", "seed"), one, strict=True)))
            assert answer.status_code == 200
            return heard(answer.content)

        sounds = list(pool.map(ask, asked))
    for (text, speaker, seed), samples in zip(asked, sounds, strict=True):
        np.testing.assert_allclose(samples, np.clip(voice.speak(text, speaker, seed=seed).samples, -1, 1), atol=2e-4)
    assert max(row["batch"] for row in logged(tmp_path)) > 1


def test_a_full_queue_and_a_deadline(checkpoint: Path, tmp_path: Path) -> None:
    one_by_one = ("batching.max_batch=1", "batching.workers=1", "batching.max_queue=1")
    service = service_of(checkpoint, tmp_path, *one_by_one, "limits.deadline=0.5")
    held = Held(service)
    with TestClient(create_app(service)) as client, ThreadPoolExecutor(2) as pool:
        ask = lambda seed: client.post("/v1/tts", json={"text": "hello", "speaker_id": "ana", "seed": seed})  # noqa: E731
        first = pool.submit(ask, 1)
        assert held.began.wait(10)
        second = pool.submit(ask, 2)
        while not service.batcher.waiting:
            pass
        refused = ask(3)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"] == {"message": refused.json()["error"]["message"], "type": "server_error", "code": "busy"}
        assert [one.result().status_code for one in (first, second)] == [504, 504]
        held.leave.set()
    assert sorted(row["status"] for row in logged(tmp_path)) == [503, 504, 504]


def test_what_breaks_inside_is_not_told_outside(client: TestClient, service: Service, tmp_path: Path) -> None:
    def broken(_: Sequence[Request]) -> Any:
        raise RuntimeError("/secret/path")

    service.batcher._work = broken
    answer = client.post("/v1/tts", json={"text": "hello", "speaker_id": "ana"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "RuntimeError: /secret/path" in logged(tmp_path)[0]["error"]


def test_a_stream_whose_client_left_at_once_gives_its_place_back(checkpoint: Path, tmp_path: Path) -> None:
    service = service_of(checkpoint, tmp_path, "limits.streams=1")
    app = create_app(service)
    body = json.dumps({"text": "hello", "speaker_id": "ana", "stream": True}).encode()
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/tts", "headers": headers, "query_string": b"", "app": app}

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_: Any) -> None:
        raise OSError("the connection is gone")

    async def scene() -> None:
        async with app.router.lifespan_context(app):
            for _ in range(3):
                with contextlib.suppress(Exception):
                    await app(scope | {"asgi": {"spec_version": "2.4"}}, receive, send)
                assert not service.streams.locked()

    asyncio.run(scene())
    assert [row["status"] for row in logged(tmp_path)] == [499, 499, 499]


def test_a_client_that_leaves_is_not_waited_for(checkpoint: Path, tmp_path: Path) -> None:
    service = service_of(checkpoint, tmp_path, "batching.max_batch=1", "batching.workers=1")
    held = Held(service)
    app = create_app(service)
    body = json.dumps({"text": "hello", "speaker_id": "ana"}).encode()

    async def ask(leaves: asyncio.Event) -> list[Any]:
        messages, sent = [{"type": "http.request", "body": body, "more_body": False}], []

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await leaves.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/tts", "headers": headers, "query_string": b"", "app": app}
        await app(scope, receive, send)
        return sent

    async def scene() -> None:
        async with app.router.lifespan_context(app):
            stays, leaves = asyncio.Event(), asyncio.Event()
            first = asyncio.create_task(ask(stays))
            await asyncio.to_thread(held.began.wait, 10)
            second = asyncio.create_task(ask(leaves))
            while not service.batcher.waiting:
                await asyncio.sleep(0.01)
            leaves.set()
            await second
            assert service.batcher.waiting == 0
            held.leave.set()
            assert (await first)[0]["status"] == 200

    asyncio.run(scene())
    assert [row["status"] for row in logged(tmp_path)] == [499, 200]


def test_streams_are_bounded_and_end_with_their_client(checkpoint: Path, tmp_path: Path) -> None:
    service = service_of(checkpoint, tmp_path, "limits.streams=1")
    with TestClient(create_app(service)) as client:
        asked = {"text": "hello", "speaker_id": "ana", "stream": True}
        service.streams._value = 0
        refused = client.post("/v1/tts", json=asked)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        service.streams._value = 1
        for _ in range(3):
            assert client.post("/v1/tts", json=asked).status_code == 200
        # A text that cannot be read gives its place back too.
        assert client.post("/v1/tts", json=asked | {"text": "Привет"}).status_code == 422
        assert client.post("/v1/tts", json=asked).status_code == 200


def test_streams_have_the_deadline_too(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = service_of(checkpoint, tmp_path, "limits.deadline=0.3", "limits.streams=1")
    leave = threading.Event()
    stream = service.speaking.voice.stream_sentence

    def slow(request: Request) -> Iterator[np.ndarray]:
        assert leave.wait(20)
        yield from stream(request)

    asked = {"text": "hello", "speaker_id": "ana", "stream": True}
    with TestClient(create_app(service)) as client:
        monkeypatch.setattr(service.speaking.voice, "stream_sentence", slow)
        assert client.post("/v1/tts", json=asked).status_code == 504
        # Its thread still works: the place is not free.
        assert client.post("/v1/tts", json=asked).status_code == 503
        leave.set()
        until = time.monotonic() + 10
        while service.streams.locked():
            assert time.monotonic() < until
            time.sleep(0.01)
        monkeypatch.undo()
        assert client.post("/v1/tts", json=asked).status_code == 200
    assert [row["status"] for row in logged(tmp_path)] == [504, 503, 200]


def test_a_stream_that_stops_in_the_middle_is_cut_and_told(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = service_of(checkpoint, tmp_path, "limits.deadline=0.3")
    leave = threading.Event()

    def half(_: Request) -> Iterator[np.ndarray]:
        yield np.zeros(10, np.float32)
        assert leave.wait(20)

    monkeypatch.setattr(service.speaking.voice, "stream_sentence", half)
    with TestClient(create_app(service)) as client:
        with pytest.raises(Exception, match="not ready within|already started"):
            client.post("/v1/tts", json={"text": "hello", "speaker_id": "ana", "stream": True, "format": "pcm"})
        leave.set()
    (row,) = logged(tmp_path)
    assert (row["status"], row["stream"]) == (504, True)
    assert "TooLate" in row["error"]


def test_full_disks(client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/secret/path")

    monkeypatch.setattr(service.shelf, "require_new", full)
    form = {"speaker_id": "bea", "consent": "yes"}
    answer = client.post("/v1/speakers", data=form, files=[("clips", ("a.wav", b"no sound", "audio/wav"))])
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
    assert "secret" not in answer.text
    assert "/secret/path" in caplog.text
    # Where large uploads go while they are read.
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", full)
    answer = client.post("/v1/speakers", data=form, files=[("clips", ("a.wav", bytes(2**21), "audio/wav"))])
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
