"""The symbol table keeps its ids."""

from __future__ import annotations

import hashlib

import pytest

from sovits.errors import SovitsError
from sovits.text.symbols import LANGUAGES, PAD, SYMBOL_IDS, SYMBOLS, TONES, check_sizes, written

# Of the first so many entries: appending changes nothing here, anything else makes old checkpoints speak nonsense.
FROZEN = {168: "526e4aca17b3"}


@pytest.mark.parametrize(("length", "digest"), FROZEN.items())
def test_old_ids_stay(length: int, digest: str) -> None:
    assert hashlib.sha256("\n".join(SYMBOLS[:length]).encode()).hexdigest()[:12] == digest


def test_symbols_are_unique_and_padding_is_zero() -> None:
    assert len(SYMBOL_IDS) == len(SYMBOLS)
    assert SYMBOL_IDS[PAD] == 0
    assert TONES[0] == LANGUAGES[0] == ""


def test_phones_are_written_as_people_know_them() -> None:
    assert written("oʊ", 7) == "ˈoʊ"
    assert written("æ", 6) == "ˌæ"
    assert written("zh:uan", 1) == "uan1"
    assert written("en:k", 0) == "k"
    assert written(":", 0) == ":"


def test_declared_sizes_must_hold_the_tables() -> None:
    check_sizes(len(SYMBOLS), len(TONES), len(LANGUAGES))
    with pytest.raises(SovitsError, match=rf"text.vocabulary=100 is smaller than the {len(SYMBOLS)} entries"):
        check_sizes(100, 16, 8)
    with pytest.raises(SovitsError, match="text.tones=5 .* 8 entries"):
        check_sizes(512, 5, 8)
    with pytest.raises(SovitsError, match="text.languages=2 .* 3 entries"):
        check_sizes(512, 16, 2)
