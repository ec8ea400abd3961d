"""Trains the tiny Whisper on espeak-ng speech: ``python -m experiments.tiny_whisper.train`` from the repository's root."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from experiments.tiny_whisper.lessons import Lesson, Teacher
from experiments.tiny_whisper.network import GuidedWhisper
from experiments.tiny_whisper.windows import draw_window
from sovits.data.espeak import Espeak, open_espeak

CHECKPOINT = Path(__file__).parent / "tiny_whisper.pt"
_WHOLE = 1500
_WEIGHTS = {"tokens": 1.0, "attention": 0.7, "frames": 0.5}


@dataclass(frozen=True)
class Stage:
    """A part of the training, at one length of window."""

    share: float
    """Of all steps."""
    positions: int
    """20 ms each."""
    sentences: int
    """At most, in a window."""
    batch: int


# Short windows first: a step over whole ones costs ten times as much.
STAGES = (Stage(0.635, 200, 1, 24), Stage(0.203, 600, 4, 8), Stage(0.162, _WHOLE, 10, 4))


def main() -> None:
    """Reads the command line, trains and writes the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1970)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=CHECKPOINT)
    arguments = parser.parse_args()
    began, worked = time.monotonic(), time.process_time()
    network = train(arguments.steps, arguments.learning_rate, arguments.seed)
    torch.save(network.export(), arguments.output)
    seconds = f"{time.monotonic() - began:.0f} s, {time.process_time() - worked:.0f} s of processor time"
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes after {seconds}")


def train(steps: int, learning_rate: float, seed: int) -> GuidedWhisper:
    """A network after ``steps`` steps through all stages."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = GuidedWhisper()
    teacher = Teacher(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    warm_up = max(min(100, steps // 10), 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / warm_up, 1.02 - step / steps))
    plan = [stage for stage in STAGES for _ in range(round(stage.share * steps))]
    with open_espeak() as espeak:
        for number, stage in enumerate(track(plan, "training")):
            losses = teacher.losses([draw_lesson(teacher, espeak, random, stage) for _ in range(stage.batch)])
            optimizer.zero_grad()
            sum((_WEIGHTS[name] * loss for name, loss in losses.items()), start=torch.zeros(())).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            network.hold_constant()
            if number % 50 == 49:
                told = ", ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items())
                print(f"{number + 1} of {len(plan)}: {told}", flush=True)
    return network


def draw_lesson(teacher: Teacher, espeak: Espeak, random: np.random.Generator, stage: Stage) -> Lesson:
    """A lesson on a drawn window; one in twenty has no speech."""
    # More often few: a window of ten is a lesson in one voice only.
    sentences = 0 if random.random() < 0.05 else 1 + int(stage.sentences * random.random() ** 2)
    window = draw_window(espeak, random, stage.positions * 0.02, sentences)
    offset = int(random.integers(0, _WHOLE - stage.positions + 1)) if random.random() < 0.7 else 0
    times, silent_tail = (bool(chance < 0.5) for chance in random.random(2))
    return teacher.prepare(window, stage.positions, offset=offset, times=times, silent_tail=silent_tail)


if __name__ == "__main__":
    main()
