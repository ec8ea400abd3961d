"""What the trained choices cost and reached: results.csv, a Markdown table, and the same held-out clip as each reconstructs it.

python -m experiments.generator_choices.tabulate --set outputs/prepared/choices --runs outputs/generator_choices --output FOLDER
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.signal import resample_poly

from experiments.generator_choices.choices import CHOICES, Choice
from sovits.audio.spectrogram import MelSpectrogram, log_compress
from sovits.audio.waveform import read_waveform
from sovits.data.manifest import Manifest, Utterance
from sovits.metrics import mel_distance
from sovits.reporting.pictures import save_figure
from sovits.voice import Voice

RATE, N_FFT, HOP, N_MELS = 22050, 2048, 512, 80
"""All choices are heard at the default's rate and on its mel scale, whatever their own."""
UNTIMED = 3
"""First steps with the adversary that are not timed: kernels and optimisers are set up in them."""
FIRST, LAST = 5, 10
"""Steps that make the losses at the start and at the end."""
LOSSES = ("total", "mel", "kl", "duration", "feature_matching", "speaker", "consistency")
COLUMNS = 6
Row = dict[str, str | float | int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, required=True, help="prepared set at the default rate")
    parser.add_argument("--runs", type=Path, required=True, help="folder that experiments.generator_choices.run filled")
    parser.add_argument("--output", type=Path, required=True, help="folder for results.csv and mels.png")
    parser.add_argument("--speaker", default="p225", help="whose held-out clip is drawn")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    held_out = [utterance for utterance in Manifest.load(arguments.set).utterances if utterance.split == "val"]
    recordings = {clip.id: read_waveform(arguments.set / clip.path, RATE) for clip in held_out}
    drawn = next(clip for clip in held_out if clip.speaker == arguments.speaker)
    panels = {"recording": log_mel(recordings[drawn.id])}
    rows = []
    for choice in CHOICES:
        run = arguments.runs / choice.name
        if not (run / "done").is_file():
            print(f"{choice.name} was not trained and is left out")
            continue
        sounds = reconstructions(choice, run, arguments.set, held_out)
        distance = fmean(heard_distance(sounds[clip.id], recordings[clip.id]) for clip in held_out)
        rows.append(figures(choice, run, distance))
        panels[choice.name] = log_mel(sounds[drawn.id])
    write(arguments.output / "results.csv", rows)
    save_figure(grid(panels, drawn), arguments.output / "mels.png")
    print(markdown(rows))


def figures(choice: Choice, run: Path, distance: float) -> Row:
    """A row of the table."""
    watch = json.loads((run / "stopwatch.json").read_text(encoding="utf-8"))
    with next((run / "csv").rglob("metrics.csv")).open(newline="", encoding="utf-8") as file:
        logged = list(csv.DictReader(file))
    ends = watch["ends"]
    parameters = watch["parameters"]
    row: Row = {
        "choice": choice.name,
        "overrides": " ".join(choice.overrides),
        "steps": len(ends),
        "cpu_seconds_per_step": step_seconds(ends, watch["adversary_from"]),
        "synthesizer_millions": parameters["synthesizer"] / 1e6,
        "discriminators_millions": parameters["discriminators"] / 1e6,
        "mel_at_start": mean(values(logged, "train/generator/mel")[:FIRST]),
    }
    row |= {name: mean(values(logged, f"train/generator/{name}")[-LAST:]) for name in LOSSES}
    for player in ("real", "synthetic"):
        row[f"verdict_on_{player}"] = mean(values(logged, f"train/discriminator/{player}")[-LAST:])
    return row | {"val_mel": values(logged, "val/mel")[-1], "heard_mel": distance}


def step_seconds(ends: list[float], adversary_from: int) -> float:
    """Mean CPU time of a generator step with the adversary, where there ever is one."""
    first = (adversary_from if adversary_from < len(ends) else 0) + UNTIMED
    # The mean: where the discriminators learn from every second batch, steps are of two kinds.
    return (ends[-1] - ends[first - 1]) / (len(ends) - first) if len(ends) > first else math.nan


def values(logged: list[dict[str, str]], name: str) -> list[float]:
    return [float(line[name]) for line in logged if line.get(name)]


def mean(numbers: list[float]) -> float:
    return fmean(numbers) if numbers else math.nan


def reconstructions(choice: Choice, run: Path, root: Path, clips: Iterable[Utterance]) -> dict[str, np.ndarray]:
    """Each clip [T_samples] at RATE, through the posterior's mean and the decoder, in the speaker's own voice."""
    voice = Voice.load(run / "checkpoints" / "last.ckpt")
    own = root if choice.audio == "default" else root.with_name(f"{root.name}_{choice.audio}")
    paths = {utterance.id: own / utterance.path for utterance in Manifest.load(own).utterances}
    sounds = {}
    for clip in clips:
        recording = read_waveform(paths[clip.id], voice.sample_rate)
        sound = voice.reconstruct(recording, voice.bank[clip.speaker])
        common = math.gcd(RATE, voice.sample_rate)
        sounds[clip.id] = resample_poly(sound, RATE // common, voice.sample_rate // common).astype(np.float32)
    return sounds


def log_mel(samples: np.ndarray) -> np.ndarray:
    """[T_samples] at RATE -> [N_MELS, T_frames] in nats."""
    spectrogram = MelSpectrogram(RATE, N_FFT, HOP, N_MELS)
    return log_compress(spectrogram(torch.from_numpy(samples)[None]))[0].numpy()


def heard_distance(sound: np.ndarray, recording: np.ndarray) -> float:
    """Mel distance in nats over what both last."""
    shorter = min(len(sound), len(recording)) // HOP * HOP
    return mel_distance(log_mel(sound[:shorter]), log_mel(recording[:shorter]))


def grid(panels: dict[str, np.ndarray], clip: Utterance) -> Figure:
    """Small log-mels, all on one scale of time, frequency and colour."""
    rows = math.ceil(len(panels) / COLUMNS)
    figure = Figure(figsize=(3.0 * COLUMNS, 1.75 * rows + 0.6), dpi=80, layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True)
    recorded = panels["recording"]
    low, high = np.percentile(recorded, 2), recorded.max()
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (name, mel) in zip(axes.flat, panels.items(), strict=False):
        extent = (0.0, mel.shape[1] * HOP / RATE, 0, N_MELS)
        image = axis.imshow(mel, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(name, fontsize=9, fontweight="bold" if name == "recording" else "normal")
        axis.set_yticks([])
    for axis in axes[-1]:
        axis.set_xlabel("Time (s)", fontsize=8)
    figure.colorbar(image, ax=list(axes.flat), label="Log power (nats)", fraction=0.02, pad=0.01)
    figure.suptitle(f"{clip.speaker}, held out: {clip.text}  ({N_MELS} mel bands, 0-{RATE // 2} Hz)", fontsize=11)
    return figure


def write(path: Path, rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.4g}" if isinstance(value, float) else value for name, value in row.items()} for row in rows)


def markdown(rows: list[Row]) -> str:
    """The table of README.md."""
    heads = {
        "choice": "choice",
        "steps": "steps",
        "cpu_seconds_per_step": "s a step",
        "synthesizer_millions": "M",
        "discriminators_millions": "M (d)",
        "total": "total",
        "mel_at_start": "mel, first",
        "mel": "mel, last",
        "kl": "KL",
        "duration": "duration",
        "feature_matching": "feature",
        "val_mel": "val/mel",
        "heard_mel": "heard",
    }
    lines = ["| " + " | ".join(heads.values()) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in heads) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: str | float | int) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return str(value)


if __name__ == "__main__":
    main()
