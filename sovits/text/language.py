"""Scripts: which characters can be spoken at all, and how Latin letters fold onto a-z."""

from __future__ import annotations

import re
import unicodedata

from sovits.errors import SovitsError

ENGLISH, MANDARIN = "en", "zh"
TEXT_LANGUAGES = (ENGLISH, MANDARIN, "mixed")
"""What a manifest or a caller may say of a text."""

# The inside of a regular expression's class. 〇 is the zero of 二〇二六.
HAN = "〇\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003fffd"
LATIN = "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ"
HAN_CHARACTER = re.compile(f"[{HAN}]")
LATIN_LETTER = re.compile(f"[{LATIN}]")
ENGLISH_WORD = rf"[{LATIN}]+(?:'[{LATIN}]+)*"

SUPPORTED = "English (Latin letters), Mandarin (Chinese characters), digits and punctuation"

# Letters with no accent to take off, as English spells them.
_SPELT_OUT = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ı": "i", "ŋ": "ng", "ŧ": "t"}


def fold_letter(letter: str) -> str:
    """``letter`` in plain a-z, upper case kept (``é`` -> ``e``, ``Ł`` -> ``L``); empty when English has no way to write it."""
    if letter.isascii():
        return letter
    spelt = _SPELT_OUT.get(letter.lower())
    if spelt:
        return spelt.upper() if letter.isupper() else spelt
    base = unicodedata.normalize("NFD", letter)[0]
    return base if base.isascii() else ""


def fold_letters(text: str) -> str:
    """``text`` with every Latin letter in plain a-z; longer than ``text`` where a letter needs two (``ß`` -> ``ss``)."""
    return text if text.isascii() else LATIN_LETTER.sub(lambda match: fold_letter(match[0]), text)


def check_script(text: str) -> None:
    """Refuses letters and digits of scripts that neither language can read.

    Raises:
        SovitsError: naming up to ten of the offending characters.
    """
    odd = sorted({character for character in text if not character.isascii() and _is_unsupported(character)})
    if odd:
        shown = " ".join(odd[:10]) + (" …" if len(odd) > 10 else "")
        raise SovitsError(f"The text has characters of an unsupported script: {shown}; write it in {SUPPORTED}.")


def _is_unsupported(character: str) -> bool:
    if HAN_CHARACTER.match(character):
        return False
    if LATIN_LETTER.match(character):
        return not fold_letter(character)
    return unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No")


def check_language(language: str | None) -> None:
    """Refuses a language that is neither one of ``TEXT_LANGUAGES`` nor None (find out)."""
    if language is not None and language not in TEXT_LANGUAGES:
        raise SovitsError(f"language={language!r} is not known; use one of {', '.join(TEXT_LANGUAGES)}, or leave it out.")
