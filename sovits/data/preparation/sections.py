"""A recording heard in sections that end at pauses, so that hours of it need the memory of minutes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sovits.audio.waveform import normalize_loudness, resample
from sovits.audio.waveform_file import WaveformFile
from sovits.data.preparation.vad import VAD_RATE, Stretch, VoiceActivityDetector

LEAST_OFFSET = 0.01
"""A constant offset (DC) of the samples, of 1, from which on it is taken out."""
_LATEST_PART = 0.25
"""A section may end in its last quarter."""


@dataclass(frozen=True)
class Section:
    """A part of a recording that ends in a pause, or with the recording."""

    start: float
    """Seconds into the recording."""
    end: float
    heard: np.ndarray
    """[T_samples] at ``VAD_RATE``, at one loudness."""
    stretches: tuple[Stretch, ...]
    """Its speech, in seconds from its own start."""
    offset: float
    """Mean of its samples as they are in the file."""
    ends_in_speech: bool
    """Whether there was no pause to end in."""


def hear(file: WaveformFile, detector: VoiceActivityDetector, lufs: float, seconds: float) -> Iterator[Section]:
    """Yields the sections of an open file in order, none longer than ``seconds``; together they are all of it.

    Raises:
        SovitsError: the file is damaged or cut short.
    """
    at = 0
    while at < file.frames:
        file.seek(at)
        samples = file.read(round(seconds * file.sample_rate))
        offset = float(samples.mean())
        heard = normalize_loudness(resample(without_offset(samples, offset), file.sample_rate, VAD_RATE), VAD_RATE, lufs)
        stretches = detector(heard)
        length, in_speech = len(samples), False
        if at + length < file.frames:
            pause = _longest_pause(stretches, (1 - _LATEST_PART) * seconds, seconds)
            in_speech = pause is None
            if pause is not None:
                length = round(pause * file.sample_rate)
        end = length / file.sample_rate
        inside = tuple(stretch for stretch in stretches if stretch.start < end)
        start = at / file.sample_rate
        yield Section(start, start + end, heard[: round(end * VAD_RATE)], inside, offset, in_speech)
        at += length


def without_offset(samples: np.ndarray, offset: float) -> np.ndarray:
    """The samples less a constant offset, where that is more than the noise of a good converter."""
    return samples - np.float32(offset) if abs(offset) >= LEAST_OFFSET else samples


def _longest_pause(stretches: list[Stretch], earliest: float, latest: float) -> float | None:
    """The middle of the longest pause between two times (s); ``None`` where speech goes through from one to the other."""
    edges = [earliest, *(edge for stretch in stretches for edge in (stretch.start, stretch.end)), latest]
    pauses = [(max(a, earliest), min(b, latest)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    pauses = [(end - start, (start + end) / 2) for start, end in pauses if end > start]
    return max(pauses)[1] if pauses else None
