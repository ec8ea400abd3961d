"""What the benchmarks of the networks share: models from the configuration, batches of chosen lengths, and fair rounds."""

from __future__ import annotations

import csv
import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from torch import Tensor

from sovits.cli import config_directory
from sovits.data.batch import Batch
from sovits.text.batch import TextBatch
from sovits.training.lightning_module import VoiceTraining
from sovits.verbs.train import build_training

SPEAKERS = ["a", "b"]


def build(overrides: Sequence[str]) -> VoiceTraining:
    """The training module of ``sovits train`` with these overrides, adversary included from the first step."""
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        settings = [*overrides, "training.adversary_from=0", "hydra.runtime.output_dir=."]
        config = compose("train", settings, return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return build_training(config, SPEAKERS)


def batch_of(training: VoiceTraining, seconds: Sequence[float], phones_per_second: float, reference_seconds: float = 3.0) -> Batch:
    """Noise as long as given clips, with random phones and semantic tokens; the cost of a step depends on lengths alone."""
    noise = torch.Generator().manual_seed(0)
    rate, hop = training.mel_spectrogram.sample_rate, training.synthesizer.hop_length
    frames = torch.tensor([round(length * rate / hop) for length in seconds])
    waveforms = 0.1 * torch.randn(len(seconds), int(frames.max()) * hop, generator=noise)
    for clip, length in zip(waveforms, frames.tolist(), strict=True):
        clip[length * hop :] = 0
    reference = 0.1 * torch.randn(len(seconds), round(reference_seconds * rate / hop) * hop, generator=noise)
    phones = [max(1, round(length * phones_per_second)) for length in seconds]
    return Batch(
        text=text_of(phones, noise),
        waveforms=waveforms,
        frame_lengths=frames,
        references=reference,
        speakers=torch.arange(len(seconds)) % len(SPEAKERS),
        told=torch.ones(len(seconds), dtype=torch.bool),
        durations=torch.zeros(len(seconds), max(phones), dtype=torch.long),
        bandwidths=torch.full((len(seconds),), torch.inf),
        ids=[f"clip {number}" for number in range(len(seconds))],
        texts=[""] * len(seconds),
    )


def text_of(phones: Sequence[int], noise: torch.Generator) -> TextBatch:
    """Random texts of so many phones each, with a semantic token for every four of them."""
    longest = max(phones)
    lengths = torch.tensor(phones)
    inside = torch.arange(longest) < lengths[:, None]
    tokens = -(-lengths // 4)
    return TextBatch(
        phones=torch.randint(1, 100, (len(phones), longest), generator=noise) * inside,
        lengths=lengths,
        tones=torch.zeros(len(phones), longest, dtype=torch.long),
        languages=torch.zeros(len(phones), longest, dtype=torch.long),
        tokens=torch.randint(0, 50_000, (len(phones), int(tokens.max())), generator=noise),
        token_lengths=tokens,
        phone_to_token=(torch.arange(longest) // 4).expand(len(phones), longest).minimum(tokens[:, None] - 1),
    )


def speech_lengths(count: int) -> list[float]:
    """Seconds of ``count`` clips between 4.0 and 9.0, on average 6.6 as an audiobook's: spread evenly."""
    return [4.0 + 5.2 * (0.5 + number) / count for number in range(count)]


def settled(device: torch.device) -> float:
    """The time in seconds, once all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def interleaved(runs: Mapping[str, Callable[[], object]], rounds: int, repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each run, every one in turn in each round, after a round that does not count.

    Args:
        repeats: of a run in one turn, whose mean counts: a library's caches are warm after the first.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn, (name, run) in itertools.product(range(rounds + 1), runs.items()):
        run()
        began = settled(device)
        for _ in range(repeats):
            run()
        if turn:
            seconds[name].append((settled(device) - began) / repeats)
    return seconds


def ratio(seconds: Sequence[float], yardstick: Sequence[float]) -> str:
    """``0.85 (0.84-0.87)``: the median of the ratios round by round, and their range."""
    ratios = [own / other for own, other in zip(seconds, yardstick, strict=True)]
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product: what the device could do."""
    size = 1024 if device.type == "cpu" else 8192
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    seconds = interleaved({"product": lambda: left @ right}, 5, 3, device)["product"]
    return 2 * size**3 / min(seconds)


def print_table(rows: Sequence[Mapping[str, object]], folder: Path | None, name: str) -> None:
    """Markdown on the screen and, where there is a folder, ``<name>.csv`` in it."""
    columns = list(rows[0])
    print("\n| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(row[column]) for column in columns) + " |", flush=True)
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def on(batch: Batch, device: torch.device) -> Batch:
    """``batch`` with its tensors on ``device``."""
    moved = {name: value.to(device) if isinstance(value, Tensor | TextBatch) else value for name, value in vars(batch).items()}
    return Batch(**moved)
