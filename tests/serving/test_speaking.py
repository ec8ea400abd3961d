"""Batches across speakers, mistakes that stay with whoever made them, and a memory with a bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.serving.speaking import Speaking, Spoken
from sovits.text.encoding import EncodedText
from sovits.voice import Request, Speech, Voice
from sovits.voice.self_check import Fault, Verdict


def asked(voice: Voice, text: str, speaker: str = "ana", **changes: Any) -> Request:
    return Request(text, voice.bank[speaker], **changes)


def test_a_batch_says_what_each_would_say_alone(voice: Voice) -> None:
    requests = [asked(voice, "hello"), asked(voice, "Hello，欢迎", "bo", seed=3), asked(voice, "good morning to you", seed=9, speed=2.0)]
    together = Speaking(voice, None, 0)(requests)
    for request, spoken in zip(requests, together, strict=True):
        assert isinstance(spoken, Spoken)
        np.testing.assert_allclose(spoken.speech.samples, voice.speak_all([request])[0].samples, atol=1e-4)


def test_one_that_cannot_be_said_does_not_touch_the_others(voice: Voice) -> None:
    good, bad, worse = asked(voice, "hello"), asked(voice, "Привет"), Request("hello", np.ones(3))
    told = Speaking(voice, None, 0)([bad, good, worse])
    assert isinstance(told[0], SovitsError)
    assert "script" in str(told[0])
    assert isinstance(told[1], Spoken)
    assert isinstance(told[2], SovitsError)
    assert np.array_equal(told[1].speech.samples, voice.speak_all([good])[0].samples)


def test_what_was_said_is_remembered_up_to_a_bound(voice: Voice) -> None:
    first, second = asked(voice, "hello"), asked(voice, "hello", seed=1)
    size = voice.speak_all([first])[0].samples.nbytes
    speaking = Speaking(voice, None, round(1.5 * size))
    assert speaking.remembered(first) is None
    (spoken,) = speaking([first])
    assert speaking.remembered(first) is spoken
    assert speaking.remembered(asked(voice, "hello", "bo")) is None
    for changed in (second, asked(voice, "hello", speed=1.1), asked(voice, "hello", noise_scale=0.0), asked(voice, "hello", language="en")):
        assert speaking.remembered(changed) is None
    # The same name may be another voice by now.
    assert speaking.remembered(Request("hello", -voice.bank["ana"])) is None
    speaking([second])
    assert speaking.remembered(first) is None
    assert speaking.remembered(second) is not None
    nothing = Speaking(voice, None, 0)
    nothing([first])
    assert nothing.remembered(first) is None
    with pytest.raises(SovitsError, match="cache_megabytes=-1"):
        Speaking(voice, None, -1_000_000)


class Listening:
    """Finds a fault in every speech of an even seed."""

    def __call__(self, request: Request, speech: Speech) -> Verdict:
        faults = (Fault("skipped", "hello", 0.0, 0.1, 0.9),) if request.seed % 2 == 0 else ()
        return Verdict(faults, True, 0.9, request.seed)


def test_a_second_try(voice: Voice) -> None:
    checking: Any = Listening()
    even, odd = Speaking(voice, checking, 10**6)([asked(voice, "hello", seed=2), asked(voice, "hello", seed=5)])
    assert isinstance(even, Spoken)
    assert isinstance(odd, Spoken)
    assert (even.verdict and even.verdict.seed, odd.verdict and odd.verdict.seed) == (3, 5)
    assert np.array_equal(even.speech.samples, voice.speak_all([asked(voice, "hello", seed=3)])[0].samples)


def test_the_length_of_a_request_is_that_of_its_phones(voice: Voice) -> None:
    speaking = Speaking(voice, None, 0)
    phones = len(voice.front_end("good morning to you", None).phones)
    assert speaking.length(asked(voice, "good morning to you")) == phones
    assert speaking.length(asked(voice, "good morning to you", speed=2.0)) == phones / 2
    with pytest.raises(SovitsError, match="script"):
        speaking.length(asked(voice, "Привет"))


def test_a_text_is_read_once(voice: Voice) -> None:
    read: list[str] = []

    def front_end(text: str, language: str | None) -> EncodedText:
        read.append(text)
        return voice.front_end(text, language)

    speaking = Speaking(Voice(voice.engine, front_end, voice.bank), None, 0)
    request = asked(voice, "hello")
    speaking.require_readable(request)
    speaking.length(request)
    (spoken,) = speaking([request])
    assert isinstance(spoken, Spoken)
    assert read == ["hello"]
    # The same text in another language is another reading.
    speaking.require_readable(asked(voice, "hello", language="en"))
    assert read == ["hello", "hello"]


def test_frames_at_a_time_change_nothing_that_is_heard(voice: Voice) -> None:
    requests = [
        asked(voice, "hello"),
        asked(voice, "Hello，欢迎", "bo", seed=3),
        asked(voice, "Привет"),
        asked(voice, "good morning", seed=9),
    ]
    told = Speaking(voice, None, 0, frames=20)(requests)
    assert isinstance(told.pop(2), SovitsError)
    for request, spoken in zip([*requests[:2], requests[3]], told, strict=True):
        assert isinstance(spoken, Spoken)
        np.testing.assert_allclose(spoken.speech.samples, voice.speak_all([request])[0].samples, atol=1e-4)


def test_what_cannot_be_read_is_told_before_it_waits(voice: Voice) -> None:
    with pytest.raises(SovitsError, match="script"):
        Speaking(voice, None, 0).require_readable(asked(voice, "Привет"))
    Speaking(voice, None, 0).require_readable(asked(voice, "hello"))
