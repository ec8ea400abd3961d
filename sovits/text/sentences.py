"""A text of any length as sentences short enough to be spoken in one breath of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_CHARACTERS = 200
"""Of a sentence: about 15 s of English, as long as anything the model was trained on; Chinese says more in fewer."""

_HALF = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"\w")
# Where a sentence that is too long is cut, the best place first: after a clause, between words, anywhere.
_CUTS = (re.compile(r"[;:；：—]\s*"), re.compile(r"[,，、]\s*"), re.compile(r"\s+"))


def split_sentences(text: str, most_characters: int = MOST_CHARACTERS) -> list[str]:
    """The sentences of ``text`` in order, without the space around them and without those that hold no word.

    Args:
        text: English, Mandarin or both, as a person wrote it; a line break ends no sentence, an empty line does.
        most_characters: longer sentences are cut where a speaker would pause, else between words, else anywhere.
    """
    from sentencex import segment

    # Half of a surrogate pair is no character, and the library takes none.
    whole = (" ".join(sentence.split()) for sentence in segment("en", _HALF.sub("\ufffd", text)))
    return [part for sentence in whole for part in _parts(sentence, most_characters) if _WORD.search(part)]


def _parts(sentence: str, most: int) -> Iterator[str]:
    while len(sentence) > most:
        cut = next((place for pattern in _CUTS if (place := _last_end(pattern, sentence, most))), most)
        yield sentence[:cut].strip()
        sentence = sentence[cut:].strip()
    yield sentence


def _last_end(pattern: re.Pattern[str], sentence: str, most: int) -> int:
    """Behind the last match that ends in reach and leaves no crumb; 0 for none."""
    return max((match.end() for match in pattern.finditer(sentence, 0, most) if match.end() > most // 4), default=0)
