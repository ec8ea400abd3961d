"""A service in hard times: disks that are full, kills, and ends in the middle of work."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.serving.running import free_port, recording, served

ASKED = {"text": "Hello there", "speaker_id": "ana"}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """One of 1 MB; skips the test where none can be mounted."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a small disk needs root and mount: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def enrol(address: str, name: str, clip: bytes) -> httpx.Response:
    form = {"speaker_id": name, "consent": f"{name} agreed."}
    return httpx.post(f"{address}/v1/speakers", data=form, files=[("clips", ("a.flac", clip, "audio/flac"))], timeout=60)


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(512)):
            pass


@pytest.mark.slow
def test_a_full_disk(checkpoint: Path, tmp_path: Path) -> None:
    clip = recording()
    with small_disk(tmp_path / "small") as disk:
        (disk / "bank").mkdir()
        overrides = ["gate=off", f"bank={disk / 'bank'}", f"log.file={disk / 'requests.jsonl'}", "cache_megabytes=0"]
        with served(checkpoint, tmp_path, *overrides) as (address, process):
            assert enrol(address, "bea", clip).status_code == 201
            assert httpx.post(f"{address}/v1/tts", json=ASKED).status_code == 200
            fill(disk / "filling")
            for seed in range(12):
                assert httpx.post(f"{address}/v1/tts", json=ASKED | {"seed": seed}).status_code == 200
            refused = enrol(address, "cy", clip)
            assert (refused.status_code, refused.json()["error"]["code"]) == (507, "disk_full")
            assert sorted(path.name for path in (disk / "bank").iterdir()) == [".lock", "bea.json", "bea.npy"]
            speakers = httpx.get(f"{address}/v1/speakers").json()["speakers"]
            assert [one["id"] for one in speakers] == ["ana", "bea", "bo"]
            (disk / "filling").unlink()
            assert enrol(address, "cy", clip).status_code == 201
            assert httpx.post(f"{address}/v1/tts", json=ASKED | {"speaker_id": "cy"}).status_code == 200
            assert process.poll() is None
        rows = [json.loads(line) for line in (disk / "requests.jsonl").read_text().splitlines()]
        assert rows[-1]["speaker"] == "cy"
    said = (tmp_path / "said.txt").read_text()
    assert said.count("cannot be written (No space left on device)") == 1
    assert said.count("is written again") == 1
    assert said.count("The files of the voice 'cy' could not be written") == 1
    assert "Traceback" not in said


@pytest.mark.slow
def test_ends_in_the_middle_of_work(checkpoint: Path, tmp_path: Path) -> None:
    port, clip = free_port(), recording()
    with served(checkpoint, tmp_path, "gate=off", "batching.max_batch=1", port=port) as (address, process):
        answers: list[int] = []

        def ask(seed: int) -> None:
            # One that was not accepted may come to nobody.
            with suppress(httpx.ConnectError):
                answers.append(httpx.post(f"{address}/v1/tts", json=ASKED | {"seed": seed, "speed": 0.25}, timeout=60).status_code)

        with ThreadPoolExecutor(12) as pool:
            for seed in range(12):
                pool.submit(ask, seed)
            while not answers:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
        assert set(answers) == {200}
        assert process.wait(60) in (0, -signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "said.txt").read_text()

    made: list[str] = []
    # At once, on the same port.
    with served(checkpoint, tmp_path, "gate=off", port=port) as (address, process):

        def enrol_many(own: int) -> None:
            with suppress(httpx.HTTPError):
                for number in range(1000):
                    if enrol(address, f"v{own}-{number}", clip).status_code == 201:
                        made.append(f"v{own}-{number}")

        threads = [threading.Thread(target=enrol_many, args=(own,)) for own in range(3)]
        for thread in threads:
            thread.start()
        while len(made) < 5:
            time.sleep(0.01)
        process.kill()
        for thread in threads:
            thread.join()
    with served(checkpoint, tmp_path, "gate=off", port=port) as (address, _):
        told = {one["id"]: one for one in httpx.get(f"{address}/v1/speakers").json()["speakers"]}
        assert set(made) <= set(told)
        enrolled = set(told) - {"ana", "bo"}
        assert {path.stem for path in (tmp_path / "bank").glob("*.npy")} == enrolled
        assert all(told[name]["consent"] == f"{name} agreed." for name in enrolled)
        assert [path for path in (tmp_path / "bank").iterdir() if "partial" in path.name] == []
        assert httpx.post(f"{address}/v1/tts", json=ASKED | {"speaker_id": made[-1]}).status_code == 200
        # What may be left is a description without a voice: its name is free.
        for path in (tmp_path / "bank").glob("*.json"):
            if path.stem not in enrolled:
                assert enrol(address, path.stem, clip).status_code == 201
