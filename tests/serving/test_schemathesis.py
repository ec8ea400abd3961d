"""The service against its own description: Schemathesis asks what the description allows, and what it does not, some hundred times."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sovits.serving.access import new_key
from tests.checkpoints import tiny_checkpoint
from tests.serving.running import served

# As a program of its own: neither its plugin for pytest nor that of hypothesis is needed.
TRY = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run", "--no-color"]


@pytest.mark.slow
@pytest.mark.parametrize("asks_for_key", [False, True])
def test_it_does_what_it_says(tmp_path: Path, asks_for_key: bool) -> None:
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("Schemathesis is not installed: pip install schemathesis")
    torch.save(tiny_checkpoint(), tmp_path / "last.ckpt")
    overrides, headers = ["gate=off"], []
    if asks_for_key:
        headers = ["-H", f"Authorization: Bearer {new_key('alice', tmp_path / 'keys.txt')}"]
        overrides.append(f"api_keys={tmp_path / 'keys.txt'}")
    with served(tmp_path / "last.ckpt", tmp_path, *overrides) as (address, _):
        command = [*TRY, f"{address}/openapi.json", "-c", "all", "-n", "40", *headers]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
