"""Two processes train as one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

START = """
import sys
from dataclasses import replace
from functools import partial

import torch
from lightning import Trainer
from torch.utils.data import DataLoader

from sovits.modules import DurationPredictor, SpeakerTable, TextEncoder
from sovits.training.lightning_module import GENERATOR_LOSSES
from sovits.training.parallel import PlayersDDPStrategy
from tests.builders import EMBEDDING, batches, tiny_batch, tiny_synthesizer, tiny_training

# Bytes that are all-reduced, one entry for each call.
reduced, all_reduce = [], torch.distributed.all_reduce

def counted(tensor, *args, **kwargs):
    reduced.append(tensor.numel() * tensor.element_size())
    return all_reduce(tensor, *args, **kwargs)

torch.distributed.all_reduce = counted
folder, ranks = sys.argv[1], int(sys.argv[2])

def trainer():
    return Trainer(
        accelerator="cpu", devices=ranks, strategy=PlayersDDPStrategy() if ranks > 1 else "auto", max_epochs=-1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        use_distributed_sampler=False,
    )

def keep(training, trainer):
    trainable = sum(weight.numel() * weight.element_size() for weight in training.parameters() if weight.requires_grad)
    results = {"weights": training.state_dict(), "step": training.generator_step, "reduced": reduced, "trainable": trainable}
    torch.save(results, f"{folder}/rank_{trainer.global_rank}_of_{ranks}.pt")

torch.manual_seed(0)
"""

OTHER_BATCHES = """
training = tiny_training(steps=3, adversary_from=1)
trainer = trainer()
torch.manual_seed(trainer.global_rank)
loader = batches(4)
torch.manual_seed(trainer.global_rank)
trainer.fit(training, loader)
keep(training, trainer)
"""

PARTS_OF_ONE_BATCH = """
# Nothing is drawn, so that one process and two do the same; plain descent shows gradients as they are.
torch.randn_like, torch.rand = torch.zeros_like, lambda shape, **_: torch.zeros(shape)
synthesizer = tiny_synthesizer(
    text_encoder=TextEncoder(50, 6, 3, 8, 16, 32, 2, 1, 3, 0.0, 8),
    duration_predictor=DurationPredictor(16, 16, 3, 0.0, EMBEDDING),
    speaker_encoder=SpeakerTable(2, EMBEDDING),
)
weights = dict.fromkeys(GENERATOR_LOSSES, 1.0) | {"consistency": 0.0, "pitch": 0.0, "melody": 0.0}
descent = partial(torch.optim.SGD, lr=0.02)
training = tiny_training(
    steps=3, synthesizer=synthesizer, weights=weights, clip_norm=1e9, generator_optimizer=descent, discriminator_optimizer=descent,
)
whole = tiny_batch()
trainer = trainer()
rows = slice(None) if ranks == 1 else slice(trainer.global_rank, trainer.global_rank + 1)
text = replace(whole.text, **{name: value[rows] for name, value in vars(whole.text).items()})
cut = {name: getattr(whole, name)[rows] for name in ("waveforms", "frame_lengths", "references", "speakers", "ids", "texts")}
# A rank's batch is only as long as its own clips.
cut["waveforms"] = cut["waveforms"][:, : int(cut["frame_lengths"].max()) * 64]
trainer.fit(training, DataLoader([replace(whole, text=text, **cut)] * 3, batch_size=None))
keep(training, trainer)
"""


def run(script: str, folder: Path, ranks: int) -> list[dict[str, Any]]:
    """What each rank kept."""
    path = folder / "train.py"
    path.write_text(START + script)
    root = Path(__file__).parents[2]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(path), str(folder), str(ranks)]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"rank_{rank}_of_{ranks}.pt", weights_only=True) for rank in range(ranks)]


@pytest.mark.slow
def test_two_ranks_with_different_batches_end_with_equal_weights_and_reduce_every_gradient_once(tmp_path: Path) -> None:
    first, second = run(OTHER_BATCHES, tmp_path, 2)
    assert first["step"] == second["step"] == 3
    running = ("running_mean", "running_var", "num_batches_tracked")
    different = [
        name for name, value in first["weights"].items() if not name.endswith(running) and not torch.equal(value, second["weights"][name])
    ]
    assert different == []
    assert first["reduced"] == second["reduced"]
    # Denominators of losses are a few hundred bytes; the first of the three steps is the generator's alone.
    gradients = sum(count for count in first["reduced"] if count > 1000)
    assert 2 * first["trainable"] < gradients < 3 * first["trainable"]
    last_step = sum(first["reduced"][-_calls_of_a_step(first["reduced"]) :])
    assert last_step == pytest.approx(first["trainable"], abs=1000)


def _calls_of_a_step(calls: list[int]) -> int:
    """All-reduces of the last step: as many as of the one before it."""
    return next(count for count in range(1, len(calls)) if calls[-count:] == calls[-2 * count : -count])


@pytest.mark.slow
def test_two_ranks_take_the_steps_of_one_process_on_the_joined_batch(tmp_path: Path) -> None:
    (alone,) = run(PARTS_OF_ONE_BATCH, tmp_path, 1)
    first, second = run(PARTS_OF_ONE_BATCH, tmp_path, 2)
    assert alone["step"] == first["step"] == 3
    for name, value in alone["weights"].items():
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-4, atol=2e-6, msg=lambda told, name=name: f"{name}: {told}")
        assert torch.equal(first["weights"][name], second["weights"][name]), name
