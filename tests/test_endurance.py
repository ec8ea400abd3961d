"""The endurance benchmark, in small: it finds nothing wrong with the service, and it would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.checkpoints import tiny_checkpoint
from tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / "experiments" / "benchmarks" / "endurance.py"


@pytest.mark.slow
def test_two_hundred_requests_half_of_them_bad(tmp_path: Path) -> None:
    torch.save(tiny_checkpoint(), tmp_path / "last.ckpt")
    # So few are all warming up: what is left in memory is not judged.
    given = ["--checkpoint", str(tmp_path / "last.ckpt"), "--requests", "200", "--output", str(tmp_path / "told"), "--most-growth", "1000"]
    done = subprocess.run([sys.executable, str(SCRIPT), *given], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "told" / "endurance.json").read_text(encoding="utf-8"))
    assert told["faults"] == []
    assert told["good"] + told["bad"] + told["enrolled"] == 200
    assert told["answers"]["speech: 200"] == told["good"] + told["enrolled"]
    assert "| after requests | memory, MB | open files | threads |" in (tmp_path / "told" / "endurance.md").read_text(encoding="utf-8")
