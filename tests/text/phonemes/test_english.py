"""English phones: words whose reading is known, words in a phrase, and everything espeak can say."""

from __future__ import annotations

import itertools
import pickle
import re
import string
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from sovits.errors import SovitsError
from sovits.text import EnglishLetters, EnglishPhonemizer, SemanticTokenizer
from sovits.text.phonemes import SpokenWord
from sovits.text.phonemes.english import _phones
from sovits.text.symbols import PRIMARY_STRESS, SYMBOL_IDS, written


def said(words: list[SpokenWord]) -> list[str]:
    return [" ".join(written(*phone) for phone in word.phones) for word in words]


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("hello", "h ə l ˈoʊ"),
        ("world", "w ˈɜː l d"),
        ("photograph", "f ˈoʊ ɾ ə ɡ ɹ ˌæ f"),
        ("photography", "f ə t ˈɑː ɡ ɹ ə f i"),
        ("nature", "n ˈeɪ tʃ ɚ"),
        ("judge", "dʒ ˈʌ dʒ"),
        ("four", "f ˈɔː ɹ"),
        ("people", "p ˈiː p ə l"),
        ("café", "k æ f ˈeɪ"),
        ("Łódź", "l ˈɑː d z"),
        ("HE", "h iː"),
        ("xi", "ʃ ˈiː"),
        ("iii", "θ ɹ ˈiː"),
    ],
)
def test_known_words(english: EnglishPhonemizer, word: str, phones: str) -> None:
    assert said(english(word)) == [phones]


def test_words_are_read_in_their_phrase(english: EnglishPhonemizer) -> None:
    assert said(english("the end of the day")) == ["ð ɪ", "ˈɛ n d", "ʌ v", "ð ə", "d ˈeɪ"]
    assert said(english("it is")) == ["ɪ ɾ", "ˈɪ z"]


def test_spans_are_the_words(english: EnglishPhonemizer) -> None:
    text = "  don't re-enter, O'Neil  "
    assert [text[word.start : word.end] for word in english(text)] == ["don't", "re", "enter", "O'Neil"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("L O G O", ["ˈɛ l", "ˈoʊ", "dʒ ˈiː", "ˈoʊ"]),
        ("I D C", ["ˈaɪ", "d ˈiː", "s ˈiː"]),
        ("the G P U's", ["ð ə", "dʒ ˈiː", "p ˈiː", "j ˈuː z"]),
        ("vitamin A", ["v ˈaɪ ɾ ə m ɪ n", "ˈeɪ"]),
        ("A man", ["ɐ", "m ˈæ n"]),
    ],
)
def test_lone_capitals_are_letter_names(english: EnglishPhonemizer, text: str, names: list[str]) -> None:
    assert said(english(text)) == names


def test_the_british_voice_differs() -> None:
    british = EnglishPhonemizer("en-gb")
    assert said(british("go far, hot")) == ["ɡ ˌəʊ", "f ˈɑː", "h ˈɒ t"]
    with pytest.raises(SovitsError, match="en-au.*en-us, en-gb"):
        EnglishPhonemizer("en-au")


@pytest.mark.parametrize("voice", ["en-us", "en-gb"])
def test_the_table_holds_everything_espeak_says(voice: str, tokenizer: SemanticTokenizer) -> None:
    """Every English word of GPT-2's vocabulary, and all two-letter strings: about 29,000 words."""
    vocabulary = tokenizer._tokenizer.get_vocab()
    words = sorted({match[1].lower() for token in vocabulary if (match := re.fullmatch("Ġ?([A-Za-z]+)", token))})
    pairs = ["".join(pair) for pair in itertools.product(string.ascii_lowercase, repeat=2)]
    phonemizer = EnglishPhonemizer(voice)
    symbols = {phone for word in [*words, *pairs] for raw in phonemizer._read_alone(word) for phone in _phones(raw)}
    assert len(words) > 25_000
    assert {phone.symbol for phone in symbols} <= set(SYMBOL_IDS)
    assert len({phone.symbol for phone in symbols if phone.tone == PRIMARY_STRESS}) > 15


def test_a_phone_the_table_lacks_is_named() -> None:
    with pytest.raises(AssertionError, match="'ɧ'"):
        _phones("ˈtɧ")


def test_a_word_beyond_all_measure_is_read_whole(english: EnglishPhonemizer) -> None:
    (word,) = english("ba" * 500)
    assert (word.start, word.end) == (0, 1000)
    assert sum(phone.symbol == "b" for phone in word.phones) == 500


def test_long_text_keeps_its_words(english: EnglishPhonemizer) -> None:
    text = "the cat of the house was out of it " * 60
    assert [text[word.start : word.end] for word in english(text)] == text.split()


def test_pickles_and_threads_give_the_same(english: EnglishPhonemizer) -> None:
    texts = ["the read of the record", "such as a lot", "L O G O", "I have been to the end"] * 10
    expected = [english(text) for text in texts]
    copy = pickle.loads(pickle.dumps(english))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(copy, texts)) == expected


def test_without_espeak_the_error_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SovitsError, match=r"pip install 'sovits\[espeak\]'.*text=characters"):
        EnglishPhonemizer()("hello")


def test_letters_are_read_without_espeak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setitem(sys.modules, "phonemizer", None)
    words = EnglishLetters()("Café's straße")
    assert said(words) == ["c a f e s", "s t r a s s e"]
    assert [(word.start, word.end) for word in words] == [(0, 6), (7, 13)]
    assert all(f"en:{letter}" in SYMBOL_IDS for letter in string.ascii_lowercase)
