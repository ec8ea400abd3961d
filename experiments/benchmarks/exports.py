"""What `sovits export` makes of each size of the model: megabytes, and the real-time factor of speaking.

    python experiments/benchmarks/exports.py
    python experiments/benchmarks/exports.py --models small --rounds 15

The models are untrained, but for one number: each phone lasts as long as people say it, so that texts become as much speech as they
would. Time is that of whole sentences, text front end included, one at a time, in rounds that take turns among all forms and models.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import torch
from hydra import compose, initialize_config_dir
from networks import interleaved, print_table, ratio
from untrained import untrained_checkpoint

from sovits.cli import config_directory
from sovits.voice import Request, Voice
from sovits.voice.export import KINDS, Exporter

TEXTS = [
    "A small boat crossed the quiet harbour before the sun came up.",
    "你好，欢迎致电客服中心，请问有什么可以帮您？",
    "The weather is fine.",
    "She said that nobody had seen the letter since the winter before last, when the old house was sold.",
]


def forms_of(checkpoint: Path, kinds: list[str], folder: Path, threads: int) -> dict[str, Voice]:
    """The checkpoint and its exports, ready to speak."""
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        sentences = list(compose("export").sentences)
    exporter = Exporter(checkpoint, None, sentences, {}, rounds=1)
    for kind in kinds:
        exporter.write(kind, folder / kind)
    paths = {"checkpoint": checkpoint} | {kind: folder / kind for kind in kinds}
    return {name: Voice.load(path, threads=threads) for name, path in paths.items()}


def speaking(voice: Voice) -> tuple[float, Callable[[], object]]:
    """Seconds of speech, and what says it."""
    requests = [Request(text, voice.speakers[0], seed=seed) for seed, text in enumerate(TEXTS)]
    seconds = sum(voice.speak_all([request])[0].seconds for request in requests)
    return seconds, lambda: [voice.speak_all([request]) for request in requests]


def size_of(path: Path) -> float:
    """Megabytes of a file or folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["base", "small"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", type=Path, help="folder for exports.csv")
    options = parser.parse_args()
    print(f"{options.threads} threads, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}")
    with tempfile.TemporaryDirectory() as scratch:
        rows, runs, seconds = [], {}, {}
        for model in options.models:
            checkpoint = untrained_checkpoint(model, Path(scratch) / model / "last.ckpt")
            voices = forms_of(checkpoint, options.kinds, Path(scratch) / model / "exported", options.threads)
            for kind, voice in voices.items():
                name = f"{model} | {kind}"
                seconds[name], runs[name] = speaking(voice)
                path = checkpoint if kind == "checkpoint" else Path(scratch) / model / "exported" / kind
                rows.append({"model": model, "form": kind, "MB": f"{size_of(path):.1f}"})
        times = interleaved(runs, options.rounds, 1, torch.device("cpu"))
    for row in rows:
        name, whole = f"{row['model']} | {row['form']}", f"{row['model']} | checkpoint"
        factors = [second / seconds[name] for second in times[name]]
        row["real-time factor"] = f"{statistics.median(factors):.4f} ({min(factors):.4f}-{max(factors):.4f})"
        row["x faster than the checkpoint"] = ratio(times[whole], times[name])
    print_table(rows, options.write, "exports")


if __name__ == "__main__":
    main()
