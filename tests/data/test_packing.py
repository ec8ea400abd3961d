"""How clips become batches: the cheapest cuts against a brute-force search, and the padding that is promised."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from sovits.data.packing import EXTRA_IN_VAIN, Packing, cheapest_cuts, padding, settle


def read_aloud(clips: int, seed: int = 0) -> np.ndarray:
    """Frames of a read audiobook's clips: 1.1 to 10.1 s, most of them long, 43 frames a second."""
    seconds = np.clip(10.1 - np.random.default_rng(seed).gamma(2.2, 1.65, clips), 1.1, 10.1)
    return (seconds * 22050 / 512).astype(np.int64)


def spontaneous(clips: int, seed: int = 0) -> np.ndarray:
    """Frames of many corpora together: 1 to 17 s, most of them short."""
    seconds = np.clip(np.random.default_rng(seed).lognormal(1.7, 0.75, clips), 1, 17)
    return (seconds * 22050 / 512).astype(np.int64)


def packed(lengths: np.ndarray, *, most_frames: int, most_clips: int, epochs: int = 4) -> list[list[np.ndarray]]:
    """Batches, as clip numbers, of epochs that the choice of the packing has not seen."""
    seen = [np.random.default_rng([1, epoch]).permutation(lengths) for epoch in range(4)]
    packing = settle(seen, most_frames, most_clips, seed=0)
    plans = []
    for epoch in range(epochs):
        order = np.random.default_rng([2, epoch]).permutation(len(lengths))
        batches = packing.batches(lengths[order], np.random.default_rng([3, epoch]))
        plans.append([order[batch] for batch in batches])
    return plans


@pytest.mark.parametrize("price", [0, 20, 100, 10_000])
def test_cuts_are_the_cheapest_of_all(price):
    random = np.random.default_rng(price)
    for _ in range(20):
        lengths = random.integers(10, 100, 9)
        prices = np.round(price * random.uniform(0.5, 1.5, 9)).astype(np.int64)
        best = min(
            (cost, ends)
            for cuts in product([False, True], repeat=8)
            if (cost := brute_cost(lengths, ends := [*(place + 1 for place in range(8) if cuts[place]), 9], prices)) is not None
        )
        ends = cheapest_cuts(lengths, 250, 4, prices)
        assert brute_cost(lengths, ends.tolist(), prices) == best[0]
        assert ends[-1] == 9


def brute_cost(lengths: np.ndarray, ends: list[int], prices: np.ndarray) -> int | None:
    total = 0
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        padded = (end - start) * int(lengths[start:end].max())
        if padded > 250 or end - start > 4:
            return None
        total += padded + int(prices[end - 1])
    return total


def test_without_chance_no_way_needs_fewer_batches():
    """Against the fewest by dynamic programming over contiguous cuts of the sorted list."""
    frames = sorted(np.random.default_rng(2).integers(43, 517, 40).tolist())
    fewest = [0] + [10**9] * 40
    for end in range(1, 41):
        for start in range(max(0, end - 16), end):
            if (end - start) * frames[end - 1] <= 2500:
                fewest[end] = min(fewest[end], fewest[start] + 1)
    shuffled = np.random.default_rng(3).permutation(frames)
    assert len(Packing(2500, 16).fewest(shuffled)) == fewest[40]


@pytest.mark.parametrize(
    ("lengths", "most_clips", "smallest_mean"),
    [
        (read_aloud(13100), 32, 31),
        (spontaneous(13000), 32, 27),
        (read_aloud(3000), 32, 30),
        (read_aloud(1000), 32, 24),
        (spontaneous(1500), 32, 20),
        (spontaneous(700), 32, 15),
        (read_aloud(300), 16, 6.5),
    ],
    ids=["audiobook", "corpora", "3000", "1000", "mixed 1500", "mixed 700", "300, batch 16"],
)
def test_at_most_two_percent_of_a_shuffled_epoch_is_padding(lengths, most_clips, smallest_mean):
    budget = int(lengths.mean() * 1.3 * 32) if most_clips == 32 else 2500
    for plan in packed(lengths, most_frames=budget, most_clips=most_clips):
        assert padding([lengths[batch] for batch in plan]) <= 0.02
        assert len(lengths) / len(plan) >= smallest_mean, "not bought by batches that hold next to nothing"
        assert np.array_equal(np.sort(np.concatenate(plan)), np.arange(len(lengths)))


def test_batches_filled_up_to_the_budget_pad_little_too():
    lengths = read_aloud(5000)
    budget = int(lengths.mean() * 32)
    for plan in packed(lengths, most_frames=budget, most_clips=200, epochs=2):
        assert padding([lengths[batch] for batch in plan]) <= 0.02
        assert len(lengths) / len(plan) > 29
        assert np.mean([len(batch) * lengths[batch].max() for batch in plan]) > 0.93 * budget


@pytest.mark.parametrize("clips", [12, 60, 300])
def test_a_set_too_small_for_that_pads_far_less_than_by_chance_in_little_smaller_batches(clips):
    lengths = read_aloud(clips)
    fewest = len(Packing(10_000, 32).fewest(lengths))
    for plan in packed(lengths, most_frames=10_000, most_clips=32):
        shuffled = np.random.default_rng(0).permutation(lengths)
        by_chance = padding(np.split(shuffled, cheapest_cuts(shuffled, 10_000, 32, np.full(clips, 10**6))[:-1]))
        assert padding([lengths[batch] for batch in plan]) <= by_chance * {12: 1.0, 60: 0.75, 300: 0.6}[clips]
        assert len(plan) <= (EXTRA_IN_VAIN * fewest if clips == 300 else fewest) + 1


@pytest.mark.parametrize(("lengths", "most_met_again"), [(read_aloud(13100), 0.1), (read_aloud(1000), 0.75), (read_aloud(300), 0.85)])
def test_neighbours_change_from_epoch_to_epoch(lengths, most_met_again):
    budget = int(lengths.mean() * 1.3 * 32)
    met = []
    for plan in packed(lengths, most_frames=budget, most_clips=32, epochs=2):
        met.append({(min(a, b), max(a, b)) for batch in plan for a in batch.tolist() for b in batch.tolist() if a != b})
    assert len(met[0] & met[1]) < most_met_again * len(met[0])
