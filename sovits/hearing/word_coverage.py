"""Words of the text that are not said, or said more than once: what alignments that lose their way do."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sovits.hearing.english_recognizer import Arc, EnglishRecognizer, HeardWord, plain_arcs

LONGEST_SKIP = 6
"""Words left out at once; more only at the end."""
LONGEST_REPEAT = 4
"""Words said again at once."""
EVIDENCE = 70.0
"""Nats by which a sound must fit better without a word (or with it twice) before that is believed: a clear word is worth 60-400, and
frames are less independent than the acoustic model takes them to be."""
_FURTHER = math.log(2.0)
"""Nats for each further word of one skip or repeat."""
_BEAM = 1e-150
"""Of the second alignment, which has a way out of every dead end; it takes a fifth of the time, with the same results."""
_DOUBT = 25.0
"""Nats of evidence that make a verdict e times as likely as its opposite."""


@dataclass(frozen=True)
class CoveredWord:
    """A word of the text, and when it is said."""

    text: str
    said: tuple[HeardWord, ...]
    """None of them: skipped; several: repeated."""


@dataclass(frozen=True)
class Coverage:
    """How a sound covers its text."""

    words: tuple[CoveredWord, ...]
    confidence: float
    """0.5 (a toss-up) to 1: that there are skipped or repeated words where some were found, and none where none were."""

    @property
    def skipped(self) -> list[CoveredWord]:
        """Words that are not said."""
        return [word for word in self.words if not word.said]

    @property
    def repeated(self) -> list[CoveredWord]:
        """Words that are said more than once."""
        return [word for word in self.words if len(word.said) > 1]


def find_coverage(recognizer: EnglishRecognizer, samples: np.ndarray, sample_rate: int, text: str) -> Coverage | None:
    """Which words of an English text are skipped or repeated in [T_samples].

    The sound is aligned twice: with the text as it stands, and with the text with at least one skip or repeat, which must fit better
    by :data:`EVIDENCE` for each. What a word turned into when it is not said right is not looked at: it passes as the word
    while it fits better than a pause. In silence, and in sounds too short for a word, every word is skipped.

    Returns:
        None where the text has no English word.
    """
    words = recognizer.words(text)
    if not words:
        return None
    straight = _Way(plain_arcs(words), len(words), 0.0)
    wandering = _Way(_deviating_arcs(words), 2 * len(words) + 1, _BEAM)
    ways = []
    for way in (straight, wandering):
        heard = recognizer.hear(samples, sample_rate, way.arcs, way.final, way.beam)
        # The recognizer also tells of a path that was broken off before its end, as in sounds that are no speech.
        if heard is not None and (steps := way.steps(heard.words)) is not None:
            ways.append((heard.score, steps))
    if not ways:
        return _covered(words, [], 1.0)
    _, best = max(ways, key=lambda way: way[0])
    # With one way only, the sound is too short for the whole text.
    lead = abs(ways[0][0] - ways[1][0]) if len(ways) == 2 else math.inf
    return _covered(words, best, 1.0 / (1.0 + math.exp(-lead / _DOUBT)))


@dataclass(frozen=True)
class _Step:
    """A word heard at a place of the text."""

    position: int
    word: HeardWord


@dataclass(frozen=True)
class _Way:
    """A grammar over ``n`` words whose states, modulo ``n + 1``, count the words that are behind."""

    arcs: list[Arc]
    final: int
    beam: float

    def steps(self, heard: Sequence[HeardWord]) -> list[_Step] | None:
        """Where in the text each heard word belongs: the likeliest path that says just these words; None where none ends with them."""
        leaving: dict[tuple[int, str | None], list[Arc]] = defaultdict(list)
        for arc in self.arcs:
            leaving[arc.start, arc.word].append(arc)
        paths: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
        for word in heard:
            further: dict[int, tuple[float, list[int]]] = {}
            for state, (prior, path) in paths.items():
                for arc in leaving[state, word.text]:
                    reached = prior + arc.log_probability
                    if arc.end not in further or reached > further[arc.end][0]:
                        further[arc.end] = (reached, [*path, arc.end])
            paths = further
        endings = [(prior, path) for state, (prior, path) in paths.items() if state == self.final]
        for state, (prior, path) in paths.items():
            endings += [(prior + arc.log_probability, path) for arc in leaving[state, None] if arc.end == self.final]
        if not endings:
            return None
        _, best = max(endings)
        return [_Step(state, word) for state, word in zip(best, heard, strict=True)]


def _deviating_arcs(words: Sequence[str]) -> list[Arc]:
    """A grammar of the words with at least one skip or repeat: states up to ``n`` before the first, those from ``n + 1`` on after it."""
    n = len(words)
    arcs = []
    for layer in (0, n + 1):
        for behind in range(n + 1):
            for after in range(max(1, behind + 1 - LONGEST_REPEAT), min(n, behind + 1 + LONGEST_SKIP) + 1):
                jump = abs(after - behind - 1)
                end = after + (layer if not jump else n + 1)
                arcs.append(Arc(layer + behind, end, words[after - 1], _log_probability(jump)))
            if behind < n:
                arcs.append(Arc(layer + behind, 2 * n + 1, None, _log_probability(n - behind)))
    return arcs


def _log_probability(jump: int) -> float:
    """Of passing over so many words, forwards or backwards."""
    return -(EVIDENCE + _FURTHER * (jump - 1)) if jump else 0.0


def _covered(words: Sequence[str], steps: Sequence[_Step], confidence: float) -> Coverage:
    said: dict[int, list[HeardWord]] = defaultdict(list)
    for step in steps:
        said[(step.position - 1) % (len(words) + 1)].append(step.word)
    return Coverage(tuple(CoveredWord(word, tuple(said[index])) for index, word in enumerate(words)), confidence)
