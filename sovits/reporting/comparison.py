"""Settings side by side: their figures with intervals, the tests between them, and what all that cannot show."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sovits.errors import SovitsError
from sovits.metrics.judge import REAL, RECONSTRUCTION, Figure
from sovits.reporting.run_finding import FoundRuns
from sovits.reporting.run_reading import ClipRow, EvaluatedRun, LeftOut
from sovits.reporting.run_settings import Setting, Settings, group_runs, require_comparable
from sovits.reporting.statistics import Estimate, PairedTest, Speakers, Statistics, holm

FEW_SEEDS = 5
"""Fewer runs of a setting than these make a rough interval, and the page says so."""
FEW_SENTENCES = 5
"""Likewise of a speaker's sentences."""


@dataclass(frozen=True)
class SettingFigure:
    """What one figure is in one setting."""

    mean: Estimate
    """Over speakers."""
    speakers: Mapping[str, Estimate]
    seeds: tuple[float, ...]
    """The mean of each replicate."""
    known: int
    """Test sentences that it is known of, in any replicate."""


@dataclass(frozen=True)
class Pair:
    """One figure of two settings, tested."""

    figure: Figure
    first: Setting
    second: Setting
    test: PairedTest
    p_corrected: float = math.nan
    """By Holm, over the family."""
    p_seeds_corrected: float = math.nan

    @property
    def better(self) -> Setting | None:
        """The one that the difference speaks for; None where there is none, or neither more nor less is better."""
        if not self.test.difference.value or self.figure.higher_is_better is None:
            return None
        return self.first if (self.test.difference.value > 0) == self.figure.higher_is_better else self.second


@dataclass(frozen=True)
class Comparison:
    """All that the page and the tables tell."""

    settings: tuple[Setting, ...]
    grouping: Settings
    sentences: tuple[ClipRow, ...]
    figures: tuple[Figure, ...]
    """Of synthetic speech first, then of the reconstruction."""
    values: Mapping[tuple[str, str], SettingFigure]
    """By figure and setting key; none where no run of the setting has the figure."""
    recordings: Mapping[str, SettingFigure]
    """The same figure of the real recordings, where there is one."""
    pairs: tuple[Pair, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    """What these runs cannot show, in sentences."""
    statistics: Statistics

    @property
    def speakers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(clip.speaker for clip in self.sentences))

    @property
    def main_figures(self) -> tuple[Figure, ...]:
        """Those of synthetic speech."""
        return tuple(figure for figure in self.figures if not figure.name.endswith(RECONSTRUCTION))

    @property
    def runs(self) -> list[EvaluatedRun]:
        return [run for setting in self.settings for run in setting.runs]


def compare(found: FoundRuns, statistics: Statistics, ignored: Sequence[str], common_sentences: bool, baseline: str | None) -> Comparison:
    """Compares every setting among the runs.

    Args:
        found: the runs.
        statistics: how sure differences are.
        ignored: keys that do not make another setting.
        common_sentences: see :func:`require_comparable`.
        baseline: the label or letter of the setting that all others are tested against; ``None`` tests every pair.

    Raises:
        SovitsError: they cannot be compared, no figure is left, or there is no such baseline.
    """
    grouping = group_runs(found.runs, ignored)
    settings = grouping.settings
    ids = require_comparable(settings, common_sentences)
    first = settings[0].clips
    sentences = tuple(first[id_] for id_ in ids)
    speakers = Speakers.of([clip.speaker for clip in sentences])
    figures = _figures(settings)
    if not figures:
        raise SovitsError(f"The evaluation of {settings[0].runs[0].name} holds no figure; run `sovits evaluate` with a judge or more.")
    values = {}
    for figure, setting in itertools.product(figures, settings):
        matrix = setting.values_of(figure.name, ids)
        if np.isfinite(matrix).any():
            values[figure.name, setting.key] = _setting_figure(matrix, speakers, statistics)
    recordings = {figure.name: told for figure in figures if (told := _of_recordings(figure, settings, ids, speakers, statistics))}
    pairs = _pairs(figures, settings, ids, speakers, statistics, _baseline(settings, baseline))
    left_out = (*found.left_out, *grouping.left_out)
    notes = tuple(_notes(settings, sentences, figures, values, left_out, statistics))
    return Comparison(settings, grouping, sentences, figures, values, recordings, pairs, left_out, notes, statistics)


def _figures(settings: Sequence[Setting]) -> tuple[Figure, ...]:
    """Every figure that any run has, synthetic speech first."""
    named: dict[str, Figure] = {}
    for run in (run for setting in settings for run in setting.runs):
        for figure in run.figures:
            known = named.setdefault(figure.name, figure)
            if known.higher_is_better != figure.higher_is_better:
                raise SovitsError(
                    f"{run.name} says that {'more' if figure.higher_is_better else 'less'} is better of {figure.name}, another run the "
                    "opposite; evaluate both with one version."
                )
    return tuple(sorted(named.values(), key=lambda figure: figure.name.endswith(RECONSTRUCTION)))


def _setting_figure(matrix: np.ndarray, speakers: Speakers, statistics: Statistics) -> SettingFigure:
    mean, own = statistics.estimates(matrix, speakers)
    seeds = tuple(statistics.estimates(row[None], speakers)[0].value for row in matrix)
    return SettingFigure(mean, own, seeds, int(np.isfinite(matrix).any(axis=0).sum()))


def _of_recordings(
    figure: Figure, settings: Sequence[Setting], ids: Sequence[str], speakers: Speakers, statistics: Statistics
) -> SettingFigure | None:
    """Of the first setting that knows it: recordings are the same in all."""
    for setting in settings:
        matrix = setting.values_of(figure.name + REAL, ids)
        if np.isfinite(matrix).any():
            return _setting_figure(matrix[:1] if np.isfinite(matrix[0]).any() else matrix, speakers, statistics)
    return None


def _baseline(settings: Sequence[Setting], wanted: str | None) -> Setting | None:
    if wanted is None:
        return None
    for setting in settings:
        if wanted in (setting.label, setting.key):
            return setting
    raise SovitsError(
        f"baseline={wanted} is no setting of these runs; they are {'; '.join(f'{one.key}: {one.label}' for one in settings)}."
    )


def _pairs(
    figures: Sequence[Figure],
    settings: Sequence[Setting],
    ids: Sequence[str],
    speakers: Speakers,
    statistics: Statistics,
    baseline: Setting | None,
) -> tuple[Pair, ...]:
    couples = list(itertools.combinations(settings, 2))
    if baseline is not None:
        couples = [(setting, baseline) for setting in settings if setting is not baseline]
    families: list[list[Pair]] = []
    for figure in figures:
        own = {setting.key: setting.values_of(figure.name, ids) for setting in settings}
        tests = [Pair(figure, a, b, statistics.compare(own[a.key], own[b.key], speakers)) for a, b in couples]
        families.append([pair for pair in tests if pair.test.sentences])
    if statistics.family == "all":
        families = [[pair for family in families for pair in family]]
    return tuple(pair for family in families for pair in _corrected(family))


def _corrected(family: list[Pair]) -> list[Pair]:
    p, p_seeds = holm([pair.test.p for pair in family]), holm([pair.test.p_seeds for pair in family])
    return [replace(pair, p_corrected=p[at], p_seeds_corrected=p_seeds[at]) for at, pair in enumerate(family)]


def _notes(
    settings: Sequence[Setting],
    sentences: Sequence[ClipRow],
    figures: Sequence[Figure],
    values: Mapping[tuple[str, str], SettingFigure],
    left_out: Sequence[LeftOut],
    statistics: Statistics,
) -> list[str]:
    notes = [_about_seeds(settings), *_about_sentences(sentences)]
    notes += [
        note for figure in figures if not figure.name.endswith(RECONSTRUCTION) for note in _gaps(figure, settings, len(sentences), values)
    ]
    steps = {setting.key: setting.generator_steps for setting in settings}
    if len(set(steps.values())) > 1:
        told = ", ".join(f"{key} {count}" for key, count in steps.items())
        notes.append(f"The settings were trained for different numbers of generator steps: {told}.")
    if left_out:
        counts = Counter(run.status for run in left_out)
        told = ", ".join(f"{count} {status}" for status, count in counts.items())
        notes.append(f"{len(left_out)} run{'s are' if len(left_out) > 1 else ' is'} left out of all figures: {told}; the list is below.")
    if len(settings) > 2:
        scope = "within each figure" if statistics.family == "figure" else "over all figures"
        notes.append(f"Of many comparisons some look real by chance: p is corrected by Holm's method over all pairs {scope}.")
    notes.append(
        "The figures are judges' guesses, not people's opinions: what they cannot hear is not in them. Take the listening test too."
    )
    return notes


def _gaps(figure: Figure, settings: Sequence[Setting], sentences: int, values: Mapping[tuple[str, str], SettingFigure]) -> list[str]:
    """Where a figure is not known: in a setting, in some of its runs, of some sentences."""
    name, notes = f"{figure.heading} ({figure.name})", []
    known = {setting.key: values.get((figure.name, setting.key)) for setting in settings}
    if absent := [key for key, value in known.items() if value is None]:
        notes.append(f"{name} was not measured in {', '.join(absent)}: a gap in the tables.")
    for setting in settings:
        value = known[setting.key]
        lacking = [] if value is None else [seed for seed, one in zip(setting.seeds, value.seeds, strict=True) if math.isnan(one)]
        if lacking:
            notes.append(f"{name} was not measured in {setting.key} with seed {', '.join(lacking)}: its other runs tell.")
    partly = {key: value.known for key, value in known.items() if value is not None and value.known < sentences}
    for count in dict.fromkeys(partly.values()):
        keys = [key for key, one in partly.items() if one == count]
        whose = "" if len(keys) == len(settings) else f" in {', '.join(keys)}"
        notes.append(f"{name} is known of {count} of {sentences} sentences{whose}; the means are of those.")
    return notes


def _about_seeds(settings: Sequence[Setting]) -> str:
    counts = {setting.key: len(setting.replicates) for setting in settings}
    single = [key for key, count in counts.items() if count == 1]
    if len(single) == len(settings):
        whose = "Every setting was" if len(settings) > 1 else "It was"
        return (
            f"{whose} trained once. The intervals and p values tell whether these trained models differ on sentences like these; they "
            "cannot tell whether another seed would turn the order round. Train each with several seeds to know."
        )
    if single:
        return (
            f"{', '.join(single)} {'were' if len(single) > 1 else 'was'} trained once: the interval holds no chance of training, so it is "
            "too narrow beside those of the others."
        )
    if min(counts.values()) < FEW_SEEDS:
        each = f"{min(counts.values())} of each setting" if len(set(counts.values())) == 1 else ""
        told = each or ", ".join(f"{key} {count}" for key, count in counts.items())
        return (
            f"Seeds are few ({told}): intervals that resample so few runs are rough, and tend to be too narrow; the test over seeds "
            "cannot give a small p at all."
        )
    return "Intervals hold the chance of training as well as that of the sentences: runs and sentences are both resampled."


def _about_sentences(sentences: Sequence[ClipRow]) -> list[str]:
    counts = Counter(clip.speaker for clip in sentences)
    notes = []
    if few := {speaker: count for speaker, count in counts.items() if count < FEW_SENTENCES}:
        told = ", ".join(f"{speaker} {count}" for speaker, count in few.items())
        notes.append(
            f"Some speakers have few test sentences ({told}): their own intervals are rough, and one sentence of one run has none."
        )
    if len(counts) > 1:
        notes.append(f"The {len(counts)} speakers are not resampled: nothing here speaks for speakers who are not in this test.")
    else:
        notes.append("There is one speaker: nothing here speaks for other voices.")
    return notes
