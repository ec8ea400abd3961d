"""The words of a text as they are counted when two texts are compared: what is said, however it is written."""

from __future__ import annotations

import re
from contextlib import suppress

from sovits.errors import SovitsError
from sovits.text.language import HAN, fold_letters
from sovits.text.normalization import normalize

# A word in any script: what is heard in a third language disagrees too.
_SPOKEN = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")
_APOSTROPHE = re.compile("['’]")


def spoken_words(text: str, language: str | None = None) -> list[str]:
    """Chinese characters and words of other scripts, read out (``42`` is ``forty``, ``two``), without case, accents and apostrophes.

    Args:
        language: ``en``, ``zh``, ``mixed`` or None; decides only how numbers without words around them are read.
    """
    # Where there is nothing to say, or another script, the words, if any, are compared as they stand.
    with suppress(SovitsError):
        text = normalize(text, language)
    return _SPOKEN.findall(_APOSTROPHE.sub("", fold_letters(text.casefold())))
