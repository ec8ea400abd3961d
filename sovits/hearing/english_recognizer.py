"""pocketsphinx: how well a sound fits given English words, with the acoustic model inside its wheel."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sovits.errors import SovitsError
from sovits.hearing.clips import as_samples, is_silent
from sovits.text.language import ENGLISH, ENGLISH_WORD, fold_letters
from sovits.text.normalization import normalize

SAMPLE_RATE = 16000
"""Hz that the acoustic model hears."""
FRAMES_PER_SECOND = 100
SHORTEST_SECONDS = 0.2
"""Shorter sounds hold no word."""
_SCALE = 1024.0
"""pocketsphinx keeps acoustic scores divided by two to the ten."""
_WORD = re.compile(ENGLISH_WORD)
_GRAMMAR = "words"
_LETTERS = {
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH",
    "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T",
    "u": "AH", "v": "V", "w": "W", "x": "K", "y": "Y", "z": "Z",
}  # fmt: skip
"""A phone for each letter, where nothing better is known."""


@dataclass(frozen=True)
class Arc:
    """A step of a grammar: from one state to another by a word, or by none."""

    start: int
    end: int
    word: str | None
    log_probability: float = 0.0
    """Nats."""


@dataclass(frozen=True)
class HeardWord:
    """A word of the best path."""

    text: str
    start: float
    """s."""
    end: float
    """s."""
    fit: float
    """Log-likelihood of its frames less that of the best sound in each, nats in all; at most 0."""


@dataclass(frozen=True)
class Hearing:
    """The best way to hear a sound as a grammar allows."""

    words: tuple[HeardWord, ...]
    """Without pauses and noises."""
    fit: float
    """As :attr:`HeardWord.fit`, of all frames, pauses too."""
    prior: float
    """Log-probability of the path in the grammar."""
    frames: int
    """100 a second."""

    @property
    def score(self) -> float:
        """What the best path is the best in, nats."""
        return self.fit + self.prior


class EnglishRecognizer:
    """pocketsphinx with its US English model and dictionary (125 000 words), both inside its wheel.

    Scores are those of all states of the model less the best of them, frame by frame, so that they can be compared between texts.

    Args:
        downsample: every so many frames the Gaussians are evaluated; 2 takes two thirds of the time of 1.

    Raises:
        SovitsError: pocketsphinx is not installed.
    """

    def __init__(self, downsample: int = 2) -> None:
        try:
            import pocketsphinx  # noqa: F401
        except ImportError as error:
            raise SovitsError("pocketsphinx is not installed; `pip install pocketsphinx`, or leave out the judges that need it.") from error
        self.downsample = downsample
        self._loaded: Any = None
        self._guesses: set[str] = set()

    @property
    def settings(self) -> dict[str, Any]:
        """What its scores depend on, beside sound and words."""
        from importlib.metadata import version

        return {"recognizer": "pocketsphinx", "version": version("pocketsphinx"), "downsample": self.downsample}

    def __getstate__(self) -> dict[str, Any]:
        # The decoder is a C object: copies load their own.
        return {**self.__dict__, "_loaded": None, "_guesses": set()}

    @property
    def _decoder(self) -> Any:
        if self._loaded is None:
            from pocketsphinx import Decoder

            unpruned = {"beam": 0.0, "wbeam": 0.0, "pbeam": 0.0, "maxhmmpf": -1}
            self._loaded = Decoder(
                samprate=SAMPLE_RATE, lm=None, bestpath=False, compallsen=True, ds=self.downsample, lw=1.0, loglevel="FATAL", **unpruned
            )
        return self._loaded

    def words(self, text: str) -> list[str]:
        """The words of ``text`` as read aloud, in order.

        A word that the dictionary lacks is pronounced like the dictionary's words that it is made of (``wood`` and ``cutters``; the
        fewest), and letters between them by a phone each: a guess, but nearer than no word. No words where nothing can be spoken.
        """
        try:
            spoken = normalize(text, ENGLISH)
        except SovitsError:
            return []
        words = _WORD.findall(fold_letters(spoken).lower().replace("’", "'"))
        for word in words:
            if self._decoder.lookup_word(word) is None:
                self._decoder.add_word(word, self._guessed(word.replace("'", "")))
                self._guesses.add(word)
        return words

    def phones(self, word: str) -> int:
        """How many phones ``word``, one of the dictionary or of :meth:`words`, has."""
        return len((self._decoder.lookup_word(word) or "").split())

    def _guessed(self, word: str) -> str:
        """Phones of the fewest pieces, words of the dictionary of two letters or more and single letters, that ``word`` is made of."""
        best: list[list[str]] = [[]]
        for end in range(1, len(word) + 1):
            ways = [[*best[end - 1], _LETTERS[word[end - 1]]]]
            for start in range(end - 1):
                piece = word[start:end]
                # What was guessed before must not matter: a word is to sound the same in every run and on every rank.
                if piece not in self._guesses and (said := self._decoder.lookup_word(piece)) is not None:
                    ways.append([*best[start], said])
            best.append(min(ways, key=len))
        return " ".join(best[-1])

    def hear(self, samples: np.ndarray, sample_rate: int, arcs: Sequence[Arc], final: int, beam: float = 0.0) -> Hearing | None:
        """Hears [T_samples] along the best path from state 0 to ``final``.

        Args:
            samples: [T_samples] in [-1, 1].
            sample_rate: Hz of ``samples``.
            arcs: the grammar; their words must be of the dictionary or of :meth:`words`.
            final: the state in which the sound ends.
            beam: how much less likely than the best one a path may be at any moment before it is given up; 0: any.

        Returns:
            None for silence, and where no path fits in so short a sound.
        """
        clip = as_samples(samples, sample_rate, SAMPLE_RATE)
        if is_silent(clip) or clip.size < SHORTEST_SECONDS * SAMPLE_RATE:
            return None
        decoder = self._decoder
        for name in ("beam", "wbeam", "pbeam"):
            decoder.config[name] = beam
        transitions = [(arc.start, arc.end, math.exp(arc.log_probability), *([arc.word] if arc.word else [])) for arc in arcs]
        decoder.add_fsg(_GRAMMAR, decoder.create_fsg(_GRAMMAR, 0, final, transitions))
        decoder.activate_search(_GRAMMAR)
        # Forgets the noise of the clip before.
        decoder.start_stream()
        decoder.start_utt()
        # Whole, so that the mean of the cepstra is this clip's own and not the last one's.
        decoder.process_raw(np.round(clip * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        # A path without words has no hypothesis, but it has segments.
        segments = list(decoder.seg() or ())
        return _hearing(segments, decoder.n_frames()) if segments else None


def plain_arcs(words: Sequence[str]) -> list[Arc]:
    """A grammar of one sentence: each word once, in order; its final state is the number of words."""
    return [Arc(index, index + 1, word) for index, word in enumerate(words)]


def _hearing(segments: Sequence[Any], frames: int) -> Hearing:
    words, fit, prior = [], 0.0, 0.0
    for segment in segments:
        nats = _nats(segment.ascore)
        fit += nats
        prior += _nats(segment.lscore)
        if segment.word[0] not in "<[+(":
            start, end = segment.start_frame / FRAMES_PER_SECOND, (segment.end_frame + 1) / FRAMES_PER_SECOND
            words.append(HeardWord(segment.word.partition("(")[0], start, end, nats))
    return Hearing(tuple(words), fit, prior, frames)


def _nats(score: float) -> float:
    return _SCALE * math.log(score)
