"""A prepared set small enough to write for every test: three speakers, each a tone of its own, and a front end that reads letters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import FILE_NAME, Manifest, Utterance
from sovits.errors import SovitsError
from sovits.text.encoding import EncodedText

COUNTS = {"ann": (9, 2, 1), "bob": (5, 1, 1), "cy": (2, 0, 0)}


def letters(text: str, language: str | None = None) -> EncodedText:
    """One phone a letter."""
    if not text:
        raise SovitsError("The text is empty; write what is said.")
    ids = [ord(letter) % 50 for letter in text]
    return EncodedText(text, list(text), ids, [0] * len(ids), [int(language == "zh")] * len(ids), [1, 2], [0] * len(ids))


@dataclass
class SmallSet:
    """Clips of 0.503 to 1.403 s, not whole frames: 9, 5 and 2 to train on, 3 val, 2 test."""

    root: Path
    sample_rate: int = 8000
    hop_length: int = 80
    pitch: dict[str, float] = field(default_factory=lambda: {"ann": 200.0, "bob": 500.0, "cy": 1100.0})

    def utterance(self, speaker: str, number: int, split: str = "train", text: str = "hello") -> Utterance:
        name = f"{speaker}/{number:02d}"
        length = 0.503 + 0.1 * (number % 10)
        return Utterance(name, f"clips/{name}.wav", speaker, "en", text, 0.0, length, length, split, "raw.wav", "sidecar:raw.txt", "0")

    def write_clip(self, clip: Utterance, *, sample_rate: int = 8000) -> Utterance:
        """Writes the audio, and gives the clip with its content hash."""
        path = self.root / clip.path
        path.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(round(clip.duration * sample_rate)) / sample_rate
        soundfile.write(path, 0.5 * np.sin(2 * np.pi * self.pitch[clip.speaker] * time), sample_rate, subtype="PCM_16")
        return replace(clip, content_hash=hashlib.sha256(path.read_bytes()).hexdigest())

    def write(self, clips: list[Utterance], name: str = FILE_NAME) -> None:
        Manifest(self.sample_rate, tuple(self.write_clip(clip) for clip in clips)).save(self.root, name)

    def pitch_of(self, samples: np.ndarray) -> float:
        """The strongest frequency, Hz."""
        return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * self.sample_rate / len(samples))


@pytest.fixture
def small_set(tmp_path: Path) -> SmallSet:
    small = SmallSet(tmp_path)
    splits = {speaker: ["train"] * train + ["val"] * val + ["test"] * test for speaker, (train, val, test) in COUNTS.items()}
    small.write([small.utterance(speaker, number, split) for speaker in COUNTS for number, split in enumerate(splits[speaker])])
    return small


@pytest.fixture
def make_data(small_set: SmallSet) -> Callable[..., SpeechDataModule]:
    """A data module over the small set, with other options where given."""

    def make(**options: object) -> SpeechDataModule:
        settings = {"sample_rate": small_set.sample_rate, "frame_budget": 250, "max_clips": 4, "reference_seconds": 0.8, "seed": 5}
        return SpeechDataModule(str(small_set.root), letters, hop_length=small_set.hop_length, **settings | options)

    return make


@pytest.fixture
def front_end() -> Callable[..., EncodedText]:
    return letters
