"""`sovits train` as a user's shell calls it, on a tiny set."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sovits.runs.record import FILE_NAME, RunRecord
from tests.verbs.test_train import SMALL

COMMAND = [sys.executable, "-m", "sovits.cli", "train"]


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would tell a rank."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_NT", "RANK", "WORLD", "LOCAL_", "MASTER_"))}
    return kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | more


def command(prepared: Path, *overrides: str, multirun: bool = False) -> list[str]:
    """A tiny training on ``prepared``, without final figures."""
    return [*COMMAND, *(["-m"] if multirun else []), *SMALL, f"data.root={prepared}", "evaluation=none", *overrides]


def train(prepared: Path, folder: Path, *overrides: str, multirun: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
    """The whole command, given in ``folder``."""
    arguments = command(prepared, *overrides, multirun=multirun)
    return subprocess.run(arguments, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=400, check=False)


def started(prepared: Path, folder: Path, *overrides: str, multirun: bool = False, **more: str) -> subprocess.Popen[str]:
    """The command at work, in ``folder``; what it says is in ``folder/said``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "said").open("w") as said:
        arguments = command(prepared, *overrides, multirun=multirun)
        return subprocess.Popen(arguments, cwd=folder, env=environment(**more), stdout=said, stderr=subprocess.STDOUT, text=True)


def wait_until(true: Callable[[], bool], what: str, seconds: float = 240) -> None:
    """Waits for something that happens elsewhere."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.3)


def record(run: Path) -> RunRecord | None:
    """Of ``run``, if it has begun."""
    return RunRecord.load(run) if (run / FILE_NAME).is_file() else None


def rows(run: Path) -> list[int]:
    """The steps that the table of figures has, in its order."""
    path = run / "csv" / "metrics.csv"
    if not path.is_file():
        return []
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    column = header.split(",").index("step")
    cells = [line.split(",") for line in lines]
    return [int(row[column]) for row in cells if len(row) > column and row[column]]
