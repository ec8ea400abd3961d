"""A study's runs as its README shows them: tables as CSV, a picture, and the same in Markdown on the terminal.

python -m experiments.tabulate outputs/studies/base outputs/studies/embedding_size --key embedding_size --output experiments/embedding_size
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import OmegaConf

from sovits.cli import config_directory
from sovits.metrics.judge import Figure
from sovits.reporting.comparison import Comparison, SettingFigure, compare
from sovits.reporting.comparison_figure import comparison_figure
from sovits.reporting.comparison_parts import arrow
from sovits.reporting.comparison_sections import SURE
from sovits.reporting.comparison_tables import COMPARISONS, SETTINGS, SPEAKERS, write_tables
from sovits.reporting.pictures import save_figure
from sovits.reporting.ratings_tables import probability, shown
from sovits.reporting.run_finding import find_runs

PICTURE = "figures.png"
OWN = (SETTINGS, SPEAKERS, COMPARISONS)
"""The tables of a report that a study keeps: those of runs and clips name folders and texts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="runs, sweeps or patterns, as for `sovits report`")
    parser.add_argument("--output", type=Path, required=True, help="folder of the study")
    parser.add_argument("--figures", nargs="+", required=True, help="names of the figures to show")
    parser.add_argument("--key", help="a key of numbers for the picture's horizontal axis")
    parser.add_argument("--baseline", help="a setting that all others are tested against")
    parser.add_argument("--ignore", nargs="*", default=[], help="keys that make no other setting")
    arguments = parser.parse_args()
    # As `sovits report` has them.
    statistics = instantiate(OmegaConf.load(config_directory() / "report.yaml").statistics)
    comparison = compare(find_runs(arguments.runs, False), statistics, arguments.ignore, False, arguments.baseline)
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_tables(comparison, arguments.output, OWN)
    save_figure(comparison_figure(comparison, arguments.figures, arguments.key), arguments.output / PICTURE)
    chosen = [figure for figure in comparison.figures if figure.name in arguments.figures]
    print("\n".join([*settings_table(comparison, chosen, arguments.key), "", *pairs_table(comparison, chosen), "", *comparison.notes]))


def settings_table(comparison: Comparison, figures: Sequence[Figure], key: str | None) -> list[str]:
    """A row for each setting, in the order of ``key``, and one for the recordings, each figure with its interval."""

    def cells(values: Sequence[SettingFigure | None]) -> list[str]:
        return [shown(value.mean, figure.digits) if value else "" for value, figure in zip(values, figures, strict=True)]

    lines = row("setting", "seeds", *(f"{figure.heading} {arrow(figure)}" for figure in figures)) + row(*["---"] * (2 + len(figures)))
    for setting in sorted(comparison.settings, key=lambda one: one.values[key] if key else 0):
        known = [comparison.values.get((figure.name, setting.key)) for figure in figures]
        lines += row(f"`{setting.label}`", str(len(setting.replicates)), *cells(known))
    return lines + row("recordings", "", *cells([comparison.recordings.get(figure.name) for figure in figures]))


def pairs_table(comparison: Comparison, figures: Sequence[Figure]) -> list[str]:
    """A row for each pair that differs by the test over sentences and by the interval, in which the runs' own chance is too."""
    pairs = [pair for pair in comparison.pairs if pair.figure in figures]
    likely = sorted((pair for pair in pairs if pair.p_corrected < SURE), key=lambda pair: pair.p_corrected)
    sure = [pair for pair in likely if not pair.test.difference.spans_zero]
    lines = row("figure", "first", "second", "difference", "p over sentences", "p over seeds") + row(*["---"] * 6)
    for pair in sure:
        difference = shown(pair.test.difference, pair.figure.digits)
        probabilities = map(probability, (pair.p_corrected, pair.p_seeds_corrected))
        lines += row(pair.figure.heading, f"`{pair.first.label}`", f"`{pair.second.label}`", difference, *probabilities)
    rest = f"in {len(sure)} of them the interval excludes zero too."
    return [*lines, "", f"Of {len(pairs)} tests over sentences {len(likely)} are below {SURE} (Holm, within each figure); {rest}"]


def row(*cells: str) -> list[str]:
    return [f"| {' | '.join(cells)} |"]


if __name__ == "__main__":
    main()
