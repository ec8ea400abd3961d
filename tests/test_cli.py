"""The console script, as a user's shell calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sovits import __version__
from sovits.cli import VERBS


def sovits(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sovits.cli", *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


def test_help_names_every_verb(tmp_path: Path) -> None:
    done = sovits("--help", folder=tmp_path)
    assert done.returncode == 0
    assert all(f"  {verb}" in done.stdout for verb in VERBS)
    assert sovits("--version", folder=tmp_path).stdout.strip() == __version__


def test_an_unknown_verb_lists_the_known_ones(tmp_path: Path) -> None:
    done = sovits("trian", folder=tmp_path)
    assert done.returncode == 1
    assert all(part in done.stderr for part in ("no verb 'trian'", *VERBS))


# Each is a process of its own, so only some of them every time.
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "data.rot=x"], ["data.rot is not a key", "did you mean data.root?"]),
        pytest.param(["prepare", "recordigns=x"], ["did you mean recordings?"], marks=pytest.mark.slow),
        pytest.param(["train", "experiment=nonesuch"], ["nonesuch", "few_shot"], marks=pytest.mark.slow),
        pytest.param(["train", "data.root=???"], ["data.root is not given"], marks=pytest.mark.slow),
        (["train", "trainer=gpu"], ["trainer.accelerator=gpu", "trainer=cpu"]),
        (["train", "data.root=nowhere"], ["nowhere", "sovits prepare recordings=DIR"]),
        pytest.param(["train", "resume=nowhere.ckpt"], ["nowhere.ckpt"], marks=pytest.mark.slow),
        pytest.param(["prepare", "recordings=nowhere"], ["nowhere"], marks=pytest.mark.slow),
        pytest.param(["evaluate"], ["checkpoint"], marks=pytest.mark.slow),
        (["evaluate", "checkpoint=nowhere.ckpt"], ["nowhere.ckpt"]),
        pytest.param(
            ["synthesize", "checkpoint=nowhere.ckpt", "speaker=a", "text=hi", "output=x.wav"], ["nowhere.ckpt"], marks=pytest.mark.slow
        ),
    ],
)
def test_a_mistake_is_told_in_a_sentence_without_a_traceback(arguments: list[str], told: list[str], tmp_path: Path) -> None:
    if "trainer=gpu" in arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    done = sovits(*arguments, folder=tmp_path)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output, output
    assert all(part in output for part in told), output
