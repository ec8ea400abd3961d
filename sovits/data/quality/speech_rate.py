"""How fast somebody speaks: syllables a second."""

from __future__ import annotations

import re

from sovits.errors import SovitsError
from sovits.text.language import ENGLISH_WORD, HAN_CHARACTER, fold_letters
from sovits.text.normalization import normalize

_WORD = re.compile(ENGLISH_WORD)
_VOWELS = re.compile("[aeiouy]+")
_CONSONANT_Y = re.compile("^y(?=[aeiou])")
# An e that nobody says: make, likes, liked; but not in table, boxes, wanted.
_SILENT_E = re.compile("(?<=[^aeiouyl])e$|(?<=[aeiouy]l)e$|(?<=[^aeiouycghlsxz])es$|(?<=[aeiouy]l)es$|(?<=[^aeiouydt])ed$")
# Two vowels of two syllables: video, piano, radio, diet, science, going, idea.
_APART = re.compile("eo(?!u)|(?<![aeioucgqst])i[ao](?!u)|iu|ie(?=t|nc)|[aeou]ing|dea$")


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
    # Folded to e, the é of café would fall silent.
    words = _WORD.findall(fold_letters(text.lower().replace("é", "ay")))
    return len(HAN_CHARACTER.findall(text)) + sum(_syllables(word.replace("'", "")) for word in words)


def _syllables(word: str) -> int:
    """Of one English word in a-z."""
    if len(word) == 1:
        # The letter's name.
        return 3 if word == "w" else 1
    said = _SILENT_E.sub("", _CONSONANT_Y.sub("", word))
    return max(len(_VOWELS.findall(said)) + len(_APART.findall(said)), 1)
