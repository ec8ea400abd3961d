"""How fast somebody speaks: syllables a second."""

from __future__ import annotations

import re

from sovits.errors import SovitsError
from sovits.text.language import ENGLISH_WORD, HAN_CHARACTER, fold_letters
from sovits.text.normalization import normalize

_WORD = re.compile(ENGLISH_WORD)
_VOWELS = re.compile("[aeiouy]+")
# An e nobody says: at the end (make, makes, maked-up), but not in -le, -ces, -ted.
_SILENT_E = re.compile(r"(?<![aeiouy])(?<![^aeiouy]l)e$|(?<![aeiouyscxzdt])(?<!sh)(?<!ch)(?<![^aeiouy]l)(?<!g)es$|(?<![aeiouydt])ed$")
# Two vowels of two syllables: create, science, idea, video, going, doing, fluid.
_HIATUS = re.compile(r"(?<![aeiouqgtc])i[ao](?!u)|(?<=[cd])rea(?=t)|eo(?!u)|iu|ua(?=l|t)|io(?=n?[bdlp])|[aeou]ing|ie(?=t|nc)|eing|y[aeiou](?<=[aeiou])")
_SPELT = re.compile("[a-z]")


def speech_rate(text: str, language: str, speech_seconds: float) -> float | None:
    """Syllables of ``text`` for each of ``speech_seconds``, pauses left out (the *articulation rate* of phonetics).

    A Chinese character is a syllable. English syllables are counted by the spelling: a group of vowel letters is one, a silent e
    none; numbers, units and abbreviations are read out first.

    Args:
        text: what is said, as written.
        language: ``en``, ``zh`` or ``mixed``.
        speech_seconds: of speech in the clip.

    Returns:
        Syllables/s; ``None`` without speech, or when nothing of the text can be spoken.
    """
    if speech_seconds <= 0:
        return None
    try:
        spoken = normalize(text, language)
    except SovitsError:
        # The preparation tells of such a text itself.
        return None
    return count_syllables(spoken) / speech_seconds


def count_syllables(text: str) -> int:
    """Syllables of a text that is written out already: no digits, no abbreviations."""
    words = _WORD.findall(fold_letters(text).lower())
    return len(HAN_CHARACTER.findall(text)) + sum(_syllables(word.replace("'", "")) for word in words)


def _syllables(word: str) -> int:
    """Of one English word in a-z."""
    if len(word) == 1:
        # The letter's name.
        return 3 if word == "w" else 1
    said = _SILENT_E.sub("", word)
    return max(len(_VOWELS.findall(said)) + len(_HIATUS.findall(said)), 1)
