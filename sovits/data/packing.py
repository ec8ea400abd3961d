"""How clips of one epoch become batches: as few as the bounds allow, with as little padding as asked for and as much chance as that leaves.

The draws are parted by chance into pools. Each is sorted by length, not quite exactly, and cut into batches where that costs least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numba
import numpy as np

POOL_BATCHES = 64
"""Clips sorted together, in full batches; fewer mix lengths better, more pad less."""
SORTING_NOISES = (0.03, 0.02, 0.015, 0.01)
"""Relative errors of the lengths that are sorted by, the largest tried first: without any, clips of a small set would meet the same
neighbours in every epoch."""
PRICE_STEP = 1.1
"""Ratio of one price that is tried to the next."""
PRICE_NOISE = 0.3
"""Relative error of the price of cutting at each place, where price decides: it moves the borders of a small set's batches."""
MOST_PADDING = 0.0185
"""Share of padded frames that is aimed at, below the 2 % that are promised, as epochs differ."""
MOST_EXTRA = 2.0
"""A small set, whose lengths lie far apart, may be cut into this many times the fewest batches where it then pads as little."""
EXTRA_IN_VAIN = 1.5
"""And into this many where it pads more even so."""
FEWEST_CUT = 8
"""A set of fewer batches, such as one voice's minute, keeps full ones: how many clips a step sees matters more there than what it pads."""


@numba.njit(cache=True)
def cheapest_cuts(lengths: np.ndarray, most_frames: int, most_clips: int, prices: np.ndarray) -> np.ndarray:
    """Cuts a row of clips into batches so that all padded frames and the price of every batch sum up to the least.

    By dynamic programming over the ends of batches; a price above all padded frames together gives the fewest batches.

    Args:
        lengths: [N] frames of each clip, in the order to be kept, none above ``most_frames``.
        most_frames: of a batch, padding included.
        most_clips: of a batch.
        prices: [N] of a batch that ends behind each clip, in frames.

    Returns:
        [batches] where each batch ends.
    """
    cost = np.zeros(len(lengths) + 1, dtype=np.int64)
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    for end in range(1, len(lengths) + 1):
        cost[end] = np.iinfo(np.int64).max
        longest = 0
        for clips in range(1, min(end, most_clips) + 1):
            longest = max(longest, lengths[end - clips])
            if clips * longest > most_frames:
                break
            total = cost[end - clips] + clips * longest + prices[end - 1]
            if total < cost[end]:
                cost[end] = total
                starts[end] = end - clips
    batches = 0
    end = len(lengths)
    while end > 0:
        end = starts[end]
        batches += 1
    ends = np.empty(batches, dtype=np.int64)
    end = len(lengths)
    for batch in range(batches - 1, -1, -1):
        ends[batch] = end
        end = starts[end]
    return ends


def padding(batches: Sequence[np.ndarray]) -> float:
    """The padded share of all frames of ``batches``, each given as the lengths of its clips."""
    padded = sum(len(lengths) * int(lengths.max()) for lengths in batches)
    return 1 - sum(int(lengths.sum()) for lengths in batches) / padded


@dataclass(frozen=True)
class Packing:
    """Bounds of a batch, and how much chance and padding go into it."""

    most_frames: int
    most_clips: int
    noise: float = 0.0
    """Relative error of the lengths that are sorted by."""
    price: int | None = None
    """What a batch costs, in frames; ``None``: the fewest batches, whatever they pad."""
    pool_batches: int | None = POOL_BATCHES
    """Clips sorted together, in full batches; ``None``: all of them."""

    def batches(self, lengths: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
        """Positions in ``lengths`` ([N] frames, in random order) of the clips of every batch, in no order that is worth keeping."""
        pools = 1 if self.pool_batches is None else max(1, len(lengths) // (self.pool_batches * self.most_clips))
        batches = []
        for pool in np.array_split(np.arange(len(lengths)), pools):
            noise = random.uniform(1 - self.noise, 1 + self.noise, len(pool))
            # Stable: what is equally long stays in the order of chance.
            pool = pool[np.argsort(lengths[pool] * noise, kind="stable")]
            batches += np.split(pool, self._ends(lengths[pool], random)[:-1])
        return batches

    def fewest(self, lengths: np.ndarray) -> list[np.ndarray]:
        """As ``batches``, without chance and so few that no other way needs fewer."""
        packing = Packing(self.most_frames, self.most_clips, pool_batches=None)
        return packing.batches(lengths, np.random.default_rng(0))

    def at_most(self, count: int, lengths: np.ndarray, seed: Sequence[int]) -> list[np.ndarray]:
        """As ``batches``, but dearer where there would be more than ``count``, and without chance where even that does not help."""
        packing = self
        batches = packing.batches(lengths, np.random.default_rng(seed))
        while len(batches) > count and packing.price is not None and packing.price < self.most_frames:
            packing = replace(packing, price=math.ceil(packing.price * PRICE_STEP))
            batches = packing.batches(lengths, np.random.default_rng(seed))
        return batches if len(batches) <= count else self.fewest(lengths)

    def _ends(self, lengths: np.ndarray, random: np.random.Generator) -> np.ndarray:
        if self.price is None:
            prices = np.full(len(lengths), len(lengths) * int(lengths.max()))
        else:
            prices = np.round(self.price * random.uniform(1 - PRICE_NOISE, 1 + PRICE_NOISE, len(lengths))).astype(np.int64)
        return cheapest_cuts(lengths, self.most_frames, self.most_clips, prices)


def settle(epochs: Sequence[np.ndarray], most_frames: int, most_clips: int, seed: int) -> Packing:
    """The packing with the most chance in it that pads at most ``MOST_PADDING`` of the frames of each of ``epochs``.

    Where even the least chance pads more, the batches are made smaller: as little as will do, or a little where nothing will. A set of less
    than ``FEWEST_CUT`` batches is left in full ones.

    Args:
        epochs: of some epochs the lengths [N] in frames, in random order.
        most_frames, most_clips: of a batch.
        seed: of the trials.
    """

    def tried(packing: Packing) -> tuple[float, int]:
        """Padding and number of batches of the epoch that has most of it."""
        shares, counts = [], []
        for number, lengths in enumerate(epochs):
            batches = packing.batches(lengths, np.random.default_rng([seed, number, 1]))
            shares.append(padding([lengths[batch] for batch in batches]))
            counts.append(len(batches))
        return max(shares), max(counts)

    for noise in SORTING_NOISES:
        packing = Packing(most_frames, most_clips, noise)
        share, fewest = tried(packing)
        if share <= MOST_PADDING:
            return packing
    price, best = most_frames, replace(packing, noise=SORTING_NOISES[0])
    while price > 1 and fewest >= FEWEST_CUT:
        price = int(price / PRICE_STEP)
        smaller = replace(packing, price=price)
        share, count = tried(smaller)
        if count > MOST_EXTRA * fewest:
            break
        if share <= MOST_PADDING:
            return smaller
        if count <= EXTRA_IN_VAIN * fewest:
            best = smaller
    return best
