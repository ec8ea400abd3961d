from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.checkpoints import tiny_checkpoint


@pytest.fixture(scope="session")
def _content() -> dict[str, Any]:
    return tiny_checkpoint()


@pytest.fixture
def content(_content: dict[str, Any]) -> dict[str, Any]:
    """What the file holds, to change and save."""
    return {**_content, "state_dict": dict(_content["state_dict"]), "sovits": copy.deepcopy(_content["sovits"])}


@pytest.fixture
def checkpoint(content: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    torch.save(content, path)
    return path
