"""`sovits serve` as a process of its own."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import soundfile

from sovits.data.espeak import open_espeak

COMMAND = [sys.executable, "-m", "sovits.cli", "serve"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def served(checkpoint: Path, folder: Path, *overrides: str, port: int | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A service over ``folder/bank``, and its address; what it says is in ``folder/said.txt``."""
    port = port or free_port()
    given = [f"checkpoint={checkpoint}", f"port={port}", f"paths.outputs={folder / 'outputs'}", f"bank={folder / 'bank'}", *overrides]
    with (folder / "said.txt").open("a", encoding="utf-8") as said:
        process = subprocess.Popen([*COMMAND, *given], cwd=folder, stdout=said, stderr=subprocess.STDOUT, text=True)
        try:
            _wait(process, f"http://127.0.0.1:{port}", folder / "said.txt")
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait(process: subprocess.Popen[str], address: str, said: Path) -> None:
    """Until it takes requests."""
    until = time.monotonic() + 120
    while True:
        assert process.poll() is None, said.read_text(encoding="utf-8")
        assert time.monotonic() < until, "it is never ready"
        try:
            if httpx.get(f"{address}/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)


def recording(seconds: float = 6.0) -> bytes:
    """Something that the detector takes for speech: espeak-ng's."""
    with open_espeak() as espeak:
        samples = espeak.speak("The garage on Oak Street closes early on Thursdays, and opens late on Mondays.", "en-us+f5").samples
        file = io.BytesIO()
        soundfile.write(file, samples[: round(seconds * espeak.sample_rate)], espeak.sample_rate, format="FLAC")
    return file.getvalue()
