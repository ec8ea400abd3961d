"""Faults that are planted are found, and a second try is taken where it is better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from sovits.data.espeak import Espeak, open_espeak
from sovits.hearing import EnglishRecognizer
from sovits.text.encoding import EncodedText, SpokenSpan
from sovits.text.symbols import LANGUAGE_IDS
from sovits.voice import Request, Speech
from sovits.voice.self_check import SelfCheck, speak_checked

WORDS = ["The", "garage", "on", "Oak", "Street", "closes", "early", "on", "Thursdays"]
REQUEST = Request(" ".join(WORDS) + ".", "ana")


@pytest.fixture(scope="module")
def espeak() -> Iterator[Espeak]:
    with open_espeak() as opened:
        yield opened


@pytest.fixture(scope="module")
def check() -> SelfCheck:
    return SelfCheck(EnglishRecognizer())


def speech_of(samples: np.ndarray, rate: int, words: Sequence[str] = WORDS, language: str = "en", frames: int | None = None) -> Speech:
    """A phone for each letter, all equally long but the first, which may have ``frames`` of a hundredth of a second more."""
    letters = [letter for word in words for letter in word]
    places = np.cumsum([0, *map(len, words)]).tolist()
    zeros = [0] * len(letters)
    spans = tuple(SpokenSpan(word, first, end) for word, first, end in zip(words, places, places[1:], strict=False))
    text = EncodedText(" ".join(words), letters, zeros, zeros, [LANGUAGE_IDS[language]] * len(letters), [0], zeros, spans)
    durations = np.full(len(letters), max(1, round(100 * len(samples) / rate / len(letters))))
    durations[0] += frames or 0
    return Speech(samples, rate, text, durations, " ".join(words))


def test_good_speech_has_no_faults(check: SelfCheck, espeak: Espeak) -> None:
    samples = espeak.speak(REQUEST.text, "en-us+f5", rate=150).samples
    verdict = check(REQUEST, speech_of(samples, espeak.sample_rate))
    assert (verdict.faults, verdict.heard, verdict.seed) == ((), True, 0)
    assert verdict.confidence > 0.8


def test_a_word_left_out_is_found_where_it_should_be(check: SelfCheck, espeak: Espeak) -> None:
    spoken = espeak.speak(" ".join(word for word in WORDS if word != "Street"), "en-us+f5", rate=150)
    speech = speech_of(spoken.samples, espeak.sample_rate)
    verdict = check(REQUEST, speech)
    assert [(fault.kind, fault.text) for fault in verdict.faults] == [("skipped", "street")]
    assert verdict.faults[0].start == speech.words[4].start
    assert str(verdict).startswith("skipped 'street' at")
    assert verdict.confidence == verdict.faults[0].confidence > 0.8


def test_a_word_said_twice(check: SelfCheck, espeak: Espeak) -> None:
    spoken = espeak.speak("The garage garage on Oak Street closes early on Thursdays", "en-us+f5", rate=150)
    (fault,) = check(REQUEST, speech_of(spoken.samples, espeak.sample_rate)).faults
    assert (fault.kind, fault.text) == ("repeated", "garage")
    assert 0 < fault.start < fault.end < len(spoken.samples) / espeak.sample_rate


def test_durations_out_of_all_proportion(check: SelfCheck) -> None:
    samples = np.zeros(32000, np.float32)
    slow, fast = speech_of(samples, 16000, ["你", "好"], "zh", frames=900), speech_of(samples[:4000], 16000, ["你好吗"] * 4, "zh")
    (fault,) = check(Request("你好", "ana"), slow).faults
    assert (fault.kind, fault.text, fault.start) == ("drawn out", "你", 0.0)
    assert fault.confidence > 0.8
    (rushed,) = check(Request("你好", "ana"), fast).faults
    assert rushed.kind == "rushed"
    # What was asked for is no fault.
    assert check(Request("你好", "ana", speed=0.25), slow).faults == ()
    assert check(Request("你好", "ana", speed=4.0), fast).faults == ()
    even = check(Request("你好", "ana"), speech_of(samples, 16000, ["你们好吗"], "zh"))
    assert (even.faults, even.heard, even.confidence) == ((), False, 1.0)


def test_a_second_try_is_taken_if_it_is_better(check: SelfCheck) -> None:
    bad, good = (speech_of(np.zeros(32000, np.float32), 16000, ["你们好吗"], "zh", frames=frames) for frames in (900, 0))
    for speeches, seed, seeds in (((good, bad), 0, [0]), ((bad, good), 1, [0, 1]), ((bad, bad), 0, [0, 1])):
        asked: list[int] = []

        def speak(request: Request, own: Sequence[Speech] = speeches, asked: list[int] = asked) -> Speech:
            asked.append(request.seed)
            return own[request.seed]

        speech, verdict = speak_checked(speak, Request("你好", "ana"), check)
        assert asked == seeds
        assert verdict.seed == seed
        assert speech is speeches[seed]
        assert bool(verdict.faults) == (speech is bad)
