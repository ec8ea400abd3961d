"""A data loader that a run can stop and resume at any batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from sovits.data.batch import Batch
from sovits.data.sampler import FrameBudgetBatchSampler

log = logging.getLogger(__name__)


class ResumableLoader(DataLoader):
    """Gives a sampler's batches and knows, as a state, which comes next.

    Lightning saves and loads the state of a training loader by itself. What counts is the batches handed out, not those that workers have
    made ready. The first batch is asked for only when it is wanted: Lightning creates the iterator before it sets the epoch.
    """

    batch_sampler: FrameBudgetBatchSampler

    def __init__(
        self,
        dataset: Dataset,
        batch_sampler: FrameBudgetBatchSampler,
        *,
        collate_fn: Callable[[Sequence[Any]], Batch],
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(
            dataset,
            batch_sampler=batch_sampler,
            collate_fn=collate_fn,
            num_workers=num_workers,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            # Its own generator, or every epoch's start would move the global one that dropout and the flow's noise draw from.
            generator=torch.Generator().manual_seed(batch_sampler.sampler.seed),
        )
        self._epoch = batch_sampler.sampler.epoch
        self._consumed = 0
        self._resumed = False
        self._ahead = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        self._begin()
        for batch in super().__iter__():
            self._consumed += 1
            yield batch

    def _begin(self) -> None:
        """Settles which epoch this is and where in it to go on."""
        sampler = self.batch_sampler.sampler
        if self._resumed and self._consumed == len(self):
            # Saved at its end, so the next epoch it is. With max_steps Lightning ends a finished epoch once more when it resumes, and from
            # then on calls every epoch by a number too high.
            self._epoch, self._consumed = self._epoch + 1, 0
            self._ahead = max(0, sampler.epoch - self._epoch)
        elif not self._resumed or self._epoch != sampler.epoch - self._ahead:
            self._epoch, self._consumed = sampler.epoch - self._ahead, 0
        self._resumed = False
        sampler.set_epoch(self._epoch)
        self.batch_sampler.start = self._consumed

    def state_dict(self) -> dict[str, Any]:
        """Epoch and batches handed out by this process, and what their order depends on."""
        return {"epoch": self._epoch, "consumed": self._consumed, "ahead": self._ahead, "order": self.batch_sampler.fingerprint()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next ``iter`` go on where ``state`` was taken.

        With other data, another seed, budget or number of processes there is no such place: a warning says so, and the epoch begins anew.
        """
        self._epoch, self._ahead = state["epoch"], state["ahead"]
        self.batch_sampler.sampler.set_epoch(self._epoch + self._ahead)
        self._resumed = state["order"] == self.batch_sampler.fingerprint()
        self._consumed = state["consumed"] if self._resumed else 0
        if not self._resumed:
            log.warning(
                "The run being resumed had other data settings (clips, data.seed, data.frame_budget, data.max_clips, data.balance or the "
                "number of devices): epoch %d begins anew instead of at batch %d.",
                state["epoch"],
                state["consumed"],
            )
