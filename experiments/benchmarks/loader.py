"""How fast the data module delivers batches, how much of them is padding, and how many bytes a step reads.

    python experiments/benchmarks/loader.py --steps 40 --write results/loader

Without ``--root`` a set of noise with the lengths of a read audiobook is written and measured. All ways of reading are measured in turn in
every round on the same batches, so that a busy machine slows all of them; a figure is the median over the rounds, with the range beside it.
Clips per second are per second of this process's CPU time, on one thread: per core.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from hydra import compose, initialize_config_dir

from sovits.cli import config_directory
from sovits.data.clips import Clip
from sovits.data.datamodule import SpeechDataModule
from sovits.data.dataset import ClipDataset, collate, padded
from sovits.data.manifest import Manifest, Utterance
from sovits.data.packing import padding
from sovits.data.sampler import Draw, FrameBudgetBatchSampler, SpeakerBalancedSampler
from sovits.data.waveform_store import WaveformFiles
from sovits.text.encoding import EncodedText
from sovits.training.lightning_module import VoiceTraining
from sovits.verbs.train import build_training

SAMPLE_RATE, HOP_LENGTH, N_FFT = 22050, 512, 2048
BATCH = 32
PHONES_PER_SECOND = 14
BUCKET_FRAMES = 50
"""Width of the buckets that batches are usually drawn from: VITS has 100 frames of 256 samples."""
HEADROOM = 1.3
"""Frame budget over that of 32 clips of mean length, so that not only long clips decide how many make a batch."""


def audiobook_lengths(clips: int, seed: int = 0) -> np.ndarray:
    """Seconds [clips] as in LJSpeech: 1.1 to 10.1, 6.5 on average, most of them long."""
    return np.clip(10.1 - np.random.default_rng(seed).gamma(2.2, 1.65, clips), 1.1, 10.1)


def read_letters(text: str, language: str | None = None) -> EncodedText:
    """One phone a letter and one token for four, as much as a real front end gives."""
    ids = [1 + ord(letter) % 40 for letter in text]
    zeros = [0] * len(ids)
    return EncodedText(text, list(text), ids, zeros, zeros, ids[::4], [place // 4 for place in range(len(ids))])


def write_set(root: Path, clips: int) -> None:
    """A prepared set of noise with an audiobook's lengths."""
    random = np.random.default_rng(1)
    utterances = []
    (root / "audio").mkdir(parents=True)
    for number, seconds in enumerate(audiobook_lengths(clips)):
        path = root / "audio" / f"{number:05d}.wav"
        soundfile.write(path, (3000 * random.standard_normal(int(seconds * SAMPLE_RATE))).astype(np.int16), SAMPLE_RATE)
        text = "".join(random.choice(list("abcdefghij klmnop"), int(seconds * PHONES_PER_SECOND)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        name, length = f"reader/{number:05d}", float(seconds)
        utterances.append(
            Utterance(name, f"audio/{path.name}", "reader", "en", text, 0.0, length, length, "train", path.name, "made", digest)
        )
    Manifest(SAMPLE_RATE, tuple(utterances)).save(root)


class SpectrogramFiles:
    """As VITS reads: a clip's WAV file, and its linear spectrogram from a file of its own, padded into a batch beside the waveforms."""

    def __init__(self, dataset: ClipDataset, folder: Path) -> None:
        self.dataset, self.folder = dataset, folder

    def write(self, draws: Sequence[Draw]) -> None:
        """The spectrograms of all clips in ``draws``."""
        window = torch.hann_window(N_FFT)
        for draw in draws:
            item = self.dataset[draw]
            samples = padded([item.waveform])
            spectrum = torch.stft(samples, N_FFT, HOP_LENGTH, window=window, return_complex=True).abs()[0, :, : item.frames]
            torch.save(spectrum.clone(), self._path(item.clip))

    def batch(self, draws: Sequence[Draw]) -> int:
        """Loads a batch; returns the bytes of the files."""
        batch = collate([self.dataset[draw] for draw in draws])
        clips = [self.dataset.clips[draw.clip] for draw in draws]
        spectra = [torch.load(self._path(clip), weights_only=True) for clip in clips]
        rows = torch.zeros(len(spectra), spectra[0].shape[0], max(spectrum.shape[1] for spectrum in spectra))
        for row, spectrum in zip(rows, spectra, strict=True):
            row[:, : spectrum.shape[1]] = spectrum
        return bytes_of(self.dataset, draws) + sum(self._path(clip).stat().st_size for clip in clips) + 0 * len(batch)

    def _path(self, clip: Clip) -> Path:
        return self.folder / f"{clip.utterance.content_hash}.pt"


def bytes_of(dataset: ClipDataset, draws: Sequence[Draw]) -> int:
    """Bytes of 16-bit audio that a batch is made of: what a map touches. Files are read whole, which for references is more."""
    whole = isinstance(dataset.store, WaveformFiles)
    items = [dataset[draw] for draw in draws]
    references = [len(items[0].reference)] * len(items)
    if whole:
        # Another clip of the speaker is read for each reference: on average a clip of mean length.
        references = [item.frames * HOP_LENGTH for item in items]
    return 2 * sum(item.frames * HOP_LENGTH + reference for item, reference in zip(items, references, strict=True))
