"""Batches of old speakers between those of a new one, so that a model does not forget them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sovits.data.batch import Batch
from sovits.data.datamodule import SpeechDataModule
from sovits.data.loader import ResumableLoader
from sovits.data.sampler import FrameBudgetBatchSampler
from sovits.errors import SovitsError


class RehearsalLoader:
    """The batches of one loader with a share of another's among them, always in the same places; a run can stop and resume at any of them.

    An epoch is one of the new speaker's, and ends with one of its batches. The old speakers' epochs go on from one of these to the next.

    Args:
        new: of the new speaker.
        old: of the old ones.
        share: of all batches that are ``old``'s, below 1.
    """

    def __init__(self, new: ResumableLoader, old: ResumableLoader, share: float) -> None:
        self.new, self.old = new, old
        self.length = round(len(new) / (1 - share))
        self._given = 0
        self._resumed = False
        self._rehearsed: Iterator[Batch] | None = None

    @property
    def batch_sampler(self) -> FrameBudgetBatchSampler:
        """That of the new speaker: Lightning tells it the epoch."""
        return self.new.batch_sampler

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Batch]:
        if not self._resumed or self._given >= self.length:
            self._given = 0
        self._resumed = False
        fresh = iter(self.new)
        while self._given < self.length:
            batch = self._rehearsal() if self._is_old(self._given) else next(fresh)
            self._given += 1
            yield batch

    def _is_old(self, place: int) -> bool:
        """Whether the batch at this place of an epoch is a rehearsal: evenly among the others, and never the last."""
        rehearsals = self.length - len(self.new)
        return -(-(place + 1) * rehearsals // self.length) > -(-place * rehearsals // self.length)

    def _rehearsal(self) -> Batch:
        if self._rehearsed is None:
            self._rehearsed = iter(self.old)
        batch = next(self._rehearsed, None)
        if batch is None:
            sampler = self.old.batch_sampler.sampler
            sampler.set_epoch(sampler.epoch + 1)
            self._rehearsed = iter(self.old)
            batch = next(self._rehearsed)
        return batch

    def state_dict(self) -> dict[str, Any]:
        """What comes next of both."""
        return {"new": self.new.state_dict(), "old": self.old.state_dict(), "given": self._given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undoes :meth:`state_dict`."""
        self.new.load_state_dict(state["new"])
        self.old.load_state_dict(state["old"])
        self._given, self._resumed, self._rehearsed = state["given"], True, None


class RehearsingData(SpeechDataModule):
    """A new speaker's set; :meth:`rehearse` brings in the old speakers."""

    _old: SpeechDataModule | None = None
    _share = 0.0

    def rehearse(self, old: SpeechDataModule, share: float) -> None:
        """Gives a ``share`` of the training batches to the speakers of ``old``.

        Raises:
            SovitsError: a share that leaves nothing to the new speaker, or less than nothing to the old ones.
        """
        if not 0 <= share < 1:
            raise SovitsError(f"addition.rehearsal={share} is outside 0 (no old speaker is rehearsed) to 1 (nothing new); 0.5 is usual.")
        self._old, self._share = old, share

    def prepare_data(self) -> None:
        """Packs both sets."""
        super().prepare_data()
        if self._old is not None:
            self._old.prepare_data()

    def train_dataloader(self) -> ResumableLoader:
        """See :class:`SpeechDataModule`."""
        new = super().train_dataloader()
        if self._old is None:
            return new
        self._old.trainer = self.trainer
        return RehearsalLoader(new, self._old.train_dataloader(), self._share)  # type: ignore[return-value]
