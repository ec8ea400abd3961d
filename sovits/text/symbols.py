"""The one table of everything a text can be spoken as: phone symbols, tones and languages, each with a fixed id.

Ids are positions, and checkpoints remember them: **append, never insert, reorder or remove**. English phones stand as IPA
writes them, Mandarin ones carry the prefix ``zh:`` (pinyin's *b* is not English *b*), letters read as letters ``en:``.
"""

from __future__ import annotations

from collections.abc import Sequence

from sovits.errors import SovitsError

PAD = "<pad>"
BLANK = "<blank>"
"""Between all phones, when the front end intersperses."""
EDGE = "<edge>"
"""The silence before the first and after the last word."""
SPACE = "<space>"
"""Between two words with no punctuation between them: where an unpunctuated pause can go."""


def _each(symbols: str) -> tuple[str, ...]:
    return tuple(symbols.split())


PUNCTUATION = (",", ".", "!", "?", ";", ":", "…", "—")

ENGLISH_CONSONANTS = _each("p b t d k ɡ f v θ ð s z ʃ ʒ h tʃ dʒ m n ŋ l ɹ j w ɾ ʔ n̩ r x ɬ")
ENGLISH_VOWELS = _each("i iː ɪ ᵻ ɛ æ a aː ɐ ɑː ɑ̃ ɒ ɔ ɔː o oː ʊ uː ʌ ə ɚ ɜː eɪ aɪ ɔɪ aʊ oʊ əʊ eə ʊə u e ɑ ɔ̃ ɛ̃ ɜ")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")

MANDARIN_INITIALS = _each("b p m f d t n l g k h j q x zh ch sh r z c s")
# ii is the vowel of zi, ci, si; iii that of zhi, chi, shi, ri; v is ü; the last three are the interjections m, n and ng.
MANDARIN_FINALS = _each(
    "a o e ê ai ei ao ou an en ang eng ong er i ii iii ia io ie iao iou ian in iang ing iong u ua uo uai uei uan uen uang ueng v "
    "ve van vn m̩ n̩ ŋ̩"
)

SYMBOLS: tuple[str, ...] = (
    PAD,
    BLANK,
    EDGE,
    SPACE,
    *PUNCTUATION,
    *ENGLISH_CONSONANTS,
    *ENGLISH_VOWELS,
    *(f"zh:{phone}" for phone in MANDARIN_INITIALS),
    *(f"zh:{phone}" for phone in MANDARIN_FINALS),
    *(f"en:{letter}" for letter in LETTERS),
)
TONES: tuple[str, ...] = ("", "1", "2", "3", "4", "5", "ˌ", "ˈ")
"""No tone (consonants of English, unstressed vowels, punctuation), Mandarin 1-4 and neutral 5, secondary and primary stress."""
NO_TONE, SECONDARY_STRESS, PRIMARY_STRESS = 0, 6, 7
LANGUAGES: tuple[str, ...] = ("", "en", "zh")
"""Id 0 is padding only."""

SYMBOL_IDS: dict[str, int] = {symbol: position for position, symbol in enumerate(SYMBOLS)}
LANGUAGE_IDS: dict[str, int] = {language: position for position, language in enumerate(LANGUAGES)}


def written(symbol: str, tone: int) -> str:
    """``symbol`` as a reader of pictures knows it: ``ˈoʊ``, ``uan1``, ``b``, ``,``."""
    bare = symbol.partition(":")[2] if symbol[:3] in ("zh:", "en:") else symbol
    mark = TONES[tone]
    return mark + bare if tone in (SECONDARY_STRESS, PRIMARY_STRESS) else bare + mark


def check_sizes(vocabulary: int, tones: int, languages: int) -> None:
    """Compares the embedding sizes a config declares with the tables.

    Raises:
        SovitsError: a declared size is smaller than its table.
    """
    for key, declared, table in (("vocabulary", vocabulary, SYMBOLS), ("tones", tones, TONES), ("languages", languages, LANGUAGES)):
        check_size(key, declared, table)


def check_size(key: str, declared: int, table: Sequence[str]) -> None:
    """Compares one of them, ``text.<key>``.

    Raises:
        SovitsError: it is smaller than its table.
    """
    if declared < len(table):
        raise SovitsError(
            f"text.{key}={declared} is smaller than the {len(table)} entries of its table; set text.{key}={len(table)} or more."
        )
