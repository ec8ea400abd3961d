"""Two processes train as one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = """
import sys
import torch
from lightning import Trainer
from sovits.training.parallel import PlayersDDPStrategy
from tests.builders import batches, tiny_training

# Bytes that Python hands to all_reduce; what DistributedDataParallel reduces by itself does not come by here.
reduced, all_reduce = [], torch.distributed.all_reduce

def counted(tensor, *args, **kwargs):
    reduced.append(tensor.numel() * tensor.element_size())
    return all_reduce(tensor, *args, **kwargs)

torch.distributed.all_reduce = counted
folder, strategy = sys.argv[1:]

torch.manual_seed(0)
training = tiny_training(steps=3, adversary_from=1)
torch.manual_seed(0)
trainer = Trainer(
    accelerator="cpu", devices=2, strategy=PlayersDDPStrategy() if strategy == "players" else strategy, max_epochs=-1,
    logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    limit_val_batches=0, use_distributed_sampler=False,
)
torch.manual_seed(trainer.global_rank)
loader = batches(4)
torch.manual_seed(trainer.global_rank)
trainer.fit(training, loader)
results = {"weights": training.state_dict(), "step": training.generator_step, "reduced": reduced}
torch.save(results, f"{folder}/rank_{trainer.global_rank}.pt")
"""


STRATEGY = "ddp_find_unused_parameters_true"
"""``players`` for the one in ``sovits.training.parallel``."""


@pytest.mark.slow
def test_two_ranks_with_different_batches_end_with_equal_weights(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), STRATEGY], cwd=root, env=environment,
        capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"rank_{rank}.pt", weights_only=True) for rank in range(2))
    assert first["step"] == second["step"] == 3
    buffers = ("running_mean", "running_var", "num_batches_tracked", "_u", "_v")
    different = [
        name for name, value in first["weights"].items() if not name.endswith(buffers) and not torch.equal(value, second["weights"][name])
    ]
    assert different == []
