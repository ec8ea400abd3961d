"""Text as spoken, with the time of every word and phone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sovits.text.encoding import EncodedText


class Timed(NamedTuple):
    """A word, phone or sentence and when it is said, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """One sentence as spoken."""

    samples: np.ndarray
    """[T_samples] float32 in [-1, 1]."""
    sample_rate: int
    text: EncodedText
    durations: np.ndarray
    """[T_text] int64 frames of every phone."""
    written: str
    """The text as it was asked for; ``text.text`` is what was read of it."""

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.samples) / self.sample_rate

    @property
    def phones(self) -> list[Timed]:
        """Every phone, silence at the edges too."""
        edges = self._edges()
        return [Timed(symbol, edges[at], edges[at + 1]) for at, symbol in enumerate(self.text.symbols)]

    @property
    def words(self) -> list[Timed]:
        """Every word as it stands in the normalised text."""
        edges = self._edges()
        return [Timed(word.text, edges[word.first], edges[word.end]) for word in self.text.words]

    def _edges(self) -> list[float]:
        """[T_text + 1] s: where each phone begins, and where the last ends."""
        frames = np.concatenate([[0], np.cumsum(self.durations)])
        return (frames * (self.seconds / frames[-1])).tolist()


@dataclass(frozen=True)
class Passage:
    """Sentences one after another.

    Args:
        sentences: at least one.
        pause: seconds of silence between them.
    """

    sentences: tuple[Speech, ...]
    pause: float = 0.0

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.sentences[0].sample_rate

    @cached_property
    def samples(self) -> np.ndarray:
        """[T_samples] float32."""
        silence = np.zeros(self._pause_samples, dtype=np.float32)
        return np.concatenate([part for speech in self.sentences for part in (silence, speech.samples)][1:])

    @property
    def seconds(self) -> float:
        """Length of the audio, pauses too."""
        return len(self.samples) / self.sample_rate

    @property
    def timed_sentences(self) -> list[Timed]:
        """Every sentence as it was asked for, from its first sample to its last."""
        return [Timed(speech.written, start, start + speech.seconds) for start, speech in self._placed()]

    @property
    def words(self) -> list[Timed]:
        """Those of all sentences."""
        return [later for start, speech in self._placed() for later in _later(speech.words, start)]

    @property
    def phones(self) -> list[Timed]:
        """Those of all sentences."""
        return [later for start, speech in self._placed() for later in _later(speech.phones, start)]

    @property
    def _pause_samples(self) -> int:
        return round(self.pause * self.sample_rate)

    def _placed(self) -> Iterator[tuple[float, Speech]]:
        """Each sentence and the second that it begins at."""
        first = 0
        for speech in self.sentences:
            yield first / self.sample_rate, speech
            first += len(speech.samples) + self._pause_samples


def _later(times: Sequence[Timed], seconds: float) -> list[Timed]:
    return [Timed(text, start + seconds, end + seconds) for text, start, end in times]
