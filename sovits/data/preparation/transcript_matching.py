"""A known text beside what Whisper heard: word times for a long text, and how far the two disagree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Levenshtein

from sovits.data.manifest import Word
from sovits.errors import SovitsError
from sovits.text.language import HAN
from sovits.text.spoken_words import spoken_words

LEAST_COMMON = 0.6
"""Part of the words that must be heard as written: below, the text is probably of another recording."""
_TOKEN = re.compile(rf"\s*[{HAN}][^\w\s]*|\s*[^\s{HAN}]+")


def match_words(text: str, heard: Sequence[Word]) -> tuple[Word, ...]:
    """The words of ``text`` (a Chinese character each, otherwise up to a space) with times taken from ``heard``.

    Words heard as written keep Whisper's times and confidence. Others share the time of what was heard in their place, by their
    length, with confidence 0. Joined, the words are the text. The two are laid along each other with the fewest changes (Levenshtein).

    Raises:
        SovitsError: too little of the text was heard.
    """
    words, spoken = _TOKEN.findall(text), _tokens(heard)
    stretches = list(_stretches([_plain(word) for word in words], [_plain(word.text) for word in spoken]))
    common = sum(end - start for equal, start, end, _, _ in stretches if equal) / max(len(words), 1)
    if common < LEAST_COMMON:
        raise SovitsError(f"Whisper heard only {common:.0%} of the transcript's words; correct it, or use a larger whisper.model.")
    times: list[Word] = []
    for equal, start, end, first, last in stretches:
        if equal:
            pairs = zip(words[start:end], spoken[first:last], strict=True)
            times += [Word(word, time.start, time.end, time.confidence) for word, time in pairs]
        elif start < end:
            begin = spoken[first].start if first < last else times[-1].end if times else 0.0
            finish = spoken[last - 1].end if first < last else spoken[last].start if last < len(spoken) else begin
            times += _shared(words[start:end], begin, max(finish, begin), [0.0] * (end - start))
    return tuple(times)


def disagreement(text: str, heard: str, language: str | None = None) -> float:
    """How far ``heard`` is from ``text``: changes (replaced, missing, added) by the words of ``text``, as read aloud.

    A word is a Chinese character or a Latin word, so this is the word error rate of English, the character error rate of Mandarin and
    the mixed error rate of both. Case, accents, punctuation and apostrophes do not count; numbers count as they are spoken (``42`` is
    ``forty two``). Above 1 where much more was heard than is written; where nothing is written, the number of words heard.

    Args:
        language: ``en``, ``zh``, ``mixed`` or None; decides only how numbers without words around them are read.
    """
    written, listened = spoken_words(text, language), spoken_words(heard, language)
    return Levenshtein.distance(written, listened) / max(len(written), 1)


def _stretches(words: Sequence[str], spoken: Sequence[str]) -> Iterator[tuple[bool, int, int, int, int]]:
    """Whether ``words[start:end]`` equals ``spoken[first:last]``, and these four numbers; differences that touch are one."""
    start = first = 0
    for block in Levenshtein.opcodes(words, spoken).as_matching_blocks():
        if start < block.a or first < block.b:
            yield False, start, block.a, first, block.b
        start, first = block.a + block.size, block.b + block.size
        if block.size:
            yield True, block.a, start, block.b, first


def _tokens(heard: Sequence[Word]) -> list[Word]:
    """Whisper's words in the same pieces as the text's; several Chinese characters share their word's time."""
    pieces: list[Word] = []
    for word in heard:
        parts = _TOKEN.findall(word.text)
        pieces += _shared(parts, word.start, word.end, [word.confidence] * len(parts))
    return pieces


def _shared(parts: Sequence[str], start: float, end: float, confidences: Sequence[float]) -> list[Word]:
    """``parts`` one after the other from ``start`` to ``end``, each as long as its letters ask."""
    weights = [max(len(_plain(part)), 1) for part in parts]
    total, before = max(sum(weights), 1), 0
    words: list[Word] = []
    for part, weight, confidence in zip(parts, weights, confidences, strict=True):
        edges = (start + (end - start) * before / total, start + (end - start) * (before + weight) / total)
        words.append(Word(part, *edges, confidence))
        before += weight
    return words


def _plain(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())
