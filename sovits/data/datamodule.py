"""The prepared set as a LightningDataModule: which speakers, which clips, in which batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import lightning
import torch
from torch.utils.data import DataLoader

from sovits.data.aligned_clips import with_durations
from sovits.data.augmentation import Augmentation
from sovits.data.choice import Choice, groups, in_order_of_recording, quarantined_for_training
from sovits.data.clips import MOST_NAMED, Clip, require_every_speaker, select_clips, warn_of_refused
from sovits.data.dataset import ClipDataset, collate
from sovits.data.loader import ResumableLoader
from sovits.data.manifest import SPLITS, Manifest, Utterance
from sovits.data.sampler import FixedBatchSampler, FrameBudgetBatchSampler, SpeakerBalancedSampler
from sovits.data.tempo import Tempo
from sovits.data.waveform_pack import open_packed, pack_folder
from sovits.data.waveform_store import WaveformFiles, WaveformStore
from sovits.errors import SovitsError
from sovits.text import TextFrontEnd

log = logging.getLogger(__name__)


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
        shares: dict[str, float] | None = None,
        num_workers: int = 0,
        seed: int = 0,
        limit_utterances: int | None = None,
        seconds_per_speaker: float | None = None,
        least_seconds: float = 0.0,
        evaluate_on_train: bool = False,
        include_quarantined: bool = False,
        evaluation_clips: int = 4,
        cache: bool = True,
        cache_folder: str | None = None,
        align_phones: bool = False,
        augmentation: Augmentation | None = None,
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
            frame_budget: most padded frames of a batch on one device.
            max_clips: most clips of a training batch on one device.
            reference_seconds: length of the clips that tell the voice.
            balance: share of a speaker with ``n`` clips is proportional to ``n ** balance``.
            shares: of an epoch for groups of speakers, by patterns (``fnmatch``) of their names; within a group ``balance`` decides.
            num_workers: processes that read ahead; the batches don't depend on it.
            seed: of order, references and augmentation.
            limit_utterances: keep only so many clips of each speaker and split, the first of the manifest.
            seconds_per_speaker: keep only so much speech of each speaker to train on, the first clips of the manifest that fit.
            least_seconds: speakers with less to train on are not trained on; a model that knows strangers reads their voices all the same.
            evaluate_on_train: the training clips are the val and test clips too, to see what is learned by heart.
            include_quarantined: train also on what the quality gate refused, to measure what the gate is worth; never judged on it.
            evaluation_clips: most clips of a val or test batch.
            cache: pack the set's audio once into a memory map that all processes share; otherwise each clip's file is read every time.
            cache_folder: where the pack lies; ``None``: in the set's folder.
            align_phones: aligns phones with sound before training, see ``phone_alignment``; once for a set and its texts.
            augmentation: of the training clips.
            pin_memory: page-locked batches, for faster copies to a GPU.
        """
        super().__init__()
        self.root, self.front_end, self.sample_rate, self.hop_length = Path(root), front_end, sample_rate, hop_length
        self.frame_budget, self.max_clips, self.evaluation_clips = frame_budget, max_clips, evaluation_clips
        self.reference_frames = max(1, round(reference_seconds * sample_rate / hop_length))
        self.balance, self.shares, self.seed, self.augmentation = balance, shares or {}, seed, augmentation
        self.include_quarantined, self.evaluate_on_train = include_quarantined, evaluate_on_train
        self.num_workers, self.pin_memory = num_workers, pin_memory
        self.refused: dict[str, str] = {}
        """Why each utterance that training can't use was set aside, by id; known after ``setup``."""
        for name in ("frame_budget", "max_clips", "evaluation_clips"):
            if getattr(self, name) < 1:
                raise SovitsError(f"data.{name}={getattr(self, name)} leaves nothing to train on; give at least 1.")
        if not cache and cache_folder is not None:
            raise SovitsError(f"data.cache=false and data.cache_folder={cache_folder} contradict each other; leave one of them out.")
        self._choice = Choice(speakers, speaker, single_speaker, limit_utterances, seconds_per_speaker, evaluate_on_train)
        self.least_seconds, self.align_phones = least_seconds, align_phones
        self._packs = pack_folder(self.root, cache_folder) if cache else None
        self._manifest: Manifest | None = None
        self._clips: dict[str, list[Clip]] = {}

    @property
    def manifest(self) -> Manifest:
        """The kept clips of the set.

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
        return self._choice.names(self.manifest.speakers, self.root)

    def prepare_data(self) -> None:
        """Packs the audio where that is still to be done: Lightning calls this on one process of every node, and lets the others wait."""
        self._opened(self._known())

    def setup(self, stage: str | None = None) -> None:
        """Chooses the clips of every split, whatever the ``stage``; once. Packs the audio if nobody has.

        Raises:
            SovitsError: as ``manifest`` and ``speakers``, an unreadable clip, no room for the pack, or a speaker with nothing to train on.
        """
        if self._clips:
            return
        self._choice.require_single(self.speakers, self.root)
        known = self._known()
        self._store = self._opened(known)
        clips = {}
        for split in SPLITS:
            # Nothing is ever judged on clips that the gate refused.
            chosen = self._choice.utterances(known if split == "train" else self.manifest.utterances, self.speakers, split)
            clips[split], refused = select_clips(
                chosen, self.speakers, self._store, self.front_end, hop_length=self.hop_length, most_frames=self.frame_budget
            )
            self.refused.update(refused)
        if self.align_phones:
            clips = with_durations(clips, self._store, self.root, sample_rate=self.sample_rate, hop_length=self.hop_length)
        warn_of_refused(self.refused)
        require_every_speaker(clips["train"], self.speakers, self.refused, self.root)
        self._taught = self._with_enough(clips["train"])
        if not self._taught:
            # Of what is not trained on, everything is held out.
            clips["val"] = clips["val"] or clips["train"]
        self._clips = clips
        log.info("%s", self.summary())

    @property
    def taught(self) -> list[str]:
        """Those of ``speakers`` with enough speech to train on."""
        self.setup()
        return self._taught

    def utterances(self, split: str) -> list[Utterance]:
        """The usable utterances of ``train``, ``val`` or ``test``, in the manifest's order."""
        self.setup()
        return [clip.utterance for clip in self._clips[split]]

    def _with_enough(self, clips: Sequence[Clip]) -> list[str]:
        """The speakers with ``least_seconds`` to train on; a warning tells of the others."""
        seconds = dict.fromkeys(self.speakers, 0.0)
        for clip in clips:
            seconds[clip.utterance.speaker] += clip.utterance.duration
        scarce = {name: own for name, own in seconds.items() if own < self.least_seconds}
        if scarce:
            told = ", ".join(f"{name} ({own:.1f} s)" for name, own in list(scarce.items())[:MOST_NAMED])
            log.warning(
                "Too little speech to learn from, less than data.least_seconds=%g: %s%s. Only the voice is read from it (zero-shot).",
                self.least_seconds,
                told,
                f" and {len(scarce) - MOST_NAMED} more" if len(scarce) > MOST_NAMED else "",
            )
        return [name for name in seconds if name not in scarce]

    def summary(self) -> str:
        """What there is to train on, in one line."""
        self.setup()
        minutes = dict.fromkeys(self.speakers, 0.0)
        for clip in self._clips["train"]:
            minutes[clip.utterance.speaker] += clip.utterance.duration / 60
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
        clips = [clip for clip in self._clips["train"] if clip.utterance.speaker in set(self.taught)]
        frames = [clip.frames for clip in clips]
        speed = self.augmentation.speed if self.augmentation else None
        batch_sampler = FrameBudgetBatchSampler(
            SpeakerBalancedSampler(
                [clip.speaker for clip in clips], balance=self.balance, seed=self.seed, shares=groups(self.shares, self.speakers)
            ),
            frames,
            frame_budget=self.frame_budget,
            max_clips=self.max_clips,
            tempo=Tempo(frames, [len(clip.text.phones) for clip in clips], self.frame_budget, speed) if speed else None,
            rank=self.trainer.global_rank if self.trainer else 0,
            world_size=self.trainer.world_size if self.trainer else 1,
        )
        log.info(
            "%d batches an epoch on each device, at most %d clips in %d frames, %.1f %% of it padding",
            len(batch_sampler),
            self.max_clips,
            self.frame_budget,
            100 * batch_sampler.padding(0),
        )
        return ResumableLoader(
            self._dataset(clips, self.augmentation),
            batch_sampler,
            collate_fn=collate,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
        )

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        """The val clips, or no loader where there are none."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> DataLoader | list[DataLoader]:
        """The test clips, or no loader where there are none."""
        return self._evaluation_loader("test")

    def _known(self) -> Sequence[Utterance]:
        """All that may be trained on, whoever speaks."""
        kept = self.manifest.utterances
        if not self.include_quarantined:
            return kept
        speakers = set(self.manifest.speakers)
        refused = quarantined_for_training(self.root)
        # Nobody could be judged of whom nothing was kept.
        self.refused |= {
            clip.id: f"no clip of {clip.speaker} was kept; record more of it" for clip in refused if clip.speaker not in speakers
        }
        return in_order_of_recording([*kept, *(clip for clip in refused if clip.speaker in speakers)])

    def _opened(self, utterances: Sequence[Utterance]) -> WaveformStore:
        files = WaveformFiles(self.root, self.sample_rate)
        if self._packs is None:
            return files
        return open_packed(files, utterances, self._packs, "all" if self.include_quarantined else "kept")

    def _dataset(self, clips: Sequence[Clip], augmentation: Augmentation | None = None) -> ClipDataset:
        references: dict[int, list[Clip]] = {}
        for clip in self._clips["train"]:
            references.setdefault(clip.speaker, []).append(clip)
        return ClipDataset(
            clips,
            references,
            self._store,
            sample_rate=self.sample_rate,
            hop_length=self.hop_length,
            reference_frames=self.reference_frames,
            seed=self.seed,
            augmentation=augmentation,
        )

    def _evaluation_loader(self, split: str) -> DataLoader | list[DataLoader]:
        self.setup()
        clips = self._clips[split]
        if not clips:
            log.warning("data.root=%s has no usable %s utterance: nothing is measured on %s.", self.root, split, split)
            return []
        return DataLoader(
            self._dataset(clips),
            batch_sampler=FixedBatchSampler(
                [clip.frames for clip in clips], frame_budget=self.frame_budget, max_clips=self.evaluation_clips
            ),
            collate_fn=collate,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.pin_memory,
            generator=torch.Generator().manual_seed(self.seed),
        )
