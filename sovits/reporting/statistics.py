"""How sure a difference is: intervals by bootstrap, paired permutation tests, and their correction for several comparisons.

Values of one setting are a matrix [R, N]: R runs that differ in their seed alone, N test sentences; NaN where a figure is not known.
Its figure is the mean over speakers of the mean over a speaker's sentences of the mean over runs: a speaker with many sentences counts
as much as one with few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sovits.errors import SovitsError


@dataclass(frozen=True)
class Estimate:
    """A figure and the interval around it; NaN where there is nothing to resample."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def has_interval(self) -> bool:
        return not math.isnan(self.low)

    @property
    def spans_zero(self) -> bool:
        """Whether zero lies in its interval; false where there is none."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class PairedTest:
    """Two settings on the same sentences."""

    difference: Estimate
    """First minus second."""
    p: float
    """Two-sided, of the sign-flip permutation test over sentences; NaN without a sentence that both have."""
    exact: bool
    """All sign flips were enumerated, not a sample of them."""
    effect: float
    """Cohen's d of the paired differences: their mean over their standard deviation; NaN where they do not vary."""
    sentences: int
    """That both settings have a value of."""
    higher: int
    """Of those, where the first is the higher."""
    p_seeds: float
    """Two-sided, of exchanging whole runs between the settings; NaN unless each has two runs or more."""


@dataclass(frozen=True)
class Speakers:
    """Which columns of a matrix are whose.

    Args:
        names: of the speakers.
        columns: of each, the indices of its sentences.
    """

    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, speakers: Sequence[str]) -> Speakers:
        """From each sentence's speaker, in the order of first appearance."""
        names = tuple(dict.fromkeys(speakers))
        return cls(names, tuple(np.flatnonzero([one == name for one in speakers]) for name in names))


class Statistics:
    """How figures are resampled and compared.

    Args:
        resamples: bootstrap draws of an interval.
        permutations: most sign flips tried; fewer where all of them are fewer, which then is exact.
        confidence: of the intervals.
        family: what Holm's correction covers: ``figure``, all pairs of settings in one figure, or ``all``, all pairs in all figures.
        seed: of all draws.

    Raises:
        SovitsError: a number or the family is out of range.
    """

    def __init__(self, resamples: int, permutations: int, confidence: float, family: str, seed: int) -> None:
        if resamples < 100 or permutations < 100:
            raise SovitsError(
                f"statistics.resamples={resamples} and statistics.permutations={permutations} must both be 100 or more; take 4000 and 9999."
            )
        if not 0.5 <= confidence < 1:
            raise SovitsError(f"statistics.confidence={confidence} must lie in [0.5, 1); take 0.95.")
        if family not in ("figure", "all"):
            raise SovitsError(f"statistics.family={family} is none of figure, all; choose one of them.")
        self.resamples, self.permutations, self.confidence, self.family, self.seed = resamples, permutations, confidence, family, seed
        self._sentences: dict[tuple[int, ...], list[np.ndarray]] = {}

    def estimates(self, values: np.ndarray, speakers: Speakers) -> tuple[Estimate, dict[str, Estimate]]:
        """The mean over speakers and each speaker's own, from ``values`` [R, N].

        Sentences are drawn with replacement within each speaker, and runs too where there are two or more. The speakers stay as they are.
        """
        drawn = self._drawn(values, speakers, number=1)
        points = _speaker_means(_over_runs(values), speakers)
        own = {name: self._estimate(point, drawn[:, k]) for k, (name, point) in enumerate(zip(speakers.names, points, strict=True))}
        return self._estimate(_mean(points), _row_means(drawn)), own

    def compare(self, first: np.ndarray, second: np.ndarray, speakers: Speakers) -> PairedTest:
        """Tests ``first`` [R1, N] against ``second`` [R2, N], column by column the same sentences."""
        means = np.stack([_over_runs(first), _over_runs(second)])
        known = np.isfinite(means).all(axis=0)
        if not known.any():
            return PairedTest(Estimate(math.nan), math.nan, False, math.nan, 0, 0, math.nan)
        first, second = np.where(known, first, np.nan), np.where(known, second, np.nan)
        differences = means[0] - means[1]
        spread = float(np.std(differences[known], ddof=1)) if known.sum() > 1 else 0.0
        return PairedTest(
            difference=self._difference(first, second, np.where(known, differences, np.nan), speakers),
            p=self._sign_flips(means[:, known], _weights(known, speakers)[known]),
            exact=2.0 ** int(known.sum()) <= self.permutations,
            effect=float(differences[known].mean()) / spread if spread > 1e-12 else math.nan,
            sentences=int(known.sum()),
            higher=int((differences[known] > 0).sum()),
            p_seeds=self._exchanged_runs(first, second, speakers),
        )

    def _difference(self, first: np.ndarray, second: np.ndarray, differences: np.ndarray, speakers: Speakers) -> Estimate:
        """Both settings speak the same drawn sentences; their runs are drawn apart."""
        drawn = [self._drawn(values, speakers, number) for number, values in enumerate((first, second), start=1)]
        return self._estimate(_mean(_speaker_means(differences, speakers)), _row_means(drawn[0] - drawn[1]))

    def _drawn(self, values: np.ndarray, speakers: Speakers, number: int) -> np.ndarray:
        """Bootstrap means [resamples, speakers]; NaN for a draw without a known value. Another ``number`` draws other runs."""
        count = len(values)
        times = np.random.default_rng([self.seed, number]).multinomial(count, np.full(count, 1 / count), size=self.resamples).astype(float)
        known = np.isfinite(values)
        drawn = np.full((self.resamples, len(speakers.names)), np.nan)
        for at, (columns, often) in enumerate(zip(speakers.columns, self._drawn_sentences(speakers), strict=True)):
            with np.errstate(invalid="ignore"):
                own = times @ np.where(known, values, 0.0)[:, columns] / (times @ known[:, columns].astype(float))
                there = np.isfinite(own)
                drawn[:, at] = (often * np.where(there, own, 0.0)).sum(axis=1) / (often * there).sum(axis=1)
        return drawn

    def _drawn_sentences(self, speakers: Speakers) -> list[np.ndarray]:
        """How often each draw holds each sentence, [resamples, N] for each speaker: the same for all settings and figures."""
        counts = tuple(len(columns) for columns in speakers.columns)
        if counts not in self._sentences:
            chance = np.random.default_rng(self.seed)
            drawn = [chance.multinomial(count, np.full(count, 1 / count), size=self.resamples).astype(float) for count in counts]
            self._sentences[counts] = drawn
        return self._sentences[counts]

    def _estimate(self, point: float, drawn: np.ndarray) -> Estimate:
        drawn = drawn[np.isfinite(drawn)]
        if math.isnan(point) or not drawn.size or np.ptp(drawn) < 1e-12:
            return Estimate(point)
        tail = 50 * (1 - self.confidence)
        low, high = (float(edge) for edge in np.percentile(drawn, (tail, 100 - tail)))
        return Estimate(point, low, high)

    def _sign_flips(self, means: np.ndarray, weights: np.ndarray) -> float:
        """``means`` [2, N] of the two settings."""
        if np.allclose(means[0], means[1], rtol=0, atol=1e-12):
            return 1.0
        result = stats.permutation_test(
            (means[0], means[1]),
            lambda first, second, axis: np.sum(weights * (first - second), axis=axis),
            permutation_type="samples",
            n_resamples=self.permutations,
            vectorized=True,
            batch=1000,
            rng=np.random.default_rng(self.seed),
        )
        return float(result.pvalue)

    def _exchanged_runs(self, first: np.ndarray, second: np.ndarray, speakers: Speakers) -> float:
        own = [np.array([_mean(_speaker_means(row, speakers)) for row in values]) for values in (first, second)]
        own = [values[np.isfinite(values)] for values in own]
        if min(len(values) for values in own) < 2:
            return math.nan
        result = stats.permutation_test(
            own,
            lambda one, other, axis: np.mean(one, axis=axis) - np.mean(other, axis=axis),
            permutation_type="independent",
            n_resamples=self.permutations,
            vectorized=True,
            rng=np.random.default_rng(self.seed),
        )
        return float(result.pvalue)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): each p so that calling all below 0.05 real is wrong once in 20 such families at most.

    NaN, a test that could not be made, stays NaN and does not count.
    """
    known = [index for index, p in enumerate(probabilities) if not math.isnan(p)]
    corrected, least = [math.nan] * len(probabilities), 0.0
    for rank, index in enumerate(sorted(known, key=lambda one: probabilities[one])):
        least = max(least, min(1.0, (len(known) - rank) * probabilities[index]))
        corrected[index] = least
    return corrected


def share(successes: int, trials: int, confidence: float) -> Estimate:
    """A share with Wilson's interval (1927), which stays within [0, 1] and is right for few trials too; NaN without a trial."""
    if not trials:
        return Estimate(math.nan)
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Estimate(successes / trials, float(interval.low), float(interval.high))


def sign_test(first: int, second: int) -> float:
    """Two-sided probability of so uneven a division between equally good ones; NaN without any."""
    return float(stats.binomtest(first, first + second).pvalue) if first + second else math.nan


def _over_runs(values: np.ndarray) -> np.ndarray:
    """[R, N] -> [N], the mean of the runs that know."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)


def _speaker_means(values: np.ndarray, speakers: Speakers) -> list[float]:
    """[N] -> each speaker's mean of what is known."""
    return [_mean(values[columns].tolist()) for columns in speakers.columns]


def _row_means(values: np.ndarray) -> np.ndarray:
    """[B, S] -> [B], over the speakers known in the row."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def _weights(known: np.ndarray, speakers: Speakers) -> np.ndarray:
    """[N]: what each known sentence counts in the mean over speakers."""
    weights = np.zeros(len(known))
    for columns in speakers.columns:
        own = columns[known[columns]]
        weights[own] = 1 / max(len(own), 1)
    return weights / max(sum(bool(known[columns].any()) for columns in speakers.columns), 1)
