"""A service without a socket, and what it says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import soundfile

from sovits.serving.service import Service
from sovits.verbs.serve import build_service
from tests.builders import SAMPLE_RATE
from tests.conftest import REPOSITORY


def service_of(checkpoint: Path, folder: Path, *overrides: str) -> Service:
    """A service as the command line builds it."""
    given = [f"checkpoint={checkpoint}", f"log.file={folder / 'requests.jsonl'}", "gate=off", *overrides]
    with hydra.initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        return build_service(hydra.compose("serve", given))


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()]


def heard(content: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert rate == SAMPLE_RATE
    return samples
