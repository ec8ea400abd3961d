"""The notebooks that compare runs and voices, executed on finished runs (that of a single run: see test_pipeline)."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

from sovits.voice import SpeakerBank
from tests.conftest import REPOSITORY
from tests.reporting.planted_runs import Planted


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home") / "outputs" / "sweep"
    for seed in (0, 1):
        for size in (192, 512):
            planted = Planted([f"embedding_size={size}", f"seed={seed}"], lambda _, clip, size=size: size / 500 + 0.1 * clip)  # type: ignore[misc]
            run = planted.write(folder / f"{size}_{seed}")
            voices = np.random.default_rng(size).standard_normal((2, size)).astype(np.float32)
            bank = SpeakerBank.from_embeddings({})
            for name, voice in zip(("ana", "bo x"), voices, strict=True):
                bank.add(name, torch.from_numpy(voice / np.linalg.norm(voice)))
            bank.save(run / "speakers")
    return folder


def execute(name: str, setting: str, value: str, folder: Path) -> tuple[str, int]:
    """What the notebook printed, and how many pictures it shows."""
    notebook = nbformat.read(REPOSITORY / "notebooks" / name, as_version=4)
    first = notebook.cells[1]
    assert f"{setting} = None" in first.source
    first.source = first.source.replace(f"{setting} = None", f"{setting} = {value}")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    return printed, sum("image/png" in output.get("data", {}) for output in outputs)


def test_a_comparison_tells_settings_figures_and_differences(sweep: Path) -> None:
    printed, pictures = execute("comparison.ipynb", "RUNS", f"['{sweep}']", sweep.parents[1])
    assert pictures == 1
    assert "embedding_size=192  seeds 0, 1" in printed
    assert "voice" in printed
    assert "A - B: -0.640" in printed


def test_the_space_of_voices_is_drawn(sweep: Path) -> None:
    printed, pictures = execute("voices.ipynb", "RUN", f"'{sweep / '192_0'}'", sweep.parents[1])
    assert pictures == 4
    assert "15 clips of ana, bo_x" in printed
