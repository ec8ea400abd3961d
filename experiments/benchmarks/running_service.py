"""`sovits serve` as a process of its own on a free port of the loopback address."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START, END = 180.0, 60.0
"""Seconds that a service may take to be ready, and to end."""


@dataclass
class RunningService:
    """One that takes requests."""

    settings: str
    """What it is told beside its defaults."""
    port: int
    pid: int
    folder: Path
    megabytes: list[float] = field(default_factory=list)
    """That the process held, each time that was asked."""

    def remember_memory(self) -> None:
        """As the kernel tells of it."""
        told = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines())
        self.megabytes.append(int(told["VmRSS"].split()[0]) / 1024)

    def cpu_seconds(self) -> float:
        """That the process has worked, all threads together."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def logged(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What its log tells of these requests."""
        (path,) = (self.folder / "outputs").rglob("requests.jsonl")
        rows = {row["request_id"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
        return [rows[one] for one in ids]


@contextmanager
def running(checkpoint: Path, folder: Path, settings: str, *more: str) -> Iterator[RunningService]:
    """Waits until it is ready; ends it as a user would.

    Raises:
        SystemExit: it did not start, with what it said.
    """
    folder.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = [f"checkpoint={checkpoint.resolve()}", f"port={port}", f"paths.outputs={folder / 'outputs'}", "gate=off", "cache_megabytes=0"]
    with (folder / "said.txt").open("w") as said:
        command = [sys.executable, "-m", "sovits.cli", "serve", *given, *more]
        # As on a machine of its own: what this process was told about threads is not for the service.
        environment = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, env=environment)
        try:
            _wait(process, port, folder / "said.txt")
            yield RunningService(settings, port, process.pid, folder)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(END)


def _wait(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    until = time.monotonic() + START
    while process.poll() is None and time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise SystemExit(f"the service did not start:\n{said.read_text()}")
