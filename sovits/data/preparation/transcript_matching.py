"""Word times for a long known text: what Whisper heard, laid along what was said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from sovits.data.manifest import Word
from sovits.errors import SovitsError
from sovits.text.language import HAN

LEAST_COMMON = 0.6
"""Part of the words that must be heard as written: below, the text is probably of another recording."""
_TOKEN = re.compile(rf"\s*[{HAN}][^\w\s]*|\s*[^\s{HAN}]+")


def match_words(text: str, heard: Sequence[Word]) -> tuple[Word, ...]:
    """The words of ``text`` (a Chinese character each, otherwise up to a space) with times taken from ``heard``.

    Words heard as written keep Whisper's times and confidence. Others share the time of what was heard in their place, by their
    length, with confidence 0. Joined, the words are the text.

    Raises:
        SovitsError: too little of the text was heard.
    """
    words, spoken = _TOKEN.findall(text), _tokens(heard)
    matcher = SequenceMatcher(None, [_plain(word) for word in words], [_plain(word.text) for word in spoken], autojunk=False)
    common = sum(block.size for block in matcher.get_matching_blocks()) / max(len(words), 1)
    if common < LEAST_COMMON:
        raise SovitsError(f"Whisper heard only {common:.0%} of the transcript's words; correct it, or use a larger whisper.model.")
    times: list[Word] = []
    for kind, start, end, first, last in matcher.get_opcodes():
        if kind == "equal":
            pairs = zip(words[start:end], spoken[first:last], strict=True)
            times += [Word(word, time.start, time.end, time.confidence) for word, time in pairs]
        elif start < end:
            begin = spoken[first].start if first < last else times[-1].end if times else 0.0
            finish = spoken[last - 1].end if first < last else spoken[last].start if last < len(spoken) else begin
            times += _shared(words[start:end], begin, max(finish, begin), [0.0] * (end - start))
    return tuple(times)


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
    edges = [start + (end - start) * sum(weights[:index]) / max(sum(weights), 1) for index in range(len(parts) + 1)]
    return [Word(part, edges[i], edges[i + 1], confidences[i]) for i, part in enumerate(parts)]


def _plain(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())
