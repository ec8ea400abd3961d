"""Voices over HTTP: enrolled, spoken with, taken away, or put into the folder by somebody else."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from sovits.serving.app import create_app
from sovits.serving.service import Service
from sovits.voice import Voice
from tests.serving.in_process import heard, service_of
from tests.serving.running import recording


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
