"""Batches of old speakers between those of a new one, so that a model does not forget them."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import BatchSampler, Dataset

from sovits.data.datamodule import SpeechDataModule
from sovits.data.dataset import ClipDataset, Item, collate
from sovits.data.loader import ResumableLoader
from sovits.data.sampler import Draw, FrameBudgetBatchSampler
from sovits.errors import SovitsError


class JoinedClips(Dataset[Item]):
    """The clips of two data sets, those of ``old`` numbered on from those of ``new``."""

    def __init__(self, new: ClipDataset, old: ClipDataset) -> None:
        self.new, self.old = new, old

    def __len__(self) -> int:
        return len(self.new) + len(self.old)

    def __getitem__(self, draw: Draw) -> Item:
        place = draw.clip - len(self.new)
        return self.new[draw] if place < 0 else self.old[draw._replace(clip=place)]


class RehearsalBatchSampler(BatchSampler):
    """The batches of one sampler with a share of another's evenly among them; the last of an epoch is always new.

    An epoch is one of the new speaker's. The old speakers' epochs go on from one of these to the next.

    Args:
        new: of the new speaker.
        old: of the old ones.
        share: of all batches that are ``old``'s, from 0 to below 1.
        offset: added to the numbers of ``old``'s clips.
    """

    def __init__(self, new: FrameBudgetBatchSampler, old: FrameBudgetBatchSampler, share: float, offset: int) -> None:
        self.new, self.old, self.offset = new, old, offset
        self._length = round(len(new) / (1 - share))
        self.start = 0
        super().__init__(new.sampler, batch_size=new.max_clips, drop_last=False)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self._length

    @property
    def rehearsals(self) -> int:
        """Old speakers' batches of an epoch."""
        return self._length - len(self.new)

    def fingerprint(self) -> str:
        """See :class:`FrameBudgetBatchSampler`."""
        return f"{self.new.fingerprint()}-{self.old.fingerprint()}-{self._length}"

    def __iter__(self) -> Iterator[list[Draw]]:  # type: ignore[override]
        epoch = self.new.sampler.epoch
        new, old = iter(_own_batches(self.new, epoch)), self._rehearsals(epoch)
        batches = [next(old) if self._is_old(place) else next(new) for place in range(self._length)]
        yield from batches[self.start :]

    def _is_old(self, place: int) -> bool:
        return _ceiling((place + 1) * self.rehearsals, self._length) > _ceiling(place * self.rehearsals, self._length)

    def _rehearsals(self, epoch: int) -> Iterator[list[Draw]]:
        planned: dict[int, list[list[Draw]]] = {}
        for number in range(epoch * self.rehearsals, (epoch + 1) * self.rehearsals):
            own_epoch, place = divmod(number, len(self.old))
            if own_epoch not in planned:
                planned[own_epoch] = _own_batches(self.old, own_epoch)
            yield [draw._replace(clip=draw.clip + self.offset) for draw in planned[own_epoch][place]]


def _own_batches(sampler: FrameBudgetBatchSampler, epoch: int) -> list[list[Draw]]:
    """Those of this rank."""
    return sampler.plan(epoch)[sampler.rank :: sampler.world_size]


def _ceiling(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


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
        old = self._old.train_dataloader()
        batches = RehearsalBatchSampler(new.batch_sampler, old.batch_sampler, self._share, offset=len(new.dataset))  # type: ignore[arg-type]
        return ResumableLoader(
            JoinedClips(new.dataset, old.dataset),  # type: ignore[arg-type]
            batches,  # type: ignore[arg-type]
            collate_fn=collate,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
        )
