"""A tiny model, and services of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fastapi.testclient import TestClient

from sovits.serving.app import create_app
from sovits.serving.service import Service
from sovits.voice import Voice
from tests.checkpoints import tiny_checkpoint
from tests.serving.in_process import service_of


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    torch.save(tiny_checkpoint(), path)
    return path


@pytest.fixture(scope="module")
def voice(checkpoint: Path) -> Voice:
    return Voice.load(checkpoint)


@pytest.fixture
def service(checkpoint: Path, tmp_path: Path) -> Service:
    return service_of(checkpoint, tmp_path, f"bank={tmp_path / 'bank'}")


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One of all tests that leave the service as it was."""
    folder = tmp_path_factory.mktemp("shared")
    with TestClient(create_app(service_of(checkpoint, folder, f"bank={folder / 'bank'}")), raise_server_exceptions=False) as opened:
        yield opened
