"""Epochs and batches: who is drawn how often, what a batch may hold, and what each rank gets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from torch.utils.data import SequentialSampler

from sovits.data.sampler import Draw, FixedBatchSampler, FrameBudgetBatchSampler, SpeakerBalancedSampler
from sovits.errors import SovitsError

SPEAKERS = [0] * 90 + [1] * 30 + [2] * 3
FRAMES = np.random.default_rng(7).integers(43, 517, len(SPEAKERS)).tolist()


def batches_of(
    balance: float = 1.0, *, frames: list[int] = FRAMES, speakers: list[int] = SPEAKERS, **options: int
) -> FrameBudgetBatchSampler:
    sampler = SpeakerBalancedSampler(speakers, balance=balance, seed=3)
    return FrameBudgetBatchSampler(sampler, frames, **{"frame_budget": 2500, "max_clips": 16, **options})


@pytest.mark.parametrize(("balance", "shares"), [(1.0, (90, 30, 3)), (0.0, (41, 41, 41)), (0.5, (69.89, 40.35, 12.76))])
def test_speakers_get_their_tempered_share(balance, shares):
    sampler = SpeakerBalancedSampler(SPEAKERS, balance=balance, seed=3)
    epochs = [Counter(SPEAKERS[draw.clip] for draw in sampler.draws(epoch)) for epoch in range(200)]
    assert all(sum(counts.values()) == len(SPEAKERS) == len(sampler) for counts in epochs)
    for speaker, share in enumerate(shares):
        counts = [epoch[speaker] for epoch in epochs]
        assert max(abs(count - share) for count in counts) < 1.01, "an epoch's count is the share, rounded up or down"
        assert np.mean(counts) == pytest.approx(share, abs=0.15)


def test_natural_balance_draws_every_clip_once():
    sampler = SpeakerBalancedSampler(SPEAKERS, balance=1.0, seed=3)
    for epoch in range(20):
        sampler.set_epoch(epoch)
        assert sorted(draw.clip for draw in sampler) == list(range(len(SPEAKERS)))


def test_a_speakers_clips_are_drawn_evenly_and_numbered():
    draws = SpeakerBalancedSampler(SPEAKERS, balance=0.0, seed=3).draws(0)
    few = Counter(draw.clip for draw in draws if SPEAKERS[draw.clip] == 2)
    assert set(few.values()) <= {13, 14}, "41 draws of 3 clips"
    assert len(set(draws)) == len(draws), "a clip's turns differ, so its references can"


def test_draws_follow_seed_and_epoch_alone():
    one, same, other = (SpeakerBalancedSampler(SPEAKERS, balance=0.5, seed=seed) for seed in (3, 3, 4))
    assert one.draws(5) == same.draws(5)
    assert [draw.clip for draw in one.draws(5)] != [draw.clip for draw in one.draws(6)]
    assert one.draws(5) != other.draws(5)


def test_balance_outside_its_range_is_refused():
    with pytest.raises(SovitsError, match=r"data\.balance=1\.5"):
        SpeakerBalancedSampler(SPEAKERS, balance=1.5, seed=0)


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("balance", [1.0, 0.5, 0.0])
def test_batches_keep_their_bounds_and_ranks_their_count(balance, world_size):
    ranks = [batches_of(balance, rank=rank, world_size=world_size) for rank in range(world_size)]
    for epoch in range(25):
        drawn = []
        for rank in ranks:
            rank.sampler.set_epoch(epoch)
            own = list(rank)
            assert len(own) == len(rank) == len(ranks[0])
            assert all(len(batch) * max(FRAMES[draw.clip] for draw in batch) <= 2500 and 1 <= len(batch) <= 16 for batch in own)
            drawn += [draw for batch in own for draw in batch]
        assert len(set(drawn)) == len(drawn), "no draw twice over the ranks"
        if balance == 1.0:
            assert sorted(draw.clip for draw in drawn) == list(range(len(SPEAKERS))), "none lost"
        else:
            assert len(drawn) >= 0.95 * len(SPEAKERS)


def test_batches_pad_little_and_fill_the_budget():
    sampler = batches_of(speakers=[0] * 2000, frames=np.random.default_rng(1).integers(43, 517, 2000).tolist())
    plan = sampler.plan(0)
    held = [[sampler.frames[draw.clip] for draw in batch] for batch in plan]
    padded = sum(len(batch) * max(batch) for batch in held)
    assert padded / sum(map(sum, held)) < 1.04, "3 % of chance in the sorting costs little more than that"
    assert np.mean([len(batch) * max(batch) for batch in held]) > 0.8 * 2500


def test_clips_meet_other_neighbours_in_other_epochs():
    sampler = batches_of()
    pairs = [{frozenset((a.clip, b.clip)) for batch in sampler.plan(epoch) for a in batch for b in batch if a != b} for epoch in (0, 1)]
    assert len(pairs[0] & pairs[1]) < 0.8 * len(pairs[0])


def test_packing_sorted_clips_is_optimal():
    """Against the fewest batches by dynamic programming over contiguous cuts of the sorted list."""
    frames = sorted(np.random.default_rng(2).integers(43, 517, 40).tolist())
    sampler = batches_of(frames=frames, speakers=[0] * 40)
    fewest = [0] + [10**9] * 40
    for end in range(1, 41):
        for start in range(max(0, end - 16), end):
            if (end - start) * frames[end - 1] <= 2500:
                fewest[end] = min(fewest[end], fewest[start] + 1)
    draws = [Draw(clip, 0, 0) for clip in range(40)]
    assert len(sampler._cut(draws)) == fewest[40]


def test_a_set_smaller_than_the_ranks_repeats_clips_rather_than_hang():
    ranks = [batches_of(frames=[100] * 3, speakers=[0] * 3, rank=rank, world_size=4) for rank in range(4)]
    drawn = [draw.clip for rank in ranks for batch in rank for draw in batch]
    assert {len(rank) for rank in ranks} == {1}
    assert set(drawn) == {0, 1, 2}
    assert len(drawn) == 4


def test_start_leaves_batches_out():
    sampler = batches_of()
    whole = list(sampler)
    sampler.start = 4
    assert list(sampler) == whole[4:]


def test_fingerprint_follows_what_the_order_depends_on():
    assert batches_of().fingerprint() == batches_of().fingerprint()
    others = [batches_of(0.5), batches_of(frame_budget=2400), batches_of(world_size=2), batches_of(frames=[50] * len(SPEAKERS))]
    assert len({sampler.fingerprint() for sampler in [batches_of(), *others]}) == 5


def test_a_clip_over_the_budget_and_a_foreign_sampler_are_refused():
    with pytest.raises(SovitsError, match=r"2600 frames is over data\.frame_budget=2500"):
        batches_of(frames=[2600] * len(SPEAKERS))
    with pytest.raises(SovitsError, match="use_distributed_sampler=false"):
        FrameBudgetBatchSampler(SequentialSampler([0, 1]), [1, 1], frame_budget=5, max_clips=2)


def test_fixed_batches_are_all_clips_in_order():
    sampler = FixedBatchSampler(5, 2)
    assert [[draw.clip for draw in batch] for batch in sampler] == [[0, 1], [2, 3], [4]]
    assert len(sampler) == 3
    assert list(sampler) == list(sampler)
