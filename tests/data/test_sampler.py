"""Epochs and batches: who is drawn how often, what a batch may hold, and what each rank gets."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest
from torch.utils.data import SequentialSampler

from sovits.data.choice import groups
from sovits.data.sampler import FixedBatchSampler, FrameBudgetBatchSampler, SpeakerBalancedSampler
from sovits.data.tempo import Speed, Tempo
from sovits.errors import SovitsError

SPEAKERS = [0] * 90 + [1] * 30 + [2] * 3
FRAMES = np.random.default_rng(7).integers(43, 517, len(SPEAKERS)).tolist()


def batches_of(
    balance: float = 1.0, *, frames: list[int] = FRAMES, speakers: list[int] = SPEAKERS, **options: object
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


def test_clips_meet_other_neighbours_in_other_epochs():
    sampler = batches_of()
    pairs = [{frozenset((a.clip, b.clip)) for batch in sampler.plan(epoch) for a in batch for b in batch if a != b} for epoch in (0, 1)]
    assert len(pairs[0] & pairs[1]) < 0.8 * len(pairs[0])


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


def test_fixed_batches_are_all_clips_in_order_within_the_bounds():
    sampler = FixedBatchSampler([100, 100, 100, 700, 100, 1000, 100], frame_budget=1000, max_clips=2)
    assert [[draw.clip for draw in batch] for batch in sampler] == [[0, 1], [2], [3], [4], [5], [6]]
    assert len(sampler) == 6
    assert list(sampler) == list(sampler)


def random_set(number: int) -> dict:
    """Lengths, speakers and bounds of a set, from a single clip to a few hundred, by a seed."""
    random = np.random.default_rng([11, number])
    clips = int(random.integers(1, 300))
    frames = random.integers(1, int(random.integers(2, 900)), clips)
    speakers = random.integers(0, random.integers(1, 9), clips)
    budget = int(frames.max() * random.uniform(1, 40))
    return {"frames": frames.tolist(), "speakers": speakers.tolist(), "frame_budget": budget, "max_clips": int(random.integers(1, 40))}


def test_over_hundreds_of_random_sets_no_clip_is_lost_and_none_comes_twice_unless_alone():
    singles = 0
    for number in range(200):
        options = random_set(number)
        world_size, epoch = 1 + number % 7, number % 11
        first = batches_of(world_size=world_size, **options)
        ranks = [copy.copy(first) for _ in range(world_size)]
        batches = []
        for number_of_rank, rank in enumerate(ranks):
            rank.rank = number_of_rank
            rank.sampler.set_epoch(epoch)
            own = list(rank)
            assert len(own) == len(rank)
            for batch in own:
                assert 1 <= len(batch) <= options["max_clips"]
                assert len(batch) * max(map(rank.length, batch)) <= options["frame_budget"]
            batches += own
        drawn = [draw.clip for batch in batches for draw in batch]
        everything = list(range(len(options["frames"])))
        if max(map(len, batches)) == 1:
            singles += 1
            assert set(drawn) == set(everything)
            assert len(everything) <= len(drawn) < len(everything) + world_size
        else:
            assert sorted(drawn) == everything
    assert 0 < singles < 50, "both kinds were tried"


@pytest.mark.parametrize(("least", "most"), [(0.8, 1.25), (1.0, 1.3), (0.7, 1.0)], ids=["both", "faster", "slower"])
def test_changed_speed_is_planned_for_and_loses_no_clip(least, most):
    for number in range(60):
        options = random_set(number)
        frames, budget = options["frames"], options["frame_budget"]
        fewest = [max(1, length - 5) for length in frames]
        sampler = batches_of(**options, tempo=Tempo(frames, fewest, budget, Speed(least, most, probability=0.8)))
        for epoch in range(6, 12):
            plan = sampler.plan(epoch)
            assert len(plan) == len(sampler)
            assert sorted(draw.clip for batch in plan for draw in batch) == list(range(len(frames)))
            assert all(len(batch) * max(map(sampler.length, batch)) <= budget for batch in plan)
            for draw in (draw for batch in plan for draw in batch):
                own = frames[draw.clip]
                assert fewest[draw.clip] <= sampler.length(draw) <= budget
                assert own / most - 0.51 <= sampler.length(draw) <= own / least + 0.51


def test_an_epoch_of_too_many_slow_clips_leaves_some_as_they_are():
    class Slower(Tempo):
        """As they are while the batches are counted, and then all slower."""

        def frames(self, clips, random):
            own = self._frames[np.asarray(clips)]
            return own if self.probing else own * 2

    tempo = Slower([100] * 64, [1] * 64, 1600, Speed())
    tempo.probing = True
    sampler = batches_of(frames=[100] * 64, speakers=[0] * 64, frame_budget=1600, tempo=tempo)
    tempo.probing = False
    plan = sampler.plan(9)
    assert len(plan) == len(sampler) == 4
    assert sorted(draw.clip for batch in plan for draw in batch) == list(range(64))
    assert all(len(batch) * max(map(sampler.length, batch)) <= 1600 for batch in plan)


def test_other_tempo_is_another_order():
    tempos = [None, *(Tempo(FRAMES, [1] * len(FRAMES), 2500, speed) for speed in (Speed(0.9, 1.1), Speed(0.9, 1.2)))]
    assert len({batches_of(tempo=tempo).fingerprint() for tempo in tempos}) == 3


def test_padding_is_that_of_the_plan():
    sampler = batches_of()
    held = [[FRAMES[draw.clip] for draw in batch] for batch in sampler.plan(3)]
    assert sampler.padding(3) == pytest.approx(1 - sum(map(sum, held)) / sum(len(batch) * max(batch) for batch in held))


@pytest.mark.parametrize(("clips", "world_size"), [(765, 1), (765, 3), (2000, 8)])
def test_every_epoch_pads_at_most_two_percent_on_any_number_of_ranks(clips, world_size):
    seconds = np.clip(np.random.default_rng(0).lognormal(1.7, 0.75, clips), 1, 17)
    frames = (seconds * 43).astype(int)
    budget = int(1.3 * 32 * frames.mean())
    sampler = batches_of(frames=frames.tolist(), speakers=[0] * clips, frame_budget=budget, max_clips=32, world_size=world_size)
    assert max(sampler.padding(epoch) for epoch in range(50, 75)) <= 0.02


def test_the_batches_of_an_epoch_come_in_no_order_of_length():
    sampler = batches_of(frames=np.random.default_rng(1).integers(43, 517, 2000).tolist(), speakers=[0] * 2000)
    longest = [max(map(sampler.length, batch)) for batch in sampler.plan(0)]
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.15
    assert longest != [max(map(sampler.length, batch)) for batch in sampler.plan(1)]


def test_groups_of_speakers_have_their_shares():
    sampler = SpeakerBalancedSampler(SPEAKERS, balance=1.0, seed=3, shares=[({1}, 0.5), ({2}, 0.1)])
    counts = Counter(SPEAKERS[draw.clip] for epoch in range(200) for draw in sampler.draws(epoch))
    total = 200 * len(SPEAKERS)
    assert {speaker: count / total for speaker, count in counts.items()} == pytest.approx({0: 0.4, 1: 0.5, 2: 0.1}, abs=1e-3)
    within = SpeakerBalancedSampler(SPEAKERS, balance=0.0, seed=3, shares=[({0, 2}, 0.2)])
    counts = Counter(SPEAKERS[draw.clip] for epoch in range(200) for draw in within.draws(epoch))
    assert {speaker: count / total for speaker, count in counts.items()} == pytest.approx({0: 0.1, 1: 0.8, 2: 0.1}, abs=1e-3)
    assert sampler.facts() != SpeakerBalancedSampler(SPEAKERS, balance=1.0, seed=3).facts(), "another order is no resumed one"


NAMES = ["ana", "bo", "gen_a", "gen_b"]


def test_groups_are_told_by_patterns_of_names():
    assert groups({"gen_*": 0.3, "bo": 0.2}, NAMES) == [({2, 3}, 0.3), ({1}, 0.2)]
    assert groups({}, NAMES) == []


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"gne_*": 0.3}, r"data\.shares=\{gne_\*: 0\.3\}: no speaker is called gne_\*; the set has ana, bo"),
        ({"gen_*": 0.3, "*_a": 0.2}, r"gen_a belongs to \*_a and to a pattern before it"),
        ({"gen_*": 0.0}, r"gen_\* has 0, which is no share"),
        ({"gen_*": 1.5}, r"gen_\* has 1\.5, which is no share"),
        ({"gen_*": 0.6, "bo": 0.4}, r"come to 1, and 1 speaker\(s\) are left for the rest"),
        ({"*": 0.5}, r"come to 0\.5, and nobody is left for the rest"),
    ],
)
def test_shares_that_do_not_add_up_are_refused(shares, told):
    with pytest.raises(SovitsError, match=told):
        groups(shares, NAMES)
