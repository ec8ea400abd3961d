"""The recognizer, and the judges that listen through it, on espeak-ng's speech with words cut out, doubled or exchanged."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sovits.audio.waveform import read_waveform
from sovits.data.espeak import Espeak, Speech, open_espeak
from sovits.errors import SovitsError
from sovits.hearing import EnglishRecognizer, find_coverage
from sovits.hearing.english_recognizer import HeardWord, plain_arcs
from sovits.hearing.word_coverage import _Way
from sovits.metrics import Intelligibility, WordCoverage
from sovits.metrics.intelligibility import other_texts
from tests.readings import reading
from tests.sounds import noise

RATE = 16000
TEXT = "The garage on Oak Street closes early on Thursdays."
OTHER = "Both parcels left the warehouse before noon."


@pytest.fixture(scope="module")
def recognizer() -> EnglishRecognizer:
    return EnglishRecognizer()


@pytest.fixture(scope="module")
def espeak() -> Iterator[Espeak]:
    pytest.importorskip("espeakng_loader")
    with open_espeak() as espeak:
        yield espeak


@pytest.fixture(scope="module")
def speech(espeak: Espeak) -> Speech:
    return espeak.speak(TEXT, "en-us+f5", rate=150)


def span(speech: Speech, word: str, rate: int) -> slice:
    event = next(event for event in speech.words if event.text == word)
    return slice(round(event.start * rate), round(event.end * rate))


def texts(words: object) -> list[str]:
    return [word.text for word in words]  # type: ignore[attr-defined]


def test_unknown_words_are_made_of_known_ones(recognizer: EnglishRecognizer) -> None:
    assert recognizer.words("In 2 woodcutters' café, Schoeffer didn't.") == ["in", "two", "woodcutters", "cafe", "schoeffer", "didn't"]
    said = recognizer._decoder.lookup_word
    assert said("woodcutters") == f"{said('wood')} {said('cutters')}"
    assert recognizer.phones("schoeffer") >= 5
    assert recognizer.words("...") == recognizer.words("今天天气很好。") == []


def test_a_guess_does_not_depend_on_earlier_ones() -> None:
    first, second = EnglishRecognizer(), EnglishRecognizer()
    first.words("Schoeff")
    assert [one.words("Schoeffer") and one._decoder.lookup_word("schoeffer") for one in (first, second)].count("S CH OW F F ER") == 2


def test_a_clip_sounds_the_same_whatever_was_heard_before(recognizer: EnglishRecognizer, speech: Speech, espeak: Espeak) -> None:
    words = recognizer.words(TEXT)
    fresh = copy.deepcopy(recognizer)
    heard = [one.hear(speech.samples, espeak.sample_rate, plain_arcs(words), len(words)) for one in (recognizer, recognizer, fresh)]
    assert heard[0] is not None
    assert heard[0] == heard[1] == heard[2]
    assert texts(heard[0].words) == words
    times = {event.text: event.start for event in speech.words}
    found = {word.text: word.start for word in heard[0].words}
    for word in ("garage", "Street", "closes", "early"):
        assert found[word.lower()] == pytest.approx(times[word], abs=0.12)


def test_other_texts_are_as_long_and_share_only_small_words(recognizer: EnglishRecognizer) -> None:
    words = recognizer.words("The little house by the road is old and cold, we know.")
    length = sum(recognizer.phones(word) for word in words)
    others = other_texts(recognizer, words, 5)
    assert others == other_texts(recognizer, words, 5)
    assert len({tuple(other) for other in others}) == 5
    for other in others:
        assert not {"little", "house", "road", "old", "cold", "know"} & set(other)
        assert length - 1 <= sum(recognizer.phones(word) for word in other) <= length


def test_speech_fits_its_own_text_and_nothing_else_does(recognizer: EnglishRecognizer, speech: Speech, espeak: Espeak) -> None:
    judge, rate = Intelligibility(["a"], recognizer), espeak.sample_rate
    own = judge.score(reading("a/1", "a", speech.samples, noise(3, rate), rate, text=TEXT))
    wrong = judge.score(reading("a/2", "a", speech.samples, np.zeros(rate, np.float32), rate, text=OTHER))
    assert own["intelligibility_real"] > 3
    assert own["own_text_wins_real"] == 1.0
    assert abs(own["intelligibility"]) < 0.6
    assert wrong["intelligibility_real"] < 0.6
    assert (wrong["intelligibility"], wrong["own_text_wins"]) == (0.0, 0.0)
    # Too short for so many words.
    hurried = judge.score(reading("a/3", "a", speech.samples, speech.samples[: rate // 4], rate, text=TEXT))
    assert (hurried["intelligibility"], hurried["own_text_wins"]) == (0.0, 0.0)


@pytest.mark.parametrize("language", ["zh", "mixed"])
def test_other_languages_get_no_figure(recognizer: EnglishRecognizer, language: str) -> None:
    clip = reading("a/1", "a", noise(1, RATE), noise(1, RATE), RATE, text="今天天气很好。", language=language)
    assert Intelligibility(["a"], recognizer).score(clip) == {}
    assert WordCoverage(["a"], recognizer).score(clip) == {}


def test_at_least_one_other_text_is_needed(recognizer: EnglishRecognizer) -> None:
    with pytest.raises(SovitsError, match="distractors=0"):
        Intelligibility(["a"], recognizer, distractors=0)


def test_all_words_of_good_speech_are_covered(recognizer: EnglishRecognizer, speech: Speech, espeak: Espeak) -> None:
    coverage = find_coverage(recognizer, speech.samples, espeak.sample_rate, TEXT)
    assert coverage is not None
    assert texts(coverage.words) == ["the", "garage", "on", "oak", "street", "closes", "early", "on", "thursdays"]
    assert (coverage.skipped, coverage.repeated) == ([], [])
    assert coverage.confidence > 0.8
    times = {event.text.lower(): event.start for event in speech.words}
    assert coverage.words[5].said[0].start == pytest.approx(times["closes"], abs=0.1)


@pytest.mark.parametrize("word", ["Street", "early", "garage"])
def test_a_word_cut_out_is_skipped_and_a_doubled_one_repeated(
    recognizer: EnglishRecognizer, speech: Speech, espeak: Espeak, word: str
) -> None:
    rate, samples, place = espeak.sample_rate, speech.samples, span(speech, word, espeak.sample_rate)
    without = find_coverage(recognizer, np.concatenate([samples[: place.start], samples[place.stop :]]), rate, TEXT)
    doubled = find_coverage(recognizer, np.concatenate([samples[: place.stop], samples[place.start :]]), rate, TEXT)
    assert without is not None
    assert doubled is not None
    assert texts(without.skipped) == [word.lower()]
    assert without.repeated == []
    assert texts(doubled.repeated) == [word.lower()]
    assert doubled.skipped == []
    assert len(doubled.repeated[0].said) == 2


def test_an_end_that_is_not_said_is_skipped(recognizer: EnglishRecognizer, speech: Speech, espeak: Espeak) -> None:
    place = span(speech, "early", espeak.sample_rate)
    coverage = find_coverage(recognizer, speech.samples[: place.start], espeak.sample_rate, TEXT)
    assert coverage is not None
    assert texts(coverage.skipped) == ["early", "on", "thursdays"]


@pytest.mark.parametrize("samples", [noise(3, RATE), np.zeros(RATE, np.float32), np.zeros(0, np.float32), noise(0.1, RATE)])
def test_what_says_nothing_skips_everything(recognizer: EnglishRecognizer, samples: np.ndarray) -> None:
    told = WordCoverage(["a"], recognizer).hear(samples, reading("a/1", "a", samples, samples, RATE, text=TEXT))
    assert told["skipped_words"] == 1.0
    assert told["repeated_words"] == 0.0
    assert told["coverage_confidence"] > 0.9


def test_real_speech(recognizer: EnglishRecognizer, real_speech: Path) -> None:
    text = "Six spoons of fresh snow peas, five thick slabs of blue cheese, and maybe a snack for her brother Bob."
    clip = read_waveform(real_speech / "vctk_p227" / "p227_003.flac", RATE)
    words = recognizer.words(text)
    heard = recognizer.hear(clip, RATE, plain_arcs(words), len(words))
    assert heard is not None
    start, end = (round(time * RATE) for time in (heard.words[7].start, heard.words[7].end))
    coverage = find_coverage(recognizer, np.concatenate([clip[:start], clip[end:]]), RATE, text)
    whole = find_coverage(recognizer, clip, RATE, text)
    assert coverage is not None
    assert whole is not None
    assert texts(coverage.skipped) == ["thick"]
    assert (whole.skipped, whole.repeated) == ([], [])
    assert Intelligibility(["a"], recognizer).hear(clip, reading("a", "a", clip, clip, RATE, text=text))["intelligibility"] > 3


def test_a_path_that_was_broken_off_is_no_way_through_the_text() -> None:
    way = _Way(plain_arcs(["one", "two", "three"]), 3, 0.0)
    said = [HeardWord(word, 0.0, 0.1, -1.0) for word in ("one", "two", "three")]
    steps = way.steps(said)
    assert steps is not None
    assert [step.position for step in steps] == [1, 2, 3]
    assert way.steps(said[:2]) is None
    assert way.steps(said[1:]) is None
