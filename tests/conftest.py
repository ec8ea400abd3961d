"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("WANDB_MODE", "offline")

REPOSITORY = Path(__file__).parent.parent
LONGEST = (
    "test_slurm.py",
    "test_pipeline.py",
    "test_export.py",
    "test_add_speaker.py",
    "test_notebooks.py",
    "test_prepare.py",
    "test_train.py",
)
"""Files that begin first: where two processes share the tests, none is left alone with one of these at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stable, so that all others stay in their order."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def real_speech() -> Path:
    """The folder of real recordings beside the checkout, or named by SOVITS_REAL_SPEECH."""
    folder = Path(os.environ.get("SOVITS_REAL_SPEECH", REPOSITORY.parent / "shared" / "speech"))
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"real recordings are not at {folder}; set SOVITS_REAL_SPEECH to try them")
    return folder
