"""The prepared set as a LightningDataModule: which speakers, which clips, in which batches."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import lightning
import torch
from torch.utils.data import DataLoader

from sovits.data.dataset import Clip, ClipDataset, WaveformStore, collate, select_clips
from sovits.data.loader import ResumableLoader
from sovits.data.manifest import SPLITS, Manifest, Utterance
from sovits.data.sampler import FixedBatchSampler, FrameBudgetBatchSampler, SpeakerBalancedSampler
from sovits.errors import SovitsError
from sovits.text import TextFrontEnd

log = logging.getLogger(__name__)

MOST_NAMED = 10
"""Clips that a warning names one by one."""


class SpeechDataModule(lightning.LightningDataModule):
    """Train, val and test loaders of ``Batch`` over a set made by ``sovits prepare``.

    Training batches are balanced over speakers, bounded in padded frames, shared over ranks and resumable at any batch (needs
    ``Trainer(use_distributed_sampler=False)``). Val and test batches are the same ones in the same order on every rank and in every epoch.
    """

    def __init__(
        self,
        root: str,
        front_end: TextFrontEnd,
        sample_rate: int,
        hop_length: int,
        *,
        speakers: list[str] | None = None,
        speaker: str | None = None,
        single_speaker: bool = False,
        frame_budget: int = 2500,
        max_clips: int = 16,
        reference_seconds: float = 3.0,
        balance: float = 0.5,
        num_workers: int = 0,
        seed: int = 0,
        limit_utterances: int | None = None,
        seconds_per_speaker: float | None = None,
        evaluate_on_train: bool = False,
        evaluation_clips: int = 4,
        cache_megabytes: float = 512,
        pin_memory: bool = False,
    ) -> None:
        """
        Args:
            root: folder with the set's ``manifest.jsonl``.
            front_end: encodes the texts.
            sample_rate: Hz, as the set was written.
            hop_length: samples of a spectrogram frame; clips are cut to whole frames.
            speakers: use only these; all where ``None``.
            speaker: use only this one; not together with ``speakers``.
            single_speaker: refuse a choice of more than one.
            frame_budget: most padded frames of a training batch on one device.
            max_clips: most clips of a training batch on one device.
            reference_seconds: length of the clips that tell the voice.
            balance: share of a speaker with ``n`` clips is proportional to ``n ** balance``.
            num_workers: processes that read ahead; the batches don't depend on it.
            seed: of order and references.
            limit_utterances: keep only so many clips of each speaker and split, the first of the manifest.
            seconds_per_speaker: keep only so much speech of each speaker to train on, the first clips of the manifest that fit.
            evaluate_on_train: the training clips are the val and test clips too, to see what is learned by heart.
            evaluation_clips: most clips of a val or test batch.
            cache_megabytes: of decoded audio kept in memory, in each worker process.
            pin_memory: page-locked batches, for faster copies to a GPU.
        """
        super().__init__()
        self.root, self.front_end, self.sample_rate, self.hop_length = Path(root), front_end, sample_rate, hop_length
        self.frame_budget, self.max_clips, self.evaluation_clips = frame_budget, max_clips, evaluation_clips
        self.reference_frames = max(1, round(reference_seconds * sample_rate / hop_length))
        self.balance, self.seed, self.single_speaker = balance, seed, single_speaker
        self.limit_utterances, self.seconds_per_speaker, self.evaluate_on_train = limit_utterances, seconds_per_speaker, evaluate_on_train
        self.num_workers, self.pin_memory = num_workers, pin_memory
        self.refused: dict[str, str] = {}
        """Why each utterance that training can't use was set aside, by id; known after ``setup``."""
        for name in ("frame_budget", "max_clips", "evaluation_clips"):
            if getattr(self, name) < 1:
                raise SovitsError(f"data.{name}={getattr(self, name)} leaves nothing to train on; give at least 1.")
        self._wanted = self._checked_choice(speakers, speaker)
        self._store = WaveformStore(self.root, sample_rate, cache_megabytes=cache_megabytes)
        self._manifest: Manifest | None = None
        self._clips: dict[str, list[Clip]] = {}

    @property
    def manifest(self) -> Manifest:
        """The whole set.

        Raises:
            SovitsError: no set at ``root``, or one at another sample rate.
        """
        if self._manifest is None:
            manifest = Manifest.load(self.root)
            if manifest.sample_rate != self.sample_rate:
                raise SovitsError(
                    f"The set data.root={self.root} was prepared at {manifest.sample_rate} Hz but audio.sample_rate={self.sample_rate}: "
                    f"choose audio.sample_rate={manifest.sample_rate}, or run `sovits prepare` again at {self.sample_rate} Hz."
                )
            self._manifest = manifest
        return self._manifest

    @property
    def speakers(self) -> list[str]:
        """The chosen speakers, sorted; a speaker's place is its id in ``Batch.speakers``.

        Raises:
            SovitsError: a chosen speaker that the set does not have.
        """
        known = self.manifest.speakers
        wanted = known if self._wanted is None else sorted(set(self._wanted))
        unknown = [speaker for speaker in wanted if speaker not in known]
        if unknown:
            raise SovitsError(f"data.root={self.root} has no speaker {', '.join(unknown)}; it has {', '.join(known)}.")
        return wanted

    def setup(self, stage: str | None = None) -> None:
        """Chooses the clips of every split, whatever the ``stage``; once.

        Raises:
            SovitsError: as ``manifest`` and ``speakers``, an unreadable clip, or a speaker with no clip left to train on.
        """
        if self._clips:
            return
        if self.single_speaker and len(self.speakers) > 1:
            raise SovitsError(
                f"data.single_speaker=true trains a model of one speaker, and data.root={self.root} has {', '.join(self.speakers)}; "
                "choose one with data.speaker=NAME."
            )
        chosen = {split: self._chosen(split) for split in SPLITS}
        clips = {}
        for split, utterances in chosen.items():
            clips[split], refused = select_clips(
                utterances, self.speakers, self._store, self.front_end, hop_length=self.hop_length, most_frames=self.frame_budget
            )
            self.refused.update(refused)
        self._warn_of_refused()
        self._require_training_clips(clips["train"])
        self._clips = clips
        log.info("%s", self.summary())

    def utterances(self, split: str) -> list[Utterance]:
        """The usable utterances of ``train``, ``val`` or ``test``, in the manifest's order."""
        self.setup()
        return [clip.utterance for clip in self._clips[split]]

    def summary(self) -> str:
        """What there is to train on, in one line."""
        self.setup()
        minutes = {name: sum(clip.utterance.duration for clip in self._of(name)) / 60 for name in self.speakers}
        splits = " / ".join(f"{len(self._clips[split])} {split}" for split in SPLITS)
        shares = ", ".join(f"{name} {length:.1f}" for name, length in list(minutes.items())[:MOST_NAMED])
        more = f", and {len(minutes) - MOST_NAMED} more" if len(minutes) > MOST_NAMED else ""
        return (
            f"{self.root.name}: {len(minutes)} speaker(s), {splits} utterances, {len(self.refused)} refused, "
            f"{sum(minutes.values()):.1f} minutes to train on ({shares}{more})"
        )

    def train_dataloader(self) -> ResumableLoader:
        """This rank's share of the epoch, by the trainer's rank and world size (one process without a trainer)."""
        self.setup()
        clips = self._clips["train"]
        batch_sampler = FrameBudgetBatchSampler(
            SpeakerBalancedSampler([clip.speaker for clip in clips], balance=self.balance, seed=self.seed),
            [clip.frames for clip in clips],
            frame_budget=self.frame_budget,
            max_clips=self.max_clips,
            rank=self.trainer.global_rank if self.trainer else 0,
            world_size=self.trainer.world_size if self.trainer else 1,
        )
        return ResumableLoader(
            self._dataset("train"), batch_sampler, collate_fn=collate, num_workers=self.num_workers, pin_memory=self.pin_memory
        )

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        """The val clips, or no loader where there are none."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> DataLoader | list[DataLoader]:
        """The test clips, or no loader where there are none."""
        return self._evaluation_loader("test")

    @staticmethod
    def _checked_choice(speakers: list[str] | None, speaker: str | None) -> list[str] | None:
        if speaker is not None and speakers is not None:
            raise SovitsError(
                f"data.speaker={speaker} and data.speakers={speakers} are both set; give one of them and leave the other null."
            )
        if isinstance(speakers, str):
            raise SovitsError(
                f"data.speakers={speakers} is not a list; write data.speakers=[{speakers}], or data.speaker={speakers} for one."
            )
        if speakers is not None and not speakers:
            raise SovitsError("data.speakers=[] chooses nobody; name at least one speaker, or null for all.")
        # Hydra reads a name of digits as a number.
        return [str(speaker)] if speaker is not None else speakers and [str(name) for name in speakers]

    def _chosen(self, split: str) -> list[Utterance]:
        if self.evaluate_on_train:
            split = "train"
        seconds = self.seconds_per_speaker if split == "train" else None
        clips_left = dict.fromkeys(self.speakers, math.inf if self.limit_utterances is None else self.limit_utterances)
        seconds_left = dict.fromkeys(self.speakers, math.inf if seconds is None else seconds)
        chosen = []
        for utterance in self.manifest.utterances:
            name = utterance.speaker
            if utterance.split != split or not clips_left.get(name) or utterance.duration > seconds_left[name]:
                continue
            chosen.append(utterance)
            clips_left[name] -= 1
            seconds_left[name] -= utterance.duration
        return chosen

    def _of(self, speaker: str) -> list[Clip]:
        return [clip for clip in self._clips["train"] if clip.utterance.speaker == speaker]

    def _warn_of_refused(self) -> None:
        if self.refused:
            named = "; ".join(f"{name} ({reason})" for name, reason in list(self.refused.items())[:MOST_NAMED])
            more = f"; and {len(self.refused) - MOST_NAMED} more" if len(self.refused) > MOST_NAMED else ""
            log.warning("Not used for training or evaluation, %d clip(s): %s%s", len(self.refused), named, more)

    def _require_training_clips(self, clips: Sequence[Clip]) -> None:
        usable = {clip.utterance.speaker for clip in clips}
        lacking = [speaker for speaker in self.speakers if speaker not in usable]
        if not lacking:
            return
        reasons = [reason for name, reason in self.refused.items() if name.split("/")[0] in lacking]
        cause = f" (the first of {len(reasons)} refused: {reasons[0]})" if reasons else ""
        raise SovitsError(
            f"Too little speech in data.root={self.root}: {', '.join(lacking)} has no train utterance{cause}; record more of it and run "
            "`sovits prepare` again, or name the other speakers in data.speakers=[...]."
        )

    def _dataset(self, split: str) -> ClipDataset:
        references: dict[int, list[Clip]] = {}
        for clip in self._clips["train"]:
            references.setdefault(clip.speaker, []).append(clip)
        return ClipDataset(
            self._clips[split],
            references,
            self._store,
            hop_length=self.hop_length,
            reference_frames=self.reference_frames,
            seed=self.seed,
        )

    def _evaluation_loader(self, split: str) -> DataLoader | list[DataLoader]:
        self.setup()
        clips = self._clips[split]
        if not clips:
            log.warning("data.root=%s has no usable %s utterance: nothing is measured on %s.", self.root, split, split)
            return []
        return DataLoader(
            self._dataset(split),
            batch_sampler=FixedBatchSampler(len(clips), self.evaluation_clips),
            collate_fn=collate,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.pin_memory,
            generator=torch.Generator().manual_seed(self.seed),
        )
