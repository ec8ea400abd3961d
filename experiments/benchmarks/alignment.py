"""How long monotonic alignment search takes: the search on the CPU, its scores, and on a CUDA device the same there.

    OMP_NUM_THREADS=1 python experiments/benchmarks/alignment.py --write outputs/alignment.csv

All are measured in turn in every round, in an order drawn anew, so that a busy machine slows all of them; a figure is the median over the
rounds with the range behind it, and a ratio is the median of the ratios within a round. Every clip is as long as the longest.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from sovits.modules.alignment import gaussian_log_likelihood, monotonic_alignment

Row = dict[str, str]
SCORES = "scores"


def ways(clips: int, arguments: argparse.Namespace, device: str) -> dict[str, Callable[[], Tensor]]:
    """What is measured, by its name."""
    shapes = (arguments.frames, arguments.phones, arguments.phones)
    latent, mean, log_std = (0.5 * torch.randn(clips, arguments.channels, length, device=device) for length in shapes)
    phones = torch.full((clips,), arguments.phones, device=device)
    frames = torch.full((clips,), arguments.frames, device=device)
    scores = gaussian_log_likelihood(latent, mean, log_std)
    turned = scores.contiguous()
    return {
        SCORES: lambda: gaussian_log_likelihood(latent, mean, log_std),
        "search": lambda: monotonic_alignment(scores, phones, frames),
        "search, frames side by side": lambda: monotonic_alignment(turned, phones, frames),
    }


def milliseconds(run: Callable[[], Tensor], device: str) -> float:
    """On a GPU from the first launch until it is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - began)


def measure(clips: int, arguments: argparse.Namespace, device: str) -> list[Row]:
    """A row for each way."""
    runs = ways(clips, arguments, device)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(arguments.rounds + 2):
        for name in random.sample(list(runs), len(runs)):
            spent = milliseconds(runs[name], device)
            if number >= 2:  # the first rounds compile and warm up
                taken[name].append(spent)
    return [
        {
            "device": torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} thread(s)",
            "what": name,
            "B": str(clips),
            "T_text": str(arguments.phones),
            "T_frames": str(arguments.frames),
            "ms": f"{statistics.median(times):.3f}",
            "fastest": f"{min(times):.3f}",
            "slowest": f"{max(times):.3f}",
            "x scores": f"{statistics.median(own / other for own, other in zip(times, taken[SCORES], strict=True)):.2f}",
        }
        for name, times in taken.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[4, 32], help="clips of a batch")
    parser.add_argument("--phones", type=int, default=190)
    parser.add_argument("--frames", type=int, default=566)
    parser.add_argument("--channels", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--threads", type=int, default=1, help="of torch; the search itself has one")
    parser.add_argument("--write", type=Path, help="CSV file for the table")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    rows = [row for device in devices for clips in arguments.clips for row in measure(clips, arguments, device)]
    heads = list(rows[0])
    for line in (heads, ["---"] * len(heads), *(list(row.values()) for row in rows)):
        print("| " + " | ".join(line) + " |")
    if len(devices) == 1:
        print("\nThe search on the GPU was not measured: torch sees no CUDA device.")
    if arguments.write is not None:
        arguments.write.parent.mkdir(parents=True, exist_ok=True)
        with arguments.write.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, heads)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
