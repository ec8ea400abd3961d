"""Equal error rates: known answers, a brute-force search, and the same figure from one rank and from two."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from sovits.errors import SovitsError
from sovits.metrics import EqualErrorRate
from sovits.metrics.equal_error_rate import equal_error_rate


def brute_force(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """Between which two rates it must lie: the nearest thresholds on both sides of the crossing."""
    rates = [((same < t).mean(), (different >= t).mean()) for t in [*np.unique(np.concatenate([same, different])), np.inf]]
    before = [max(refused, 0.0) for refused, accepted in rates if refused < accepted] or [0.0]
    after = [refused for refused, accepted in rates if refused >= accepted]
    return max(before), min(after)


@pytest.mark.parametrize(
    ("same", "different", "rate"),
    [
        ([0.9, 0.8], [0.1, 0.2], 0.0),
        ([0.1, 0.2], [0.9, 0.8], 1.0),
        ([0.9, 0.5, 0.7, 0.1], [0.2, 0.6, 0.0, -0.3], 0.25),
        ([0.5], [0.5], 0.5),
    ],
)
def test_known_answers(same: list[float], different: list[float], rate: float) -> None:
    assert equal_error_rate(torch.tensor(same), torch.tensor(different)).item() == pytest.approx(rate)


def test_it_lies_where_a_search_finds_the_crossing() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        same = random.normal(random.uniform(0, 2), 1, random.integers(1, 40)).round(1).astype(np.float32)
        different = random.normal(0, 1, random.integers(1, 200)).round(1).astype(np.float32)
        low, high = brute_force(same, different)
        assert low - 1e-6 <= equal_error_rate(torch.from_numpy(same), torch.from_numpy(different)).item() <= high + 1e-6


def test_two_normal_distributions_meet_where_the_textbook_says() -> None:
    same, different = torch.randn(200_000, generator=torch.manual_seed(0)) + 2, torch.randn(200_000, generator=torch.manual_seed(1))
    # The normal distribution's share below -1.
    assert equal_error_rate(same, different).item() == pytest.approx(0.1587, abs=3e-3)


def test_all_pairs_of_different_clips_count_however_they_come() -> None:
    random = torch.Generator().manual_seed(5)
    speakers = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    clips = torch.tensor([0, 0, 1, 2, 3, 4, 5, 5])
    voices = torch.randn(3, 4, generator=random)[speakers] + torch.randn(8, 4, generator=random)
    whole = EqualErrorRate()
    whole.update(3 * voices, speakers, clips)
    parts = EqualErrorRate()
    for order in ([7, 2, 0], [1, 3], [6, 5, 4]):
        parts.update(voices[order], speakers[order], clips[order])
    unit = torch.nn.functional.normalize(voices, dim=-1)
    pairs = [(i, j) for i, j in combinations(range(8), 2) if clips[i] != clips[j]]
    same, different = (
        torch.stack([unit[i] @ unit[j] for i, j in pairs if bool(speakers[i] == speakers[j]) == wanted]) for wanted in (True, False)
    )
    assert whole.compute().item() == pytest.approx(parts.compute().item())
    assert whole.compute().item() == pytest.approx(equal_error_rate(same, different).item())


@pytest.mark.parametrize(
    ("speakers", "clips", "lacking"),
    [([0, 1, 2], [0, 1, 2], "two clips of one speaker"), ([0, 0, 1], [0, 0, 1], "two clips of one"), ([0, 0], [0, 1], "of two speakers")],
)
def test_without_pairs_of_both_kinds_there_is_no_rate(speakers: list[int], clips: list[int], lacking: str) -> None:
    metric = EqualErrorRate()
    metric.update(torch.eye(len(speakers)), torch.tensor(speakers), torch.tensor(clips))
    with pytest.raises(SovitsError, match=lacking):
        metric.compute()
