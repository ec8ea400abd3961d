"""Intervals and tests against scipy, against brute force, and against what they promise."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from sovits.errors import SovitsError
from sovits.reporting.statistics import Speakers, Statistics, holm, share, sign_test


def statistics(**changes: object) -> Statistics:
    settings: dict = {"resamples": 3000, "permutations": 9999, "confidence": 0.95, "family": "figure", "seed": 0}
    return Statistics(**settings | changes)


ONE = Speakers.of(["ana"] * 12)
TWO = Speakers.of(["ana", "bo", "ana", "bo", "bo", "ana"])


def test_speakers_keep_their_columns() -> None:
    assert TWO.names == ("ana", "bo")
    assert [columns.tolist() for columns in TWO.columns] == [[0, 2, 5], [1, 3, 4]]


def test_the_interval_of_one_run_is_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(1).normal(size=12)
    mean, own = statistics(resamples=20000).estimates(values[None], ONE)
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20000, rng=np.random.default_rng(3)).confidence_interval
    assert mean == own["ana"]
    assert mean.value == pytest.approx(values.mean())
    assert mean.low == pytest.approx(expected.low, abs=0.03)
    assert mean.high == pytest.approx(expected.high, abs=0.03)


def test_a_speaker_with_many_sentences_counts_as_much_as_one_with_few() -> None:
    speakers = Speakers.of(["ana"] * 9 + ["bo"])
    mean, own = statistics().estimates(np.array([[1.0] * 9 + [3.0]]), speakers)
    assert mean.value == pytest.approx(2.0)
    assert (own["ana"].value, own["bo"].value) == (1.0, 3.0)


def test_the_interval_holds_runs_and_sentences() -> None:
    """By the two variances of a crossed design without an interaction."""
    rng = np.random.default_rng(2)
    runs, sentences = rng.normal(size=6), rng.normal(size=12)
    matrix = runs[:, None] + sentences[None]
    mean, _ = statistics(resamples=20000).estimates(matrix, ONE)
    spread = math.sqrt(runs.var() / len(runs) + sentences.var() / len(sentences))
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * spread, rel=0.05)
    alone, _ = statistics(resamples=20000).estimates(matrix[:1], ONE)
    assert alone.high - alone.low < mean.high - mean.low


@pytest.mark.parametrize(("matrix", "has"), [([[1.0, 1.0]], False), ([[2.0, math.nan]], False), ([[1.0, 2.0]], True)])
def test_nothing_to_draw_again_is_no_interval(matrix: list[list[float]], has: bool) -> None:
    mean, _ = statistics().estimates(np.array(matrix), Speakers.of(["ana", "ana"]))
    assert mean.has_interval is has
    assert not math.isnan(mean.value)


def test_one_sentence_of_two_runs_has_an_interval_of_the_runs() -> None:
    mean, _ = statistics().estimates(np.array([[1.0], [2.0]]), Speakers.of(["ana"]))
    assert (mean.value, mean.low, mean.high) == (1.5, 1.0, 2.0)


def test_gaps_are_left_out_of_means() -> None:
    matrix = np.array([[1.0, math.nan, 3.0, 8.0, math.nan, 5.0], [3.0, math.nan, math.nan, 8.0, 4.0, 5.0]])
    mean, own = statistics().estimates(matrix, TWO)
    assert own["ana"].value == pytest.approx((2 + 3 + 5) / 3)
    assert own["bo"].value == pytest.approx((8 + 4) / 2)
    assert mean.value == pytest.approx((10 / 3 + 6) / 2)
    unknown, _ = statistics().estimates(np.full((2, 6), np.nan), TWO)
    assert math.isnan(unknown.value)
    assert not unknown.has_interval


def brute_force_p(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> float:
    differences = weights * (first - second)
    observed = abs(differences.sum())
    flips = [abs((np.array(signs) * differences).sum()) for signs in itertools.product((1, -1), repeat=len(differences))]
    return float(np.mean([value >= observed - 1e-12 for value in flips]))


def test_a_paired_test_enumerates_all_exchanges_by_brute_force() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=6), rng.normal(size=6) + 0.8
    result = statistics().compare(first[None], second[None], TWO)
    assert result.exact
    assert result.p == pytest.approx(brute_force_p(first, second, np.full(6, 1 / 6)))
    # One speaker has two sentences now and the other three: each speaker still counts one half.
    second[0] = math.nan
    known = np.isfinite(second)
    weights = np.array([0, 1 / 6, 1 / 4, 1 / 6, 1 / 6, 1 / 4])
    result = statistics().compare(first[None], second[None], TWO)
    assert result.sentences == 5
    assert result.p == pytest.approx(brute_force_p(first[known], second[known], weights[known]))
    assert result.difference.value == pytest.approx(float((weights * np.nan_to_num(first - second)).sum()))


def test_a_paired_test_of_one_speaker_is_scipys() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=12), rng.normal(size=12) + 0.5
    result = statistics().compare(first[None], second[None], ONE)
    expected = stats.permutation_test(
        (first, second), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    assert result.exact
    assert result.p == pytest.approx(expected.pvalue)
    drawn = statistics(permutations=2000).compare(first[None], second[None], ONE)
    assert not drawn.exact
    assert drawn.p == pytest.approx(expected.pvalue, abs=0.03)
    assert drawn.p == statistics(permutations=2000).compare(first[None], second[None], ONE).p


def test_effect_and_sign_are_those_of_the_differences() -> None:
    first, second = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 7.0]]), np.array([[0.0, 2.5, 2.0, 3.0, 5.5, 4.0]])
    result = statistics().compare(first, second, TWO)
    differences = (first - second)[0]
    assert result.effect == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert (result.higher, result.sentences) == (4, 6)
    assert result.difference.low < result.difference.value < result.difference.high


def test_equal_settings_do_not_differ() -> None:
    values = np.random.default_rng(6).normal(size=(1, 6))
    result = statistics().compare(values, values, TWO)
    assert (result.p, result.difference.value) == (1.0, 0.0)
    assert math.isnan(result.effect)
    assert not result.difference.has_interval


def test_the_difference_is_surer_than_its_parts_where_sentences_are_shared() -> None:
    sentences = 5 * np.random.default_rng(7).normal(size=12)
    noise = 0.1 * np.random.default_rng(8).normal(size=(2, 12))
    result = statistics().compare(sentences[None] + noise[:1] + 0.5, sentences[None] + noise[1:], ONE)
    mean, _ = statistics().estimates(sentences[None], ONE)
    assert result.difference.high - result.difference.low < 0.1 * (mean.high - mean.low)
    assert result.difference.low > 0


def test_no_common_sentence_is_no_test() -> None:
    first = np.array([[1.0, math.nan]])
    result = statistics().compare(first, first[:, ::-1], Speakers.of(["a", "a"]))
    assert math.isnan(result.p)
    assert result.sentences == 0


def test_runs_are_exchanged_whole() -> None:
    rng = np.random.default_rng(9)
    first, second = rng.normal(size=(3, 6)) + 4, rng.normal(size=(3, 6))
    result = statistics().compare(first, second, TWO)
    means = [values.mean(axis=1) for values in (first, second)]
    expected = stats.permutation_test(means, lambda a, b: np.mean(a) - np.mean(b), permutation_type="independent", n_resamples=np.inf)
    assert result.p_seeds == pytest.approx(expected.pvalue) == pytest.approx(0.1)
    assert result.p < 0.05
    assert math.isnan(statistics().compare(first[:1], second, TWO).p_seeds)


def test_false_alarms_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(10)
    speakers = Speakers.of(["a"] * 4 + ["b"] * 4)
    own = statistics(resamples=100, permutations=300)
    p = [own.compare(rng.normal(size=(1, 8)), rng.normal(size=(1, 8)), speakers).p for _ in range(200)]
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.06)


def test_holm_steps_down_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    corrected = holm([0.02, math.nan, 0.5])
    assert corrected[0] == pytest.approx(0.04)
    assert math.isnan(corrected[1])


def test_shares_have_wilsons_interval() -> None:
    k, n, z = 7, 9, stats.norm.ppf(0.975)
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(k * (n - k) / n + z**2 / 4)
    told = share(k, n, 0.95)
    assert (told.value, told.low, told.high) == pytest.approx((k / n, centre - half, centre + half))
    assert math.isnan(share(0, 0, 0.95).value)


def test_the_sign_test_counts_tails() -> None:
    p = 2 * sum(math.comb(9, k) for k in (7, 8, 9)) / 2**9
    assert sign_test(7, 2) == pytest.approx(p) == pytest.approx(sign_test(2, 7))
    assert math.isnan(sign_test(0, 0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"resamples": 5}, "resamples=5"), ({"confidence": 95}, "confidence=95"), ({"family": "none"}, "family=none is none of figure, all")],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SovitsError, match=message):
        statistics(**changes)
