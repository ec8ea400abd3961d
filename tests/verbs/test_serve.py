"""`sovits serve` as a process: its page in a real browser, OpenAI's own client, and how it ends."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import soundfile
import torch

from sovits.data.espeak import open_espeak
from sovits.voice import Voice
from tests.browser import browser
from tests.builders import SAMPLE_RATE
from tests.checkpoints import tiny_checkpoint
from tests.serving.running import COMMAND, served


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    torch.save(tiny_checkpoint(), path)
    return path


def ended(*arguments: str) -> str:
    """What a command that cannot serve exits with."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.slow
def test_openai_s_client_and_a_graceful_end(checkpoint: Path, tmp_path: Path) -> None:
    with served(checkpoint, tmp_path) as (address, process):
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        wanted = Voice.load(checkpoint).speak("hello there", "ana")
        answer = client.audio.speech.create(model="tts-1", voice="ana", input="hello there", response_format="wav")
        samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="float32")
        assert rate == SAMPLE_RATE
        np.testing.assert_allclose(samples, np.clip(wanted.samples, -1, 1), atol=1e-4)
        with client.audio.speech.with_streaming_response.create(model="x", voice="bo", input="hello", response_format="pcm") as streamed:
            assert b"".join(streamed.iter_bytes())
        with pytest.raises(openai.UnprocessableEntityError, match="input has 151 characters and may have 150"):
            client.audio.speech.create(model="x", voice="ana", input="a" * 151)
        with pytest.raises(openai.NotFoundError, match="no speaker 'alloy'"):
            client.audio.speech.create(model="x", voice="alloy", input="hello")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in (0, -signal.SIGTERM), (tmp_path / "said.txt").read_text()
    (log,) = (tmp_path / "outputs").rglob("requests.jsonl")
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == [200, 200, 404]


@pytest.mark.slow
def test_the_page_in_a_browser(checkpoint: Path, tmp_path: Path) -> None:
    with open_espeak() as espeak:
        spoken = espeak.speak("The garage on Oak Street closes early on Thursdays, and opens late on Mondays.", "en-us+f5")
        soundfile.write(tmp_path / "clip.wav", spoken.samples, espeak.sample_rate)
    with served(checkpoint, tmp_path, "gate=off") as (address, _), browser(tmp_path / "chromium") as page:
        page.open(address)
        page.wait("document.querySelectorAll('.voice').length === 2")
        page.type("#text", "Hello，欢迎致电客服中心")
        page.type("#seed", "7")
        page.click("#speak")
        page.wait("!document.querySelector('#result').hidden && document.querySelector('#audio').duration > 0.1")
        assert "欢" in page.run("document.querySelector('#words').textContent")
        assert page.run("document.querySelector('#seed-used').textContent") == "7"
        page.type("#text", "Привет")
        page.click("#speak")
        page.wait("!document.querySelector('#speak-error').hidden")
        assert "script" in page.run("document.querySelector('#speak-error').textContent")
        page.run("document.querySelector('#enrol').open = true")
        page.type("#name", "Bea")
        page.type("#consent", "<img src=x onerror=alert(1)> agreed")
        page.choose("#files", tmp_path / "clip.wav")
        page.click("#enrol-send")
        page.wait("document.querySelectorAll('.voice').length === 3")
        assert "<img src=x" in page.run("document.querySelector('#voices').textContent")
        page.picture(tmp_path / "page.png")
        assert sorted(path.name for path in (tmp_path / "bank").glob("[!.]*")) == ["Bea.json", "Bea.npy"]
        page.click(".voice button")
        page.click("#sure .danger")
        page.wait("document.querySelectorAll('.voice').length === 2")
        assert list((tmp_path / "bank").glob("[!.]*")) == []
        assert {re.match(r"\w+://[^/]*", one)[0] for one in page.asked_of_network} == {address}  # type: ignore[index]
        # The refused text is the one error that the browser's console tells of.
        assert [error for error in page.errors if "422" not in error and "favicon" not in error] == []


@pytest.mark.slow
def test_keys_and_addresses(checkpoint: Path, tmp_path: Path) -> None:
    assert "checkpoint is not given" in ended(f"paths.outputs={tmp_path}")
    given = (f"checkpoint={checkpoint}", f"paths.outputs={tmp_path}")
    assert "host=0.0.0.0 lets others than this machine ask" in ended(*given, "host=0.0.0.0")
    assert "new_key=alice needs a file" in ended("new_key=alice", f"paths.outputs={tmp_path}")
    made = subprocess.run(
        [*COMMAND, "new_key=alice", f"api_keys={tmp_path / 'keys.txt'}", f"paths.outputs={tmp_path}"], capture_output=True, text=True
    )
    key = made.stdout.splitlines()[0]
    assert key.startswith("sk-")
    assert key not in (tmp_path / "keys.txt").read_text()
    with served(checkpoint, tmp_path, f"api_keys={tmp_path / 'keys.txt'}", "host=0.0.0.0") as (address, _):
        assert httpx.get(f"{address}/v1/speakers").status_code == 401
        assert httpx.get(f"{address}/v1/speakers", headers={"Authorization": f"Bearer {key}"}).status_code == 200
