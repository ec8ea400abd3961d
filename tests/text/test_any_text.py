"""Any text at all, through everything that reads texts: understood, or refused in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovits.errors import SovitsError
from sovits.text import (
    EncodedText,
    EnglishLetters,
    EnglishPhonemizer,
    MandarinPhonemizer,
    SemanticTokenizer,
    TextFrontEnd,
    TokenFrontEnd,
    normalize,
)
from sovits.text.sentences import MOST_CHARACTERS, split_sentences
from tests.any_texts import any_texts

LONG = 100_000


@pytest.fixture(scope="module")
def front_ends() -> list[TextFrontEnd | TokenFrontEnd]:
    tokenizer, mandarin = SemanticTokenizer(), MandarinPhonemizer()
    english = (EnglishPhonemizer(), EnglishLetters())
    return [TokenFrontEnd(tokenizer), *(TextFrontEnd(one, mandarin, tokenizer, intersperse=one is english[1]) for one in english)]


def read(front_end: Callable[[str], EncodedText], text: str) -> EncodedText | None:
    """What is made of it, sound in itself; None where it is refused with a reason that can be sent."""
    try:
        encoded = front_end(text)
    except SovitsError as error:
        str(error).encode("utf-8")
        return None
    units = len(encoded.phones)
    assert {len(row) for row in (encoded.symbols, encoded.tones, encoded.languages, encoded.phone_to_token)} == {units}
    assert 0 <= min(encoded.phone_to_token) <= max(encoded.phone_to_token) < len(encoded.tokens)
    assert all(0 <= word.first < word.end <= units for word in encoded.words)
    assert encoded.text.encode("utf-8")
    return encoded


def tried(front_ends: list[TextFrontEnd | TokenFrontEnd], text: str) -> int:
    """How many understand it; the same text gives the same."""
    sentences = split_sentences(text)
    assert all(0 < len(sentence) <= MOST_CHARACTERS for sentence in sentences)
    understood = [read(front_end, text) for front_end in front_ends]
    try:
        normalized = normalize(text)
    except SovitsError:
        assert understood == [None] * len(front_ends)
        return 0
    assert all(one is None or one.text == normalized for one in understood)
    return sum(one is not None for one in understood)


def test_texts_that_nobody_would_write(front_ends: list[TextFrontEnd | TokenFrontEnd]) -> None:
    understood = [tried(front_ends, text) for text in any_texts(seed=0, count=400)]
    assert 0.3 < sum(map(bool, understood)) / len(understood) < 0.9


@pytest.fixture
def no_lazy_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis looks into all modules, and speechbrain's lazy ones then import what is not installed."""
    for name, module in list(sys.modules.items()):
        if any(kind.__name__ == "LazyModule" for kind in type(module).__mro__):
            monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("no_lazy_modules")
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(text=st.text(max_size=150) | st.text(st.characters(categories=["Mn", "Cc", "Cf", "Co", "Cs", "So", "Nd", "No", "Zs"]), max_size=150))
def test_any_unicode_at_all(front_ends: list[TextFrontEnd | TokenFrontEnd], text: str) -> None:
    """Hypothesis draws it, and makes what fails as short as it can: any characters, and those that stand for no letter."""
    tried(front_ends, text)


@pytest.mark.slow
def test_many_texts_that_nobody_would_write(front_ends: list[TextFrontEnd | TokenFrontEnd]) -> None:
    for text in any_texts(seed=1, count=2000):
        tried(front_ends, text)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["1", "a", "A", "你", "a.", "A B ", "😀", "e\u0301", "\x00", "\ud800", "hello ", "(", "مر"])
def test_texts_of_a_hundred_thousand_characters(front_ends: list[TextFrontEnd | TokenFrontEnd], unit: str) -> None:
    # Were any of it quadratic, this would take hours.
    tried(front_ends, unit * (LONG // len(unit)))
