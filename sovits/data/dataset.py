"""Aligned clips as training items: waveform, encoded text, and a reference clip of the same voice."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from sovits.data.batch import Batch
from sovits.data.manifest import Utterance
from sovits.data.sampler import Draw
from sovits.errors import SovitsError
from sovits.text.encoding import EncodedText, TextBatch

FrontEnd = Callable[[str, str | None], EncodedText]
"""Reads a text, given its language or ``None``."""


@dataclass(frozen=True)
class Clip:
    """An utterance that training can use."""

    utterance: Utterance
    text: EncodedText
    speaker: int
    frames: int
    """Whole spectrogram frames in it."""


@dataclass(frozen=True)
class Item:
    """A clip with its audio."""

    clip: Clip
    waveform: np.ndarray
    """[T_samples] float32, ``T_samples = clip.frames * hop_length``."""
    reference: np.ndarray
    """[T_reference] float32."""


class WaveformStore:
    """Reads the clips of a prepared set, and keeps them decoded as 16-bit integers while there is room (each worker process its own)."""

    def __init__(self, root: Path, sample_rate: int, *, cache_megabytes: float) -> None:
        self.root = root
        self.sample_rate = sample_rate
        self._room = int(cache_megabytes * 1e6)
        self._kept: dict[str, np.ndarray] = {}

    def samples(self, path: str) -> int:
        """Samples in the clip, by its header.

        Raises:
            SovitsError: missing or unreadable file, or another rate or more channels than the set has.
        """
        try:
            header = soundfile.info(self.root / path)
        except soundfile.LibsndfileError as error:
            raise self._unusable(path, f"cannot be read ({error.error_string})") from error
        if (header.samplerate, header.channels) != (self.sample_rate, 1):
            raise self._unusable(path, f"has {header.channels} channel(s) at {header.samplerate} Hz instead of 1 at {self.sample_rate} Hz")
        return header.frames

    def read(self, path: str) -> np.ndarray:
        """The whole clip [T_samples], float32 in [-1, 1]."""
        samples = self._kept.get(path)
        if samples is None:
            samples = self._decoded(path)
            self._keep(path, samples)
        return samples.astype(np.float32) / 32768

    def _decoded(self, path: str) -> np.ndarray:
        expected = self.samples(path)
        try:
            samples, _ = soundfile.read(self.root / path, dtype="int16")
        except soundfile.LibsndfileError as error:
            raise self._unusable(path, f"cannot be read ({error.error_string})") from error
        if len(samples) != expected:
            raise self._unusable(path, f"is cut short: {len(samples)} of {expected} samples")
        return samples

    def _keep(self, path: str, samples: np.ndarray) -> None:
        # A full store stays as it is: epochs pass over all clips, so that throwing out the oldest would throw out what comes next.
        if samples.nbytes <= self._room:
            self._room -= samples.nbytes
            self._kept[path] = samples

    def _unusable(self, path: str, what: str) -> SovitsError:
        return SovitsError(f"The clip {self.root / path} {what}; run `sovits prepare` again to rewrite it.")


def select_clips(
    utterances: Iterable[Utterance],
    speakers: Sequence[str],
    store: WaveformStore,
    front_end: FrontEnd,
    *,
    hop_length: int,
    most_frames: int,
) -> tuple[list[Clip], dict[str, str]]:
    """Encodes the texts and sets aside what cannot be trained on.

    Args:
        utterances: of speakers among ``speakers``.
        speakers: whose index is a clip's ``speaker``.
        store: of their audio.
        front_end: reads the texts.
        hop_length: samples of a frame.
        most_frames: of a clip, or it would not fit a batch.

    Returns:
        The usable clips in their order, and for each other utterance id the reason: a text that the front end cannot read, more phones than
        frames (no monotonic alignment gives every phone a frame), or more frames than ``most_frames``.
    """
    clips, refused = [], {}
    for utterance in utterances:
        frames = store.samples(utterance.path) // hop_length
        try:
            text = front_end(utterance.text, utterance.language)
        except SovitsError as error:
            refused[utterance.id] = str(error)
            continue
        if frames < len(text.phones):
            refused[utterance.id] = f"{len(text.phones)} phones in {frames} frames: too much text for so short a clip"
        elif frames > most_frames:
            refused[utterance.id] = f"{frames} frames: longer than data.frame_budget={most_frames}"
        else:
            clips.append(Clip(utterance, text, speakers.index(utterance.speaker), frames))
    return clips, refused


class ClipDataset(Dataset[Item]):
    """Items by ``Draw``; the same draw gives the same item in every process."""

    def __init__(
        self,
        clips: Sequence[Clip],
        references: Mapping[int, Sequence[Clip]],
        store: WaveformStore,
        *,
        hop_length: int,
        reference_frames: int,
        seed: int,
    ) -> None:
        """
        Args:
            clips: of the split.
            references: training clips of every speaker, to draw its reference from.
            store: of the audio.
            hop_length: samples of a frame.
            reference_frames: length of every reference clip.
            seed: of the references.
        """
        self.clips, self.references, self.store = clips, references, store
        self.hop_length, self.reference_frames, self.seed = hop_length, reference_frames, seed

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, draw: Draw) -> Item:
        clip = self.clips[draw.clip]
        waveform = self.store.read(clip.utterance.path)[: clip.frames * self.hop_length]
        return Item(clip, waveform, self._reference(clip, draw))

    def _reference(self, clip: Clip, draw: Draw) -> np.ndarray:
        """A stretch of another clip of the same speaker, or of this one where it is the only; a short clip is repeated."""
        random = np.random.default_rng([self.seed, draw.epoch, draw.turn, zlib.crc32(clip.utterance.id.encode())])
        own = self.references[clip.speaker]
        others = [other for other in own if other.utterance.id != clip.utterance.id] or own
        samples = self.store.read(others[int(random.integers(len(others)))].utterance.path)
        length = self.reference_frames * self.hop_length
        if len(samples) < length:
            return np.resize(samples, length)
        start = random.integers(len(samples) - length + 1)
        return samples[start : start + length]


def collate(items: Sequence[Item]) -> Batch:
    """Pads ``items`` with zeros into one batch on the CPU."""
    clips = [item.clip for item in items]
    return Batch(
        text=TextBatch.collate([clip.text for clip in clips]),
        waveforms=pad_sequence([torch.from_numpy(item.waveform) for item in items], batch_first=True),
        frame_lengths=torch.tensor([clip.frames for clip in clips]),
        references=torch.from_numpy(np.stack([item.reference for item in items])),
        speakers=torch.tensor([clip.speaker for clip in clips]),
        ids=[clip.utterance.id for clip in clips],
        texts=[clip.utterance.text for clip in clips],
    )
