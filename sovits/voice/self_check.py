"""Speech that hears itself: words left out or said twice, phones that never end; and a second try."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sovits.hearing import EnglishRecognizer, find_coverage
from sovits.text.language import ENGLISH
from sovits.text.symbols import LANGUAGE_IDS
from sovits.voice.request import Request
from sovits.voice.speech import Speech, Timed

LONGEST_SOUND = 0.7
"""Seconds of a phone at speed 1: a drawn-out vowel at the end of a read sentence has half of it."""
LONGEST_PAUSE = 1.5
"""Seconds of a silence inside one sentence at speed 1."""
MOST_PHONES_A_SECOND = 30.0
"""Of words at speed 1: the fastest speakers say 20."""

MOST_TOLD = 4
"""Faults that are told one by one."""

SKIPPED, REPEATED, DRAWN_OUT, RUSHED = "skipped", "repeated", "drawn out", "rushed"


@dataclass(frozen=True)
class Fault:
    """One thing that went wrong."""

    kind: str
    """``skipped`` or ``repeated`` (a word), ``drawn out`` (a phone), ``rushed`` (the sentence)."""
    text: str
    """The word, phone or sentence."""
    start: float
    """Seconds; of a skipped word, where it should have been."""
    end: float
    confidence: float
    """0.5 to 1 that it is one."""

    def __str__(self) -> str:
        return f"{self.kind} {self.text!r} at {self.start:.2f} s (confidence {self.confidence:.2f})"


@dataclass(frozen=True)
class Verdict:
    """What was found in one sentence."""

    faults: tuple[Fault, ...]
    heard: bool
    """Whether its words were listened to: only English ones can be; durations are looked at in every language."""
    confidence: float
    """0.5 to 1: that all faults are ones, or, where there are none, that there are none; 1 where only durations, which are known, were
    looked at."""
    seed: int
    """Of the speech it is about."""

    def __str__(self) -> str:
        if not self.faults:
            return f"nothing wrong found (confidence {self.confidence:.2f})" if self.heard else "no phone lasts too long"
        more = f"; and {len(self.faults) - MOST_TOLD} more" if len(self.faults) > MOST_TOLD else ""
        return "; ".join(map(str, self.faults[:MOST_TOLD])) + more


class SelfCheck:
    """Finds what went wrong in a sentence that a model said.

    Args:
        recognizer: listens; one may be shared.
    """

    def __init__(self, recognizer: EnglishRecognizer) -> None:
        self.recognizer = recognizer

    def __call__(self, request: Request, speech: Speech) -> Verdict:
        """What is wrong with ``speech``, which answers ``request``.

        The words of sentences that hold English alone are aligned (:func:`~sovits.metrics.find_coverage`). Durations are compared with
        what people do, slower or faster by the speed that was asked for.
        """
        faults = list(_of_durations(speech, request.speed))
        heard = _is_english(speech)
        coverage = find_coverage(self.recognizer, speech.samples, speech.sample_rate, speech.text.text) if heard else None
        if coverage is None:
            return Verdict(tuple(faults), False, _least(faults), request.seed)
        times = speech.words if len(speech.words) == len(coverage.words) else [Timed("", 0.0, speech.seconds)] * len(coverage.words)
        for word, (_, start, end) in zip(coverage.words, times, strict=True):
            if not word.said:
                faults.append(Fault(SKIPPED, word.text, start, end, coverage.confidence))
            elif len(word.said) > 1:
                faults.append(Fault(REPEATED, word.text, word.said[0].start, word.said[-1].end, coverage.confidence))
        return Verdict(tuple(faults), True, _least(faults) if faults else coverage.confidence, request.seed)


Check = Callable[[Request, Speech], Verdict]


def speak_checked(speak: Callable[[Request], Speech], request: Request, check: Check) -> tuple[Speech, Verdict]:
    """One sentence, said once more if something is wrong with it: see :func:`second_try`."""
    return second_try(speak, request, speak(request), check)


def second_try(speak: Callable[[Request], Speech], request: Request, speech: Speech, check: Check) -> tuple[Speech, Verdict]:
    """``speech``, which answers ``request``, or what is said with the next seed, if it has fewer faults; the first of equals."""
    verdict = check(request, speech)
    if not verdict.faults:
        return speech, verdict
    second = replace(request, seed=request.seed + 1)
    other = speak(second)
    own = check(second, other)
    return (other, own) if len(own.faults) < len(verdict.faults) else (speech, verdict)


def _of_durations(speech: Speech, speed: float) -> Iterator[Fault]:
    sounding = {place for word in speech.text.words for place in range(word.first, word.end)}
    for place, phone in enumerate(speech.phones):
        excess = (phone.end - phone.start) * speed / (LONGEST_SOUND if place in sounding else LONGEST_PAUSE)
        if excess > 1:
            yield Fault(DRAWN_OUT, phone.text, phone.start, phone.end, _sure(excess))
    spoken = sum(word.end - word.start for word in speech.words) * speed
    if spoken and (excess := len(sounding) / spoken / MOST_PHONES_A_SECOND) > 1:
        yield Fault(RUSHED, speech.text.text, 0.0, speech.seconds, _sure(excess))


def _sure(excess: float) -> float:
    """0.5 at the limit, 0.82 at twice of it: a rule for sorting faults, which nobody measured."""
    return 1 - 0.5 * math.exp(1 - excess)


def _least(faults: list[Fault]) -> float:
    return min((fault.confidence for fault in faults), default=1.0)


def _is_english(speech: Speech) -> bool:
    text = speech.text
    return {text.languages[word.first] for word in text.words} == {LANGUAGE_IDS[ENGLISH]}
