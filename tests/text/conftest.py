"""One of each reader for all text tests: they take seconds to start."""

from __future__ import annotations

import pytest

from sovits.text import EnglishLetters, EnglishPhonemizer, MandarinPhonemizer, SemanticTokenizer, TextFrontEnd


@pytest.fixture(scope="session")
def english() -> EnglishPhonemizer:
    return EnglishPhonemizer()


@pytest.fixture(scope="session")
def mandarin() -> MandarinPhonemizer:
    return MandarinPhonemizer()


@pytest.fixture(scope="session")
def tokenizer() -> SemanticTokenizer:
    return SemanticTokenizer()


@pytest.fixture(scope="session")
def front_end(english: EnglishPhonemizer, mandarin: MandarinPhonemizer, tokenizer: SemanticTokenizer) -> TextFrontEnd:
    return TextFrontEnd(english, mandarin, tokenizer)


@pytest.fixture(scope="session")
def letters_front_end(mandarin: MandarinPhonemizer, tokenizer: SemanticTokenizer) -> TextFrontEnd:
    return TextFrontEnd(EnglishLetters(), mandarin, tokenizer)
