"""Which clips make an epoch, and in which batches: balanced over speakers, bounded in padded frames, shared over ranks."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import BatchSampler, Sampler

from sovits.data.packing import padding, settle
from sovits.data.tempo import Tempo
from sovits.errors import SovitsError

PROBED_EPOCHS = 4
"""Epochs packed in advance to find how many batches an epoch needs."""


class Draw(NamedTuple):
    """One clip of one epoch: the index of a data set. It carries the epoch, so that worker processes agree without any state."""

    clip: int
    epoch: int
    turn: int
    """How often this epoch has drawn the clip before."""
    frames: int | None = None
    """Spectrogram frames it is to have, spoken faster or slower; ``None``: as it is."""


class SpeakerBalancedSampler(Sampler[Draw]):
    """Draws as many clips an epoch as there are, a share of them from each speaker that grows with its ``n`` clips as ``n ** balance``.

    A speaker's clips all have the same chance, and none comes a second time before the others came once: with ``balance=1`` an epoch
    is every clip exactly once. Groups of speakers can have shares of their own. Temperature sampling as in multilingual BERT (Devlin,
    2018), on speakers instead of languages.
    """

    def __init__(self, speakers: Sequence[int], *, balance: float, seed: int, shares: Sequence[tuple[set[int], float]] = ()) -> None:
        """
        Args:
            speakers: the speaker of every clip.
            balance: 1 keeps the natural shares, 0 gives every speaker the same, whatever there is of it.
            seed: of the draws, together with the epoch.
            shares: groups of speakers and the share of an epoch that each has, whatever there is of it; the others have the rest.

        Raises:
            SovitsError: ``balance`` outside 0-1.
        """
        if not 0 <= balance <= 1:
            raise SovitsError(
                f"data.balance={balance} is outside 0 (every speaker alike) to 1 (as much as there is of each); choose between."
            )
        self.seed = seed
        self.epoch = 0
        self.members = [np.flatnonzero(np.asarray(speakers) == speaker) for speaker in sorted(set(speakers))]
        weights = np.array([len(clips) for clips in self.members], dtype=float) ** balance
        _share_out(weights, sorted(set(speakers)), shares)
        bounds = np.cumsum(weights) * (len(speakers) / weights.sum())
        # Rounded, so that whole shares stay whole and no clip is lost to the last binary digit.
        self._bounds = np.concatenate([[0.0], bounds]).round(6)
        self._size = len(speakers)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that ``iter`` draws; Lightning calls it before each."""
        self.epoch = epoch

    def draws(self, epoch: int) -> list[Draw]:
        """The clips of ``epoch`` in random order."""
        random = np.random.default_rng([self.seed, epoch, 0])
        # Systematic sampling: whole quotas that sum up exactly and are right on average over the epochs.
        quotas = np.diff(np.floor(self._bounds + random.random())).astype(int)
        drawn = [
            Draw(int(clip), epoch, turn)
            for clips, quota in zip(self.members, quotas, strict=True)
            for turn in range(math.ceil(quota / len(clips)))
            for clip in random.permutation(clips)[: quota - turn * len(clips)]
        ]
        return [drawn[position] for position in random.permutation(len(drawn))]

    def facts(self) -> tuple[object, ...]:
        """All that the draws depend on."""
        return self.seed, self._bounds.tolist(), [clips.tolist() for clips in self.members]

    def __iter__(self) -> Iterator[Draw]:
        return iter(self.draws(self.epoch))

    def __len__(self) -> int:
        return self._size


def _share_out(weights: np.ndarray, speakers: Sequence[int], shares: Sequence[tuple[set[int], float]]) -> None:
    """Scales the weights [speakers] so that each group has its share, and those of no group the rest."""
    rest = np.ones(len(weights), dtype=bool)
    for group, share in shares:
        members = np.array([speaker in group for speaker in speakers])
        weights[members] *= share / weights[members].sum()
        rest &= ~members
    if shares and rest.any():
        weights[rest] *= (1 - sum(share for _, share in shares)) / weights[rest].sum()


class FrameBudgetBatchSampler(BatchSampler):
    """Batches of clips of like length whose padded size stays within a frame budget, the same number of them in every epoch.

    See ``packing`` for what goes into a batch; the batches are shuffled. Whole ones go to the ranks in turn; every rank has
    ``len(self)`` of them. Where an epoch comes out with fewer than that, its largest batches are split; with more, it is packed again,
    in the end without chance, which is optimal. So with ``balance=1`` every clip comes exactly once over all ranks; only where every batch
    is a single clip do fewer than ``world_size`` of them come again, as no rank may run out before the others. With ``balance < 1``,
    where an epoch is a random draw already, batches still over are left out.
    """

    sampler: SpeakerBalancedSampler  # type: ignore[assignment]

    def __init__(
        self,
        sampler: SpeakerBalancedSampler,
        frames: Sequence[int],
        *,
        frame_budget: int,
        max_clips: int,
        tempo: Tempo | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """
        Args:
            sampler: of the clips; Lightning finds it here to set its epoch.
            frames: spectrogram frames of every clip, none above ``frame_budget``.
            frame_budget: most padded frames of a batch on one rank.
            max_clips: most clips of a batch on one rank.
            tempo: speaks clips faster or slower; ``None``: as they are.
            rank: this process among ``world_size``.
            world_size: processes that share an epoch.

        Raises:
            SovitsError: another sampler, or a clip over the budget.
        """
        if not isinstance(sampler, SpeakerBalancedSampler):
            raise SovitsError(
                "Lightning put its own sampler in place of the data module's: set trainer.use_distributed_sampler=false (the batches are "
                "shared over the ranks here) and trainer.overfit_batches=0 (data.limit_utterances keeps few clips)."
            )
        if max(frames) > frame_budget:
            raise SovitsError(f"A clip of {max(frames)} frames is over data.frame_budget={frame_budget}; raise it or leave the clip out.")
        super().__init__(sampler, batch_size=max_clips, drop_last=False)  # type: ignore[arg-type]
        self.frames, self.frame_budget, self.max_clips, self.tempo = list(frames), frame_budget, max_clips, tempo
        self.rank, self.world_size = rank, world_size
        self.start = 0
        """Batches of this rank that the next ``iter`` leaves out: where a resumed epoch goes on."""
        probed = [self._draws(epoch) for epoch in range(PROBED_EPOCHS)]
        lengths = [self._lengths(draws) for draws in probed]
        self.packing = settle(lengths, frame_budget, max_clips, sampler.seed)
        needed = [len(self.packing.batches(epoch, np.random.default_rng(self._chance(number)))) for number, epoch in enumerate(lengths)]
        if tempo is not None:
            # There must be room for the clips as they are, as that is what an epoch of too many slow ones falls back to.
            needed += [len(self.packing.fewest(self._lengths([draw._replace(frames=None) for draw in draws]))) for draws in probed]
        self._batches_per_rank = math.ceil(max(needed) / world_size)

    def plan(self, epoch: int) -> list[list[Draw]]:
        """All batches of ``epoch``; rank ``r`` of ``w`` takes every ``w``-th from the ``r``-th on."""
        wanted = self._batches_per_rank * self.world_size
        draws = self._draws(epoch)
        lengths = self._lengths(draws)
        batches = self.packing.at_most(wanted, lengths, self._chance(epoch))
        if len(batches) > wanted:
            # More clips than expected are slowed down. Without that no epoch of balance=1 has a clip that finds no batch.
            draws = [draw if draw.frames is None or draw.frames < self.frames[draw.clip] else draw._replace(frames=None) for draw in draws]
            batches = self.packing.fewest(self._lengths(draws))
        filled = [[draws[position] for position in batch] for batch in batches]
        while len(filled) < wanted:
            filled.append(self._half(filled))
        order = np.random.default_rng([self.sampler.seed, epoch, 2]).permutation(len(filled))
        return [filled[position] for position in order[:wanted]]

    def length(self, draw: Draw) -> int:
        """Spectrogram frames of ``draw``."""
        return self.frames[draw.clip] if draw.frames is None else draw.frames

    def padding(self, epoch: int) -> float:
        """The padded share of all frames of ``epoch``."""
        return padding([self._lengths(batch) for batch in self.plan(epoch)])

    def fingerprint(self) -> str:
        """A short hash of all that the order of batches depends on: two samplers with the same one give the same epochs."""
        tempo = () if self.tempo is None else self.tempo.facts()
        facts = (*self.sampler.facts(), self.frames, self.frame_budget, self.max_clips, self.world_size, *tempo)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    def __iter__(self) -> Iterator[list[Draw]]:  # type: ignore[override]
        yield from self.plan(self.sampler.epoch)[self.rank :: self.world_size][self.start :]

    def __len__(self) -> int:
        return self._batches_per_rank

    def _draws(self, epoch: int) -> list[Draw]:
        draws = self.sampler.draws(epoch)
        if self.tempo is None:
            return draws
        frames = self.tempo.frames([draw.clip for draw in draws], np.random.default_rng([self.sampler.seed, epoch, 3]))
        return [draw._replace(frames=int(count)) for draw, count in zip(draws, frames, strict=True)]

    def _lengths(self, draws: Sequence[Draw]) -> np.ndarray:
        return np.array([self.length(draw) for draw in draws])

    def _chance(self, epoch: int) -> list[int]:
        return [self.sampler.seed, epoch, 1]

    def _half(self, batches: list[list[Draw]]) -> list[Draw]:
        """Takes half of the largest batch out of it; of single clips it repeats one."""
        largest = max(batches, key=lambda batch: (len(batch), len(batch) * max(map(self.length, batch))))
        if len(largest) == 1:
            return list(batches[len(batches) % len(self.frames)])
        half = largest[len(largest) // 2 :]
        del largest[len(largest) // 2 :]
        return half


class FixedBatchSampler(BatchSampler):
    """All clips in their order, within the same bounds: for evaluation, where every epoch and every rank must see the same."""

    def __init__(self, frames: Sequence[int], *, frame_budget: int, max_clips: int) -> None:
        """
        Args:
            frames: spectrogram frames of every clip, none above ``frame_budget``.
            frame_budget: most padded frames of a batch.
            max_clips: most clips of a batch.
        """
        self.batches: list[list[Draw]] = []
        longest = 0
        for clip, length in enumerate(frames):
            longest = max(longest, length)
            if not self.batches or len(self.batches[-1]) == max_clips or (len(self.batches[-1]) + 1) * longest > frame_budget:
                self.batches.append([])
                longest = length
            self.batches[-1].append(Draw(clip, epoch=0, turn=0))
        super().__init__(range(len(frames)), batch_size=max_clips, drop_last=False)

    def __iter__(self) -> Iterator[list[Draw]]:  # type: ignore[override]
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)
