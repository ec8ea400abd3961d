"""The cost of speaking: how long a sentence of ten words takes, whole and part by part, as a share of its length (real-time factor).

    python experiments/benchmarks/inference.py                     # all threads of the CPU
    python experiments/benchmarks/inference.py --device cuda --write outputs/inference

Weights are random and durations fixed, so that every model speaks equally long; weight norm is folded, as for serving.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from networks import build, interleaved, print_table, text_of
from torch import Tensor
from torch.nn import functional as F

from sovits.modules.layers.normalization import fold_weight_norm

WORDS, PHONES_PER_WORD, SECONDS_PER_WORD = 10, 4.5, 0.31
BLANKS = {"vits": 2}
"""Phones for each one spoken: VITS puts a blank between all."""


def parts_of(model: str, words: int, device: torch.device) -> tuple[float, dict[str, Callable[[], object]]]:
    """Seconds of speech, and what to time: all of it and each part."""
    training = build([f"model={model}"])
    synthesizer = fold_weight_norm(training.synthesizer).eval().to(device)
    rate, hop = training.mel_spectrogram.sample_rate, training.synthesizer.hop_length
    text = text_of([round(words * PHONES_PER_WORD * BLANKS.get(model, 1))], torch.Generator().manual_seed(0)).to(device)
    voice = F.normalize(torch.randn(1, synthesizer.embedding_size, device=device), dim=-1)
    frames = torch.full(text.phones.shape, words * SECONDS_PER_WORD * rate / hop / text.phones.shape[1], device=device)
    predict = synthesizer.duration_predictor.predict

    def fixed(*arguments: object) -> Tensor:
        predict(*arguments)  # type: ignore[arg-type]
        return frames.log()

    def speak() -> int:
        with mock.patch.object(synthesizer.duration_predictor, "predict", fixed):
            return int(synthesizer.synthesize(text, voice).sample_lengths[0])

    with torch.inference_mode():
        samples = speak()
        encoding = synthesizer.read(text)
    noise = torch.randn(1, synthesizer.duration_predictor.noise_channels, text.phones.shape[1], device=device)
    latent = torch.randn(1, synthesizer.flow.channels, samples // hop, device=device)
    mask = torch.ones(1, 1, samples // hop, device=device)
    return samples / rate, {
        "whole": speak,
        "text and semantics": lambda: synthesizer.read(text),
        "duration predictor": lambda: predict(encoding.hidden, encoding.mask, voice, noise),
        "flow": lambda: synthesizer.flow.inverse(latent, mask, voice),
        "decoder": lambda: synthesizer.decoder(latent, mask, voice),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--models", nargs="+", default=["vits", "base", "small"])
    parser.add_argument("--words", type=int, default=WORDS, help="of the sentence")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", type=Path, help="folder for inference.csv")
    options = parser.parse_args()
    device = torch.device(options.device)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{machine}, torch {torch.__version__}, {torch.get_num_threads()} threads, {options.words} words")
    seconds_of, runs = {}, {}
    for model in options.models:
        seconds_of[model], parts = parts_of(model, options.words, device)
        runs |= {f"{model} | {part}": run for part, run in parts.items()}
    with torch.inference_mode():
        times = interleaved(runs, options.rounds, 2, device)
    rows: list[dict[str, object]] = []
    for name, seconds in times.items():
        model, part = name.split(" | ")
        factors = [second / seconds_of[model] for second in seconds]
        rows.append(
            {
                "model": model,
                "part": part,
                "ms": f"{1000 * statistics.median(seconds):.1f}",
                "real-time factor": f"{statistics.median(factors):.4f} ({min(factors):.4f}-{max(factors):.4f})",
                "of the whole": f"{statistics.median(seconds) / statistics.median(times[f'{model} | whole']):.2f}",
            }
        )
    print_table(rows, options.write, "inference")


if __name__ == "__main__":
    main()
