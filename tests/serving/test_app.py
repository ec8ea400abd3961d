"""The service over HTTP: what it answers to good and to bad requests."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from sovits.errors import SovitsError
from sovits.serving.app import create_app
from sovits.serving.service import Service
from sovits.voice import Voice
from tests.any_texts import any_texts
from tests.serving.in_process import heard, logged, service_of

TEXT = "Hello，欢迎致电客服中心"


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
