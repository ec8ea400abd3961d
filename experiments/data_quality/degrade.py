"""Known damage to clean speech: noise and music at stated levels, rooms, clipping, narrow bands, a second voice."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import butter, fftconvolve, sosfiltfilt

from sovits.audio.waveform import read_waveform, resample
from sovits.data.preparation.vad import Stretch
from sovits.data.quality.noise import LOWEST

LEVELS = (20, 15, 10, 5, 0)
"""dB of speech over noise."""
ROOMS = tuple((t60, ratio) for t60 in (0.3, 0.5, 0.8, 1.2, 2.0) for ratio in (6, 0, -6))
"""Modelled rooms: T60 in s, direct over reverberant sound in dB."""
DRIVES = (3, 6, 12, 20)
"""dB by which a clip is driven over full scale."""
STRONG_T60, STRONG_C50 = 0.8, 6.0
"""Strong reverberation: a T60 of so many seconds or more, and so few dB or less of early sound (50 ms) over late."""


@dataclass(frozen=True)
class Condition:
    """What was done to a clip."""

    kind: str
    """``clean``, ``noise``, ``music``, ``room``, ``clipping``, ``band``, ``overlap``, ..."""
    name: str = ""
    """Of the noise, music or impulse response."""
    level: str = ""
    """How much, with its unit."""
    half: str = ""
    """``tune`` or ``report``: which half of the noises and rooms it belongs to."""
    strong: bool = False
    """Strong reverberation."""


@dataclass(frozen=True)
class Room:
    """An impulse response."""

    name: str
    samples: np.ndarray
    sample_rate: int
    t60: float
    c50: float

    @property
    def strong(self) -> bool:
        return self.t60 >= STRONG_T60 and self.c50 <= STRONG_C50

    @property
    def level(self) -> str:
        return f"T60 {self.t60:.2f} s, C50 {self.c50:.1f} dB"


class Degrader:
    """Damages clips with the sounds of a folder.

    Args:
        folder: of the noises, with ``manifest.csv``: the columns ``path`` (from the folder above) and ``kind`` (noise, music, rir).
    """

    def __init__(self, folder: Path) -> None:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            self.rows = list(csv.DictReader(file))
        self.folder = folder
        self.sounds = {kind: sorted(row["path"] for row in self.rows if row["kind"] == kind) for kind in ("noise", "music")}
        paths = sorted(row["path"] for row in self.rows if row["kind"] == "rir")
        self.rooms = [*(self._measured(path) for path in paths), *(modelled_room(*room) for room in ROOMS)]

    def __call__(
        self, clip: np.ndarray, sample_rate: int, stretches: Sequence[Stretch], seed: str, other: np.ndarray
    ) -> Iterator[tuple[Condition, np.ndarray]]:
        """Every condition of one clip.

        Args:
            clip: [T_samples] of clean speech.
            stretches: where it speaks, in seconds.
            seed: names the clip; another name draws other stretches of the noises.
            other: [T_samples] of another speaker at the same rate.
        """
        loudness = active_rms(clip, sample_rate, stretches)
        for kind, paths in self.sounds.items():
            for index, path in enumerate(paths):
                random = np.random.default_rng(zlib.crc32(f"{seed} {path}".encode()))
                noise = fitted(read_waveform(self.folder.parent / path, sample_rate), len(clip), random)
                noise = noise / rms(noise, sample_rate)
                for level in LEVELS:
                    condition = Condition(kind, Path(path).stem, f"{level} dB", _half(index))
                    yield condition, clip + noise * loudness * 10 ** (-level / 20)
        for index, room in enumerate(self.rooms):
            wet = fftconvolve(clip, resample(room.samples, room.sample_rate, sample_rate))
            yield Condition("room", room.name, room.level, _half(index), room.strong), wet
        full = clip / np.abs(clip).max()
        for drive in DRIVES:
            yield Condition("clipping", "", f"{drive} dB over"), np.clip(full * 10 ** (drive / 20), -1.0, 1.0)
        telephone = butter(6, (300, 3400), "bandpass", fs=sample_rate, output="sos")
        yield Condition("band", "300-3400 Hz", "telephone"), sosfiltfilt(telephone, clip)
        yield Condition("band", "8000 Hz file", "0-4 kHz"), resample(resample(clip, sample_rate, 8000), 8000, sample_rate)[: len(clip)]
        other = np.resize(other, len(clip))
        for level in (10, 3):
            voice = other / rms(other, sample_rate) * loudness * 10 ** (-level / 20)
            yield Condition("overlap", "second speaker", f"{level} dB below"), clip + voice

    def ready_made(self, kind: str) -> Iterator[tuple[Condition, Path]]:
        """The files of a kind that come damaged."""
        for row in self.rows:
            if row["kind"].startswith(kind):
                yield Condition(row["kind"], Path(row["path"]).stem, row["note"]), self.folder.parent / row["path"]

    def _measured(self, path: str) -> Room:
        import soundfile

        samples, sample_rate = soundfile.read(self.folder.parent / path)
        samples = np.asarray(samples, dtype=np.float32)
        return Room(Path(path).stem, samples, sample_rate, *room_figures(samples, sample_rate))


def modelled_room(t60: float, ratio: float, sample_rate: int = 48000) -> Room:
    """Direct sound, and noise that falls by 60 dB in ``t60`` s from 4 ms after it (Polack 1988), ``ratio`` dB below the direct sound."""
    random = np.random.default_rng(round(t60 * 1000))
    time = np.arange(round(1.1 * t60 * sample_rate)) / sample_rate
    tail = random.standard_normal(time.size) * 10 ** (-3 * time / t60) * (time >= 0.004)
    samples = tail / np.sqrt(np.square(tail).sum()) * 10 ** (-ratio / 20)
    samples[0] = 1.0
    _, c50 = room_figures(samples, sample_rate)
    return Room(f"model_{t60:g}s_{ratio:+g}dB", samples.astype(np.float32), sample_rate, t60, c50)


def room_figures(samples: np.ndarray, sample_rate: int) -> tuple[float, float]:
    """T60 in s, from the fall between -5 and -25 dB of the backward integral (ISO 3382), and C50 in dB."""
    energy = np.square(samples.astype(np.float64))
    direct = int(np.argmax(energy))
    border = direct + round(0.05 * sample_rate)
    c50 = 10 * np.log10(energy[:border].sum() / max(energy[border:].sum(), 1e-20))
    fall = 10 * np.log10(np.cumsum(energy[direct:][::-1])[::-1] / energy[direct:].sum() + 1e-20)
    line = np.flatnonzero((fall <= -5) & (fall >= -25))
    slope = np.polyfit(line / sample_rate, fall[line], 1)[0]
    return float(-60 / slope), float(c50)


def rms(samples: np.ndarray, sample_rate: int) -> float:
    """Root mean square above 60 Hz: what is below is hardly heard, and is most of the power of some recordings of noise."""
    heard = sosfiltfilt(butter(2, LOWEST, "highpass", fs=sample_rate, output="sos"), samples.astype(np.float64))
    return max(float(np.sqrt(np.square(heard).mean())), 1e-9)


def active_rms(clip: np.ndarray, sample_rate: int, stretches: Sequence[Stretch]) -> float:
    """The same of the speech alone."""
    spoken = np.concatenate([clip[round(s.start * sample_rate) : round(s.end * sample_rate)] for s in stretches])
    return rms(spoken, sample_rate)


def fitted(noise: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    """A stretch of ``length`` samples: drawn from a longer noise, a shorter one repeated end to end."""
    if len(noise) <= length:
        return np.resize(noise, length)
    start = int(random.integers(0, len(noise) - length + 1))
    return noise[start : start + length]


def halves(names: Sequence[str]) -> Mapping[str, str]:
    """Every other name, in order, to ``tune`` and to ``report``."""
    return {name: _half(index) for index, name in enumerate(sorted(names))}


def _half(index: int) -> str:
    return "report" if index % 2 else "tune"
