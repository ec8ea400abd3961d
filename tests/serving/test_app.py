"""The service over HTTP: what it answers to good and to bad requests, alone and at once."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import soundfile
import torch
from fastapi.testclient import TestClient

from sovits.errors import SovitsError
from sovits.serving.app import create_app
from sovits.serving.service import Service
from sovits.verbs.serve import build_service
from sovits.voice import Request, Voice
from tests.any_texts import any_texts
from tests.builders import SAMPLE_RATE
from tests.checkpoints import tiny_checkpoint
from tests.conftest import REPOSITORY
from tests.serving.running import recording

TEXT = "Hello，欢迎致电客服中心"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    torch.save(tiny_checkpoint(), path)
    return path


@pytest.fixture(scope="module")
def voice(checkpoint: Path) -> Voice:
    return Voice.load(checkpoint)


def service_of(checkpoint: Path, folder: Path, *overrides: str) -> Service:
    """A service as the command line builds it."""
    given = [f"checkpoint={checkpoint}", f"log.file={folder / 'requests.jsonl'}", "gate=off", *overrides]
    with hydra.initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        return build_service(hydra.compose("serve", given))


@pytest.fixture
def service(checkpoint: Path, tmp_path: Path) -> Service:
    return service_of(checkpoint, tmp_path, f"bank={tmp_path / 'bank'}")


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One of all tests that leave the service as it was."""
    folder = tmp_path_factory.mktemp("shared")
    with TestClient(create_app(service_of(checkpoint, folder, f"bank={folder / 'bank'}")), raise_server_exceptions=False) as opened:
        yield opened


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()]


def heard(content: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert rate == SAMPLE_RATE
    return samples


def test_a_text_in_a_voice(client: TestClient, voice: Voice, tmp_path: Path) -> None:
    answer = client.post("/v1/tts", json={"text": TEXT, "speaker_id": "bo", "seed": 4, "speed": 1.5, "noise_scale": 0.3})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/wav"
    wanted = voice.speak(TEXT, "bo", seed=4, speed=1.5, noise_scale=0.3)
    np.testing.assert_allclose(heard(answer.content), np.clip(wanted.samples, -1, 1), atol=1e-4)
    assert float(answer.headers["x-audio-seconds"]) == pytest.approx(wanted.seconds, abs=1e-4)
    assert answer.headers["x-seed"] == "4"
    (row,) = logged(tmp_path)
    assert row["request_id"] == answer.headers["x-request-id"]
    expected = {"status": 200, "speaker": "bo", "characters": len(TEXT), "languages": ["en", "zh"], "seed": 4, "batch": 1, "error": None}
    assert {name: row[name] for name in expected} == expected
    assert row["real_time_factor"] > 0
    assert "text" not in row


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "pcm"])
def test_every_format(shared: TestClient, voice: Voice, name: str) -> None:
    answer = shared.post("/v1/tts", json={"text": "hello", "speaker_id": "ana", "format": name})
    assert answer.status_code == 200
    wanted = voice.speak("hello", "ana").samples
    if name == "pcm":
        assert np.abs(np.frombuffer(answer.content, "<i2") / 32768 - np.clip(wanted, -1, 1)).max() < 1e-4
    else:
        assert len(heard(answer.content)) >= len(wanted)


def test_opus_is_told_its_rate(shared: TestClient) -> None:
    answer = shared.post("/v1/tts", json={"text": "hello", "speaker_id": "ana", "format": "opus"})
    assert answer.headers["content-type"] == "audio/ogg"
    assert soundfile.info(io.BytesIO(answer.content)).subtype == "OPUS"


def test_times_of_words(shared: TestClient, voice: Voice) -> None:
    told = shared.post("/v1/tts", json={"text": TEXT, "speaker_id": "ana", "timestamps": True}).json()
    speech = voice.speak(TEXT, "ana")
    assert [word["text"] for word in told["words"]] == [word.text for word in speech.words]
    assert told["words"][1]["start"] == pytest.approx(speech.words[1].start, abs=1e-3)
    assert len(heard(base64.b64decode(told["audio"]))) == len(speech.samples)


@pytest.mark.parametrize("name", ["wav", "pcm"])
def test_a_stream_is_the_same_audio(client: TestClient, voice: Voice, tmp_path: Path, name: str) -> None:
    asked = {"text": "a longer sentence to be said", "speaker_id": "ana", "speed": 0.25, "format": name, "stream": True}
    with client.stream("POST", "/v1/tts", json=asked) as answer:
        pieces = list(answer.iter_raw())
    assert answer.status_code == 200
    assert len(pieces) > 1
    content = b"".join(pieces)
    if name == "wav":
        assert (content[:4], content[8:16]) == (b"RIFF", b"WAVEfmt ")
        content = content[44:]
    wanted = voice.speak("a longer sentence to be said", "ana", speed=0.25)
    assert np.abs(np.frombuffer(content, "<i2") / 32768 - np.clip(wanted.samples, -1, 1)).max() < 2e-4
    (row,) = logged(tmp_path)
    assert (row["stream"], row["status"]) == (True, 200)
    assert row["audio_seconds"] == pytest.approx(wanted.seconds, abs=1e-3)


def test_openai_s_words(shared: TestClient, voice: Voice) -> None:
    asked = {"model": "tts-1", "input": "hello", "voice": "ana", "response_format": "wav", "speed": 2.0, "instructions": "cheerful"}
    answer = shared.post("/v1/audio/speech", json=asked)
    assert answer.status_code == 200
    np.testing.assert_allclose(heard(answer.content), np.clip(voice.speak("hello", "ana", speed=2.0).samples, -1, 1), atol=1e-4)
    assert shared.post("/v1/audio/speech", json={"model": "x", "input": "hello", "voice": "ana"}).headers["content-type"] == "audio/mpeg"


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"text": "好" * 151}, 422, "text has 151 characters and may have 150"),
        ({"text": ""}, 422, "text: "),
        ({"text": None}, 422, "text: "),
        ({"text": "Привет"}, 422, "script"),
        ({"text": "!?!"}, 422, "punctuation"),
        ({"speaker_id": "anna"}, 404, "no speaker 'anna'"),
        ({"speaker_id": "../../etc/passwd"}, 404, "no speaker"),
        ({"speaker_id": 3}, 422, "speaker_id: "),
        ({"speed": 9}, 422, "speed: "),
        ({"seed": -1}, 422, "seed: "),
        ({"seed": 2**53}, 422, "seed: "),
        ({"seed": "1"}, 422, "seed: "),
        ({"seed": True}, 422, "seed: "),
        ({"seed": 1.5}, 422, "seed: "),
        ({"speed": "1"}, 422, "speed: "),
        ({"speed": True}, 422, "speed: "),
        ({"stream": "yes"}, 422, "stream: "),
        ({"format": "exe"}, 422, "format: "),
        ({"language": "fr"}, 422, "language: "),
        ({"checkpoint": "/etc/passwd"}, 422, "checkpoint: Extra inputs are not permitted"),
        ({"stream": True, "format": "mp3"}, 422, "stream=true with format=mp3"),
        ({"stream": True, "timestamps": True}, 422, "stream=true with timestamps=true"),
        ({"stream": True, "text": "Привет"}, 422, "script"),
    ],
)
def test_what_is_wrong_is_told(shared: TestClient, changes: dict[str, Any], status: int, message: str) -> None:
    answer = shared.post("/v1/tts", json={"text": "hello", "speaker_id": "ana", **changes})
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]
    assert answer.json()["error"]["type"] == "invalid_request_error"
    # And nothing is broken by it.
    assert shared.post("/v1/tts", json={"text": "hello", "speaker_id": "ana"}).status_code == 200


def test_any_text_is_spoken_or_refused(shared: TestClient) -> None:
    statuses = []
    for text in any_texts(seed=2, count=60):
        # As ASCII, so that also what is no Unicode is sent.
        content = json.dumps({"text": text, "speaker_id": "ana"})
        answer = shared.post("/v1/tts", content=content, headers={"Content-Type": "application/json"})
        statuses.append(answer.status_code)
        if answer.status_code == 200:
            assert len(heard(answer.content)) > 0
        else:
            assert answer.json()["error"]["message"]
    assert set(statuses) == {200, 422}


def test_exactly_as_many_characters_as_may_be(shared: TestClient) -> None:
    assert shared.post("/v1/tts", json={"text": "a" + "好" * 149, "speaker_id": "ana"}).status_code == 200


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"text": NaN}', b"null", b"1" * 5000, b'{"text": "\\ud800", "speaker_id": "ana"}']
)
def test_bodies_that_are_no_request(shared: TestClient, content: bytes) -> None:
    answer = shared.post("/v1/tts", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]


def test_paths_and_methods_that_are_not_there(shared: TestClient) -> None:
    for method, path, status in (
        ("GET", "/v1/tts", 405),
        ("GET", "/nothing", 404),
        ("GET", "/page/../app.py", 404),
        ("PUT", "/v1/speakers", 405),
    ):
        answer = shared.request(method, path)
        assert answer.status_code == status
        assert answer.headers.get("allow") == {"/v1/tts": "POST", "/v1/speakers": "GET, POST"}.get(path)
        assert answer.json()["error"]["message"].endswith("/docs lists what there is.")


def test_too_large_a_body(shared: TestClient) -> None:
    answer = shared.post("/v1/tts", content=b"x" * 70_000)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_a_repeated_request_is_answered_from_memory(client: TestClient, tmp_path: Path) -> None:
    asked = {"text": "hello", "speaker_id": "ana", "seed": 5}
    first, second = (client.post("/v1/tts", json=asked).content for _ in range(2))
    assert first == second
    assert [row["cached"] for row in logged(tmp_path)] == [False, True]
    assert "sovits_cached_total 1.0" in client.get("/metrics").text


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


def test_keys_are_asked_for_and_limited(checkpoint: Path, tmp_path: Path) -> None:
    from sovits.serving.access import new_key

    key = new_key("alice", tmp_path / "keys.txt")
    service = service_of(
        checkpoint, tmp_path, f"api_keys={tmp_path / 'keys.txt'}", "requests_per_minute=3", "host=0.0.0.0", "log.text=true"
    )
    with TestClient(create_app(service)) as client:
        body = {"text": "hello", "speaker_id": "ana"}
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": key}, {"Authorization": f"Basic {key}"}):
            answer = client.post("/v1/tts", json=body, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.json()["error"]["type"] == "authentication_error"
        for path in ("/v1/speakers", "/metrics"):
            assert client.get(path).status_code == 401
        for path in ("/health", "/ready", "/openapi.json"):
            assert client.get(path).status_code == 200
        headers = {"Authorization": f"Bearer {key}"}
        assert [client.post("/v1/tts", json=body, headers=headers).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = client.get("/v1/speakers", headers=headers)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert [(row["key"], row["text"]) for row in logged(tmp_path)] == [("alice", "hello")] * 3


def test_states(service: Service) -> None:
    client = TestClient(create_app(service))
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").status_code == 503
    with client:
        assert client.get("/ready").json() == {"status": "ready"}
        client.post("/v1/tts", json={"text": "hello", "speaker_id": "ana"})
        told = client.get("/metrics").text
        assert 'sovits_requests_total{status="200"} 1.0' in told
        assert "sovits_voices 2.0" in told
        assert "sovits_queue_length 0.0" in told
    assert client.get("/ready").status_code == 503
    assert client.post("/v1/tts", json={"text": "hello", "speaker_id": "ana"}).status_code == 503


def test_the_description_is_whole(shared: TestClient) -> None:
    described = shared.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/v1/tts",
        "/v1/audio/speech",
        "/v1/speakers",
        "/v1/speakers/{speaker_id}",
        "/health",
        "/ready",
        "/metrics",
    }
    answers = described["paths"]["/v1/tts"]["post"]["responses"]
    assert set(answers) == {"200", "400", "404", "408", "413", "422", "500", "503", "504", "507"}
    assert {"audio/wav", "audio/ogg", "application/json"} <= set(answers["200"]["content"])
    assert answers["422"]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorAnswer")
    assert "securitySchemes" not in described["components"]


def test_the_description_of_a_service_with_keys(checkpoint: Path, tmp_path: Path) -> None:
    from sovits.serving.access import new_key

    new_key("alice", tmp_path / "keys.txt")
    app = create_app(service_of(checkpoint, tmp_path, f"api_keys={tmp_path / 'keys.txt'}"))
    described = app.openapi()
    assert described["components"]["securitySchemes"]
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert ("security" in operation) == ({"401", "429"} <= set(operation["responses"])) == (path not in ("/health", "/ready"))


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


def test_a_limit_for_keys_that_are_not_there_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match="requests_per_minute=3 counts those of each key"):
        service_of(checkpoint, tmp_path, "requests_per_minute=3")


def test_the_docs_need_no_network(shared: TestClient) -> None:
    page = shared.get("/docs").text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(addresses) >= 2
    for address in addresses:
        assert address.startswith("/")
        assert shared.get(address).status_code == 200


def test_a_voice_is_enrolled_spoken_with_and_taken_away(client: TestClient, voice: Voice, tmp_path: Path) -> None:
    clips = [("clips", ("a.flac", recording(), "audio/flac")), ("clips", ("b.txt", b"no sound", "text/plain"))]
    form = {"speaker_id": "Bea 2", "consent": " Bea agreed on 3 May 2026. "}
    made = client.post("/v1/speakers", data=form, files=clips)
    assert made.status_code == 201
    told = made.json()
    assert (told["id"], told["clips"]) == ("Bea 2", 1)
    assert told["seconds"] > 3
    assert told["notes"][0].startswith("b.txt: ")
    speakers = {one["id"]: one for one in client.get("/v1/speakers").json()["speakers"]}
    assert set(speakers) == {"Bea 2", "ana", "bo"}
    assert (speakers["Bea 2"]["origin"], speakers["Bea 2"]["consent"]) == ("enrolled", "Bea agreed on 3 May 2026.")
    assert speakers["ana"]["origin"] == "model"
    spoken = client.post("/v1/tts", json={"text": "hello", "speaker_id": "Bea 2"})
    embedding = torch.from_numpy(np.load(tmp_path / "bank" / "Bea 2.npy"))
    wanted = np.clip(voice.speak("hello", embedding).samples, -1, 1)
    np.testing.assert_allclose(heard(spoken.content), wanted, atol=1e-4)
    assert client.post("/v1/speakers", data=form, files=clips).status_code == 409
    assert client.delete("/v1/speakers/Bea 2").status_code == 204
    assert client.delete("/v1/speakers/Bea 2").status_code == 404
    assert client.delete("/v1/speakers/ana").status_code == 403
    assert client.post("/v1/tts", json={"text": "hello", "speaker_id": "Bea 2"}).status_code == 404


@pytest.mark.parametrize(
    ("form", "files", "message"),
    [
        ({"speaker_id": "bea"}, True, "consent: Field required"),
        ({"speaker_id": "bea", "consent": "   "}, True, "consent is empty"),
        ({"consent": "yes"}, True, "speaker_id: Field required"),
        ({"speaker_id": "bea", "consent": "yes"}, False, "clips: "),
        ({"speaker_id": "../bea", "consent": "yes"}, True, "cannot be a speaker's name"),
        ({"speaker_id": "bea", "consent": "yes"}, True, "No clip can be used. a.wav: "),
    ],
)
def test_enrolments_that_cannot_be(client: TestClient, tmp_path: Path, form: dict[str, str], files: bool, message: str) -> None:
    answer = client.post("/v1/speakers", data=form, files=[("clips", ("a.wav", b"no sound", "audio/wav"))] if files else None)
    assert answer.status_code == 422
    assert message in answer.json()["error"]["message"]
    assert list((tmp_path / "bank").glob("[!.]*")) == []


def test_enrolments_that_wait_are_bounded(client: TestClient, service: Service) -> None:
    service.enrolments._value = 0
    form = {"speaker_id": "bea", "consent": "yes"}
    answer = client.post("/v1/speakers", data=form, files=[("clips", ("a.wav", b"no sound", "audio/wav"))])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_look_at_the_folder_that_fails_is_not_the_last(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = service_of(checkpoint, tmp_path, f"bank={tmp_path / 'bank'}", "limits.refresh_seconds=0.02")
    looks: list[int] = []

    def refresh() -> bool:
        looks.append(1)
        raise RuntimeError("gone")

    monkeypatch.setattr(service.shelf, "refresh", refresh)
    with TestClient(create_app(service)):
        until = time.monotonic() + 10
        while len(looks) < 3:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert "could not be looked at" in caplog.text


def test_a_voice_put_into_the_folder_is_heard_of(checkpoint: Path, tmp_path: Path) -> None:
    service = service_of(checkpoint, tmp_path, f"bank={tmp_path / 'bank'}", "limits.refresh_seconds=0.05")
    with TestClient(create_app(service)) as client:
        np.save(tmp_path / "bank" / "cy.npy", np.ones(service.speaking.voice.embedding_size, np.float32))
        until = time.monotonic() + 10
        while "cy" not in [one["id"] for one in client.get("/v1/speakers").json()["speakers"]]:
            assert time.monotonic() < until
        assert client.post("/v1/tts", json={"text": "hello", "speaker_id": "cy"}).status_code == 200


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


def test_a_large_upload_without_a_key_is_not_read(checkpoint: Path, tmp_path: Path) -> None:
    from sovits.serving.access import new_key

    new_key("alice", tmp_path / "keys.txt")
    service = service_of(checkpoint, tmp_path, f"api_keys={tmp_path / 'keys.txt'}", f"bank={tmp_path / 'bank'}")
    app, sent = create_app(service), []

    async def receive() -> Any:
        raise AssertionError("its body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(
        app({"type": "http", "method": "POST", "path": "/v1/speakers", "headers": [], "query_string": b"", "app": app}, receive, send)
    )
    assert sent[0]["status"] == 401


def test_who_can_be_enrolled_is_told(checkpoint: Path, tmp_path: Path) -> None:
    service = service_of(checkpoint, tmp_path, "enrolment.clips=2", "enrolment.clip_seconds=9", f"bank={tmp_path / 'bank'}")
    with TestClient(create_app(service)) as client:
        assert client.get("/v1/speakers").json()["enrolment"] == {"clips": 2, "clip_seconds": 9.0, "seconds": 3.0}
        form = {"speaker_id": "bea", "consent": "yes"}
        answer = client.post(
            "/v1/speakers", data=form, files=[("clips", (f"{number}.wav", b"no sound", "audio/wav")) for number in range(3)]
        )
        assert "send 1 to 2" in answer.json()["error"]["message"]
    with TestClient(create_app(service_of(checkpoint, tmp_path))) as client:
        assert client.get("/v1/speakers").json()["enrolment"] is None
    with pytest.raises(Exception, match="enrolment.clips=0 is not a number above 0"):
        service_of(checkpoint, tmp_path, "enrolment.clips=0")


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
