"""Two processes that were killed resume as the two that were not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from tests.training.interruptions import EVERYTHING, differences, write_set

SCRIPT = """
import os, sys
from pathlib import Path

import torch
from lightning import Callback

from sovits.training.parallel import PlayersDDPStrategy
from tests.training.interruptions import TinyRun

root, folder, kill_after = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

class Die(Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.fit_loop.epoch_loop.batch_progress.total.processed == kill_after:
            os._exit(9)

options = {"devices": 2, "strategy": PlayersDDPStrategy(process_group_backend="gloo")}
run = TinyRun(root, folder, steps=7, validate_every=3, every_steps=2, frame_budget=300, trainer_options=options)
training = run.attempt(Die())
keep = {"weights": training.state_dict(), "random": torch.get_rng_state()}
torch.save(keep, folder / f"rank_{run.trainer.global_rank}.pt")
"""


def train(root: Path, folder: Path, kill_after: int) -> int:
    folder.mkdir(exist_ok=True)
    script = folder / "train.py"
    script.write_text(SCRIPT)
    repository = Path(__file__).parents[2]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(root), str(folder), str(kill_after)]
    process = subprocess.Popen(
        command, cwd=repository, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        code = process.wait(timeout=200)
    finally:
        # The other rank, where it outlived the first.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert code in (0, 9), process.stdout.read()[-3000:] if process.stdout else code
    return code


@pytest.mark.slow
def test_two_ranks_killed_twice_end_as_two_that_were_not(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", clips=7)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(root, whole, 0) == 0
    # After a validation's checkpoint, and after one that was saved between two of them.
    assert [train(root, killed, kill_after) for kill_after in (4, 6, 0)] == [9, 9, 0]
    one, other = (torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (killed, whole))
    assert differences({key: one[key] for key in EVERYTHING}, {key: other[key] for key in EVERYTHING}) == []
    assert (killed / "csv" / "metrics.csv").read_text() == (whole / "csv" / "metrics.csv").read_text()
    ranks = [[torch.load(folder / f"rank_{rank}.pt", weights_only=True) for rank in (0, 1)] for folder in (killed, whole)]
    assert differences(*ranks) == []
    assert not torch.equal(ranks[0][0]["random"], ranks[0][1]["random"]), "every rank has numbers of its own"
