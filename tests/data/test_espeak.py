from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from sovits.data.espeak import Espeak, open_espeak
from sovits.errors import SovitsError


@pytest.fixture(scope="module")
def espeak() -> Iterator[Espeak]:
    with open_espeak() as espeak:
        yield espeak


def loudness(samples: np.ndarray, sample_rate: int, start: float, end: float) -> float:
    """Greatest amplitude of the inner part of a stretch."""
    inner = samples[round((start + 0.02) * sample_rate) : round((end - 0.02) * sample_rate)]
    return float(np.abs(inner).max())


def fundamental(samples: np.ndarray, sample_rate: int) -> float:
    """Hz; by the peak of the autocorrelation of the middle, between 50 and 400 Hz."""
    middle = samples[len(samples) // 3 : 2 * len(samples) // 3]
    correlation = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    shortest, longest = sample_rate // 400, sample_rate // 50
    return sample_rate / (shortest + int(np.argmax(correlation[shortest:longest])))


def test_words_follow_each_other_and_pauses_lie_between_them(espeak: Espeak) -> None:
    speech = espeak.speak("Paint my chair, please. Then close a door.", "en-us+f5", rate=140)
    seconds = len(speech.samples) / espeak.sample_rate
    assert speech.samples.dtype == np.float32
    assert [word.text for word in speech.words] == ["Paint", "my", "chair,", "please.", "Then", "close", "a", "door."]
    assert speech.words[0].start == 0
    assert seconds - 0.1 < speech.words[-1].end < seconds
    gaps = [after.start - word.end for word, after in zip(speech.words, speech.words[1:], strict=False)]
    assert [round(gap, 2) > 0 for gap in gaps] == [False, False, True, True, False, False, False]
    assert gaps[3] > gaps[2] > 0.1
    for word, after in ((speech.words[2], speech.words[3]), (speech.words[3], speech.words[4])):
        assert loudness(speech.samples, espeak.sample_rate, word.end, after.start) < 0.01
        assert loudness(speech.samples, espeak.sample_rate, word.start, word.end) > 0.1


def test_cut_off_silence_moves_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_espeak() as espeak:
        whole = espeak.speak("Fish swim.", "en+m3")
    monkeypatch.setattr("sovits.data.espeak._SILENCE", 0.1)
    with open_espeak() as espeak:
        cut = espeak.speak("Fish swim.", "en+m3")
    # The beginning is the first loud sample of the whole: by so much the second word comes earlier.
    missing = int(np.flatnonzero(np.abs(whole.samples) > 0.1)[0]) / espeak.sample_rate
    assert missing > 0.01
    assert cut.words[0].start == 0
    assert cut.words[1].start == pytest.approx(whole.words[1].start - missing, abs=1e-9)
    assert cut.words[1].end == pytest.approx(len(cut.samples) / espeak.sample_rate)  # cut within the word


def test_what_is_spoken_as_one_is_one_word(espeak: Espeak) -> None:
    assert [word.text for word in espeak.speak("Sit in the box.", "en-us").words] == ["Sit", "in the", "box."]
    assert "".join(word.text for word in espeak.speak("你好，世界。", "cmn").words) == "你好，世界。"


def test_speed_and_pitch_are_heard(espeak: Espeak) -> None:
    slow, fast = (len(espeak.speak("A white horse runs.", "en", rate=rate).samples) for rate in (100, 200))
    assert slow > 1.5 * fast
    low, high = (fundamental(espeak.speak("Ah.", "en", pitch=pitch).samples, espeak.sample_rate) for pitch in (10, 90))
    assert 50 < low < 90
    assert 1.5 * low < high < 300


def test_a_new_library_speaks_as_if_it_were_the_first() -> None:
    with open_espeak() as first, open_espeak() as second:
        first.speak("Something else entirely.", "en+croak", rate=90)
        assert np.array_equal(second.speak("The same.", "en+m3").samples, speak_alone("The same.", "en+m3"))


def speak_alone(text: str, voice: str) -> np.ndarray:
    with open_espeak() as espeak:
        return espeak.speak(text, voice).samples


def test_what_cannot_be_spoken_is_named(espeak: Espeak) -> None:
    with pytest.raises(SovitsError, match="no voice xx"):
        espeak.speak("Hello.", "xx")
    with pytest.raises(SovitsError, match=r"no sound of '  ' in the voice en; give it words"):
        espeak.speak("  ", "en")


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SovitsError, match=r'espeak-ng is not installed; `pip install "sovits\[espeak\]"`'), open_espeak():
        pass


def test_damaged_data_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Damaged:
        def espeak_Initialize(self, *_arguments: object) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda _path: Damaged())
    with pytest.raises(SovitsError, match="could not read its data at .*; reinstall espeakng-loader"), open_espeak():
        pass
