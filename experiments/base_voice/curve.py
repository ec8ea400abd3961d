"""Figures of strangers over training: evaluations of one run's checkpoints as a table and a picture.

    python experiments/base_voice/curve.py --output experiments/base_voice/curve.png 0=EVALUATION 1000=EVALUATION ...

Each EVALUATION is a folder of `sovits evaluate` on the same set, behind the generator steps that its checkpoint had made. Lines are means
over speakers, bands reach from the worst to the best speaker, and the dashed line is the same figure of their recordings.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

FIGURES = {"speaker_similarity": "speaker similarity", "intelligibility": "intelligibility", "mos_proxy": "DNSMOS"}
KINDS = {"": "from text", "_reconstruction": "reconstructed"}
REAL = "_real"


def read(evaluation: Path) -> list[dict[str, float]]:
    """Every speaker's figures."""
    with (evaluation / "speakers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name + kind for name in FIGURES for kind in (*KINDS, REAL)]
    return [{name: float(row[name]) for name in names if row.get(name)} for row in rows]


def means(rows: list[dict[str, float]], name: str) -> tuple[float, float, float]:
    """Mean, lowest and highest of the speakers."""
    values = [row[name] for row in rows if name in row]
    return sum(values) / len(values), min(values), max(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("evaluations", nargs="+", help="STEP=FOLDER")
    parser.add_argument("--output", type=Path, required=True, help="picture to write")
    options = parser.parse_args()
    folders = {int(step): Path(folder) for step, _, folder in (given.partition("=") for given in options.evaluations)}
    found = {step: read(folders[step]) for step in sorted(folders)}
    _, axes = plt.subplots(1, len(FIGURES), figsize=(12, 3.6), layout="constrained")
    print("| step | " + " | ".join(f"{label}, {kind}" for label in FIGURES.values() for kind in KINDS.values()) + " |")
    print("| --- |" + " --- |" * (len(FIGURES) * len(KINDS)))
    for step, rows in found.items():
        print(f"| {step} | " + " | ".join(f"{means(rows, name + kind)[0]:.2f}" for name in FIGURES for kind in KINDS) + " |")
    last = next(reversed(found.values()))
    print("| recordings | " + " | ".join(f"{means(last, name + REAL)[0]:.2f}" for name in FIGURES for _ in KINDS) + " |")
    for axis, (name, label) in zip(axes, FIGURES.items(), strict=True):
        for kind, told in KINDS.items():
            middle, low, high = zip(*(means(rows, name + kind) for rows in found.values()), strict=True)
            [line] = axis.plot(list(found), middle, marker="o", markersize=3, label=told)
            axis.fill_between(list(found), low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        axis.axhline(means(last, name + REAL)[0], color="gray", linestyle="--", label="recordings")
        axis.set(title=label, xlabel="generator steps with the adversary")
    axes[0].legend()
    plt.savefig(options.output, dpi=110)


if __name__ == "__main__":
    main()
