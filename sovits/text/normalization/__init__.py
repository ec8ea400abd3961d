"""Text as written to text as spoken."""

from __future__ import annotations

import re

from sovits.errors import SovitsError
from sovits.text.language import ENGLISH, HAN, HAN_CHARACTER, LATIN, LATIN_LETTER, MANDARIN, check_language
from sovits.text.normalization.capitals import read_capitals
from sovits.text.normalization.english import normalize_english
from sovits.text.normalization.mandarin import normalize_mandarin
from sovits.text.normalization.splitting import split_for_reading
from sovits.text.normalization.unicode import clean

__all__ = ["normalize"]

# Tells a lone number's language where there is no word: "10010，10086。"
_CHINESE_STOP = re.compile("[，。、；：！？￥]")
_SPACE_BEFORE_STOP = re.compile(r"\s+(?=[,.!?;:…])")
_LEFTOVER = re.compile(rf"[^{HAN}{LATIN}\s'\"(),.!?;:…—-]")


def normalize(text: str, language: str | None = None) -> str:
    """Writes out everything in ``text`` that is not a word, in the language around it.

    Args:
        text: As a person wrote it, in English, Mandarin or both.
        language: ``en``, ``zh``, ``mixed`` or None; decides only what the text itself leaves open (a lone number).

    Returns:
        Latin and Chinese words, spaces and the punctuation ``' " ( ) , . ! ? ; : … — -``.

    Raises:
        SovitsError: nothing to say in it, a script neither language can read, or an unknown language.
    """
    check_language(language)
    if not text.strip():
        raise SovitsError("The text is empty; give at least one word of English or Mandarin.")
    if language not in (ENGLISH, MANDARIN) and _CHINESE_STOP.search(text):
        language = MANDARIN
    spoken = []
    for stretch in split_for_reading(clean(text), language):
        spoken.append(normalize_mandarin(stretch.text) if stretch.language == MANDARIN else normalize_english(stretch.text))
    normalized = _LEFTOVER.sub(" ", read_capitals(" ".join("".join(spoken).split())))
    normalized = _SPACE_BEFORE_STOP.sub("", " ".join(normalized.split()))
    if not (LATIN_LETTER.search(normalized) or HAN_CHARACTER.search(normalized)):
        raise SovitsError(
            f"The text {text[:40]!r} has nothing to say, only punctuation or symbols; give at least one word of English or Mandarin."
        )
    return normalized
