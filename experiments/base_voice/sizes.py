"""Few-shot voices by two keys at once: each figure for each pair of values, with its interval over speakers, as tables and a picture.

    python experiments/base_voice/sizes.py --output experiments/base_voice/sizes.png outputs/studies/few_shot_sizes

Takes finished runs of `sovits train`, or folders of them, one for each pair. A cell is the mean over speakers of each one's mean over
sentences, with a 95 % bootstrap interval over the speakers: what other people's voices would have given. With four of them that is rough.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from scipy import stats

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from sovits.errors import SovitsError
from sovits.reporting.run_config import value_of
from sovits.reporting.run_finding import find_runs
from sovits.reporting.run_reading import EvaluatedRun
from sovits.reporting.statistics import Estimate

FIGURES = {"speaker_similarity": "speaker similarity", "intelligibility": "intelligibility", "mos_proxy": "DNSMOS"}
SIZE, SECONDS = "embedding_size", "data.seconds_per_speaker"

Grid = Mapping[tuple[int, int], Estimate]
"""Of one figure, by size and seconds."""


def by_speaker(run: EvaluatedRun, figure: str) -> np.ndarray:
    """Each speaker's mean over the sentences that have the figure."""
    known = [clip for clip in run.clips.values() if not np.isnan(clip.figures[figure])]
    names = sorted({clip.speaker for clip in known})
    return np.array([np.mean([clip.figures[figure] for clip in known if clip.speaker == name]) for name in names])


def estimate(values: np.ndarray) -> Estimate:
    """The mean and its 95 % percentile interval."""
    interval = stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return Estimate(float(values.mean()), float(interval.low), float(interval.high))


def by_setting(runs: tuple[EvaluatedRun, ...]) -> dict[tuple[int, int], EvaluatedRun]:
    """The run of each size and each number of seconds.

    Raises:
        SovitsError: two runs of one pair.
    """
    found: dict[tuple[int, int], EvaluatedRun] = {}
    for run in runs:
        pair = (value_of(run.config, SIZE), value_of(run.config, SECONDS))
        if pair in found:
            raise SovitsError(f"{found[pair].folder} and {run.folder} both have {SIZE}={pair[0]} {SECONDS}={pair[1]}; name one of them.")
        found[pair] = run
    return dict(sorted(found.items()))


def table(grid: Grid, label: str) -> list[str]:
    """Seconds downwards, sizes across."""
    sizes, seconds = (sorted({pair[axis] for pair in grid}) for axis in (0, 1))
    lines = [f"| {label} | {' | '.join(map(str, sizes))} |", "| --- |" + " --- |" * len(sizes)]
    for amount in seconds:
        cells = [grid.get((size, amount)) for size in sizes]
        shown = (f"{cell.value:.2f} [{cell.low:.2f}, {cell.high:.2f}]" if cell else "" for cell in cells)
        lines.append(f"| {amount} s | {' | '.join(shown)} |")
    return lines


def draw(grids: Mapping[str, Grid], path: Path) -> None:
    """A line for each size over the seconds; bars are the intervals."""
    figure, axes = plt.subplots(1, len(grids), figsize=(12, 3.8), layout="constrained")
    for axis, (label, grid) in zip(axes, grids.items(), strict=True):
        seconds = sorted({amount for _, amount in grid})
        sizes = sorted({size for size, _ in grid})
        for number, size in enumerate(sizes):
            points = [(place, grid[size, amount]) for place, amount in enumerate(seconds) if (size, amount) in grid]
            beside = [place + 0.08 * (number - (len(sizes) - 1) / 2) for place, _ in points]
            values = np.array([one.value for _, one in points])
            reach = np.abs(np.array([[one.low, one.high] for _, one in points]).T - values)
            axis.errorbar(beside, values, reach, marker="o", markersize=4, linewidth=1, capsize=2, label=str(size))
        axis.set(title=label, xlabel="seconds of each speaker", xticks=range(len(seconds)), xticklabels=seconds)
    figure.legend(*axes[0].get_legend_handles_labels(), title="numbers a voice", loc="outside right upper")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("runs", nargs="+", help="runs, sweeps or folders of them")
    parser.add_argument("--output", type=Path, required=True, help="picture to write")
    options = parser.parse_args()
    runs = by_setting(find_runs(options.runs, False).runs)
    grids = {label: {pair: estimate(by_speaker(run, name)) for pair, run in runs.items()} for name, label in FIGURES.items()}
    for label, grid in grids.items():
        print("\n".join([*table(grid, label), ""]))
    draw(grids, options.output)


if __name__ == "__main__":
    main()
