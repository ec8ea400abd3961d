from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sovits.data.demo import generate_demo


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sentences of each demo speaker: alice and mei one a file, bruno all in one."""
    return generate_demo(tmp_path_factory.mktemp("spoken"), sentences=4)


@pytest.fixture
def recordings(spoken: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(spoken, tmp_path / "recordings"))
