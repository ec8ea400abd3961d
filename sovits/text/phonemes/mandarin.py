"""Mandarin phones: pypinyin's readings word by word (words by jieba), tone sandhi, initials and finals."""

from __future__ import annotations

import logging
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from sovits.errors import SovitsError
from sovits.text.phonemes import Phone, SpokenWord
from sovits.text.phonemes.sandhi import apply_sandhi

if TYPE_CHECKING:
    import jieba

_SYLLABIC = {"m": "m̩", "n": "n̩", "ng": "ŋ̩"}
# 儿 is a syllable of its own in these, elsewhere the r-coloured end of its word (玩儿, 哪儿).
_FULL_ER = frozenset(
    ["女儿", "婴儿", "幼儿", "孤儿", "胎儿", "少儿", "健儿", "宠儿", "男儿", "混血儿", "新生儿", "弃儿", "产儿", "乳儿", "患儿"]
)
# The longest piece read at once: pypinyin and jieba look at words, not at sentences.
_LONGEST_STRETCH = 200


class MandarinPhonemizer:
    """Reads Chinese characters as initials and finals; each phone of a syllable carries its tone, 1-5."""

    def __call__(self, text: str) -> list[SpokenWord]:
        """The characters of ``text`` (Han only) as spoken.

        Raises:
            SovitsError: a character whose reading is not known.
        """
        unknown = sorted({character for character in text if not _has_reading(character)})
        if unknown:
            raise SovitsError(
                f"No Mandarin reading is known for {' '.join(unknown[:10])}; write the word with common characters or in pinyin letters."
            )
        words: list[SpokenWord] = []
        for start in range(0, len(text), _LONGEST_STRETCH):
            words += _read(text[start : start + _LONGEST_STRETCH], start)
        return words


def _read(text: str, offset: int) -> list[SpokenWord]:
    words = _segmenter().lcut(text)
    syllables, tones = _readings(words)
    apply_sandhi(words, tones, lambda word: bool(_segmenter().FREQ.get(word)))
    return [
        SpokenWord(offset + position, offset + position + 1, tuple(Phone(f"zh:{symbol}", tone) for symbol in _initial_and_final(syllable)))
        for position, (syllable, tone) in enumerate(zip(syllables, tones, strict=True))
    ]


def _readings(words: list[str]) -> tuple[list[str], list[int]]:
    """Each character's syllable without tone, and its tone by itself."""
    syllables: list[str] = []
    tones: list[int] = []
    for position, word in enumerate(words):
        for character, reading in zip(word, _word_reading(word), strict=True):
            syllable, tone = reading[:-1], int(reading[-1])
            # The dictionary of phrases has some 一 and 不 already changed.
            tone = {"一": 1, "不": 4}.get(character, tone)
            syllables.append(syllable)
            tones.append(tone)
        if word in ("地", "得") and _is_particle(words, position):
            syllables[-1], tones[-1] = "de", 5
        if len(word) > 1 and word[-1] in "儿兒" and not _ends_in_full_er(word.replace("兒", "儿")):
            tones[-1] = 5
    return syllables, tones


def _is_particle(words: list[str], position: int) -> bool:
    """地 and 得 between a word of two characters or more (慢慢地) or any word (跑得快) and another word."""
    if not 0 < position < len(words) - 1:
        return False
    before = words[position - 1]
    return (
        len(before) >= 2
        if words[position] == "地"
        else before not in ("我", "你", "他", "她", "们", "就", "都", "也", "还", "总", "可", "不")
    )


def _ends_in_full_er(word: str) -> bool:
    return word in _FULL_ER or word[-2:] in _FULL_ER


@lru_cache(maxsize=65536)
def _word_reading(word: str) -> tuple[str, ...]:
    """Each character's syllable with its tone, as ``hao3``; a word the dictionary lacks is read from the phrases in it."""
    from pypinyin import Style, lazy_pinyin
    from pypinyin.constants import PHRASES_DICT

    readings = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
    middle = word.find("得", 1, -1)
    if middle > 0 and word not in PHRASES_DICT and word[middle - 1] not in "值获取赢难心不":
        readings[middle] = "de5"  # a verb's complement: 跑得快
    return tuple(readings)


@lru_cache(maxsize=65536)
def _has_reading(character: str) -> bool:
    from pypinyin.constants import PINYIN_DICT

    return ord(character) in PINYIN_DICT


@lru_cache(maxsize=4096)
def _initial_and_final(syllable: str) -> tuple[str, ...]:
    """``zhi`` -> ``zh iii``, ``yuan`` -> ``van``, ``liu`` -> ``l iou``, ``ng`` -> ``ŋ̩``."""
    from pypinyin.contrib.tone_convert import to_finals, to_initials

    if syllable in _SYLLABIC:
        return (_SYLLABIC[syllable],)
    if syllable[:1] == "h" and syllable[1:] in _SYLLABIC:
        return ("h", _SYLLABIC[syllable[1:]])
    initial, final = to_initials(syllable, strict=True), to_finals(syllable, strict=True, v_to_u=False)
    if syllable == "yo":
        final = "io"
    if final == "i" and initial in ("z", "c", "s"):
        final = "ii"
    elif final == "i" and initial in ("zh", "ch", "sh", "r"):
        final = "iii"
    return (initial, final) if initial else (final,)


@lru_cache(maxsize=1)
def _segmenter() -> jieba.Tokenizer:
    """One dictionary a process (100 MB, 1 s); jieba's own messages are for its developers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # jieba asks for pkg_resources, which announces its own end
        import jieba
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    return tokenizer
