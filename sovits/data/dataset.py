"""Clips as training items: waveform, encoded text, and a reference clip of the same voice; and items as a batch."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sovits.data.augmentation import Augmentation
from sovits.data.batch import Batch
from sovits.data.clips import Clip
from sovits.data.sampler import Draw
from sovits.data.tempo import stretch
from sovits.data.waveform_store import WaveformStore
from sovits.text.batch import TextBatch
from sovits.text.encoding import padded_rows

FULL_SCALE = 32768
"""What 1.0 is in 16-bit samples."""
_REFERENCE, _AUGMENTATION, _REFERENCE_AUGMENTATION = 0, 1, 2


@dataclass(frozen=True)
class Item:
    """A clip with its audio: int16, a view of what is stored, or float32 in [-1, 1] where something was done to it."""

    clip: Clip
    frames: int
    """Spectrogram frames of ``waveform``: the clip's, unless it is spoken faster or slower."""
    waveform: np.ndarray
    """[T_samples], whole frames."""
    reference: np.ndarray
    """[T_reference]."""


class ClipDataset(Dataset[Item]):
    """Items by ``Draw``; the same draw gives the same item in every process."""

    def __init__(
        self,
        clips: Sequence[Clip],
        references: Mapping[int, Sequence[Clip]],
        store: WaveformStore,
        *,
        sample_rate: int,
        hop_length: int,
        reference_frames: int,
        seed: int,
        augmentation: Augmentation | None = None,
    ) -> None:
        """
        Args:
            clips: of the split.
            references: training clips of every speaker, to draw its reference from.
            store: of the audio.
            sample_rate: Hz.
            hop_length: samples of a frame.
            reference_frames: length of every reference clip.
            seed: of the references and the augmentation.
            augmentation: what is done to the audio.
        """
        self.clips, self.references, self.store, self.augmentation = clips, references, store, augmentation
        self.sample_rate, self.hop_length, self.reference_frames, self.seed = sample_rate, hop_length, reference_frames, seed

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, draw: Draw) -> Item:
        clip = self.clips[draw.clip]
        frames = clip.frames if draw.frames is None else draw.frames
        waveform = self.store.read(clip.utterance)[: clip.frames * self.hop_length]
        if frames != clip.frames:
            waveform = stretch(as_float(waveform), frames * self.hop_length, self.sample_rate)
        reference = self._reference(clip, draw)
        if self.augmentation is not None:
            waveform = self.augmentation(as_float(waveform), self.sample_rate, self._random(clip, draw, _AUGMENTATION))
            if self.augmentation.references:
                reference = self.augmentation(as_float(reference), self.sample_rate, self._random(clip, draw, _REFERENCE_AUGMENTATION))
        return Item(clip, frames, waveform, reference)

    def _reference(self, clip: Clip, draw: Draw) -> np.ndarray:
        """A stretch of another clip of the same speaker, or of this one where it is the only; a short clip is repeated."""
        random = self._random(clip, draw, _REFERENCE)
        own = self.references[clip.speaker]
        chosen = own[int(random.integers(len(own)))]
        if chosen.utterance.id == clip.utterance.id and len(own) > 1:
            others = [other for other in own if other.utterance.id != clip.utterance.id]
            chosen = others[int(random.integers(len(others)))]
        samples = self.store.read(chosen.utterance)
        length = self.reference_frames * self.hop_length
        if len(samples) < length:
            return np.resize(samples, length)
        start = random.integers(len(samples) - length + 1)
        return samples[start : start + length]

    def _random(self, clip: Clip, draw: Draw, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, draw.epoch, draw.turn, zlib.crc32(clip.utterance.id.encode()), purpose])


def as_float(samples: np.ndarray) -> np.ndarray:
    """Samples [T] as float32 in [-1, 1]."""
    return samples * np.float32(1 / FULL_SCALE) if samples.dtype == np.int16 else samples


def collate(items: Sequence[Item]) -> Batch:
    """Pads ``items`` with zeros into one batch on the CPU."""
    clips = [item.clip for item in items]
    return Batch(
        text=TextBatch.collate([clip.text for clip in clips]),
        waveforms=padded([item.waveform for item in items]),
        frame_lengths=torch.tensor([item.frames for item in items]),
        references=padded([item.reference for item in items]),
        speakers=torch.tensor([clip.speaker for clip in clips]),
        told=torch.tensor([clip.utterance.told for clip in clips]),
        durations=torch.from_numpy(padded_rows([item.clip.durations_in(item.frames) for item in items])),
        bandwidths=torch.tensor([clip.utterance.quality.bandwidth_of_file for clip in clips]),
        ids=[clip.utterance.id for clip in clips],
        texts=[clip.utterance.text for clip in clips],
    )


def padded(waveforms: Sequence[np.ndarray]) -> Tensor:
    """``waveforms`` as one float32 tensor [B, T], zeros behind each; converted from 16 bits where it is written, in one pass."""
    rows = np.empty((len(waveforms), max(map(len, waveforms))), dtype=np.float32)
    for row, waveform in zip(rows, waveforms, strict=True):
        scale = 1 / FULL_SCALE if waveform.dtype == np.int16 else 1.0
        np.multiply(waveform, np.float32(scale), out=row[: len(waveform)])
        row[len(waveform) :] = 0
    return torch.from_numpy(rows)
