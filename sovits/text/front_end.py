"""The text front end: a sentence as written in, everything the networks read of it out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sovits.errors import SovitsError
from sovits.text.encoding import EncodedText, SpokenSpan
from sovits.text.language import ENGLISH, HAN, LATIN, MANDARIN
from sovits.text.normalization import normalize
from sovits.text.phonemes import Phone, Phonemizer, SpokenWord
from sovits.text.symbols import BLANK, EDGE, LANGUAGE_IDS, NO_TONE, SPACE, SYMBOL_IDS, check_sizes, written
from sovits.text.tokenization import SemanticTokenizer

_ENGLISH_STRETCH = rf"[{LATIN}][{LATIN}'\"\- ]*"
_PART = re.compile(rf"(?P<en>{_ENGLISH_STRETCH})|(?P<zh>[{HAN}]+)|(?P<stops>[,.!?;:…—()][,.!?;:…—()\s\"']*)|.", re.DOTALL)
# Of several marks in a row, the one that says most about the melody before it is spoken; brackets pause like commas.
_STRONGEST_FIRST = "?!….;:—,"


@dataclass(frozen=True, slots=True)
class _Spoken:
    """One phone with its place in the text."""

    symbol: str
    tone: int
    language: str
    character: int
    """The first character of the word or mark it comes from."""
    word_end: int = 0
    """One past the last character of its word; 0 for what is no part of one."""


class TextFrontEnd:
    """Text -> :class:`EncodedText`; deterministic, picklable, safe to call from several threads.

    Args:
        english: Reads stretches of English; ``EnglishPhonemizer`` or ``EnglishLetters``.
        mandarin: Reads stretches of Mandarin.
        tokenizer: Makes the semantic tokens of the whole normalised text.
        vocabulary: Size of the networks' phone embedding; at least the symbol table's.
        tones: Size of their tone embedding.
        languages: Size of their language embedding.
        intersperse: Puts a blank before, between and after all phones, as VITS does. Off by default: at hop 512 there are 43 frames
            a second, alignment needs a frame a phone, and fast speech (15 phones a second, doubled) would come close to that.
        word_boundaries: Puts a boundary between words of which one is English: where an unpunctuated pause can go.
        edges: Puts a silence at both ends: clips are padded at their cuts, and the first and last phone should not stretch over it.

    Raises:
        SovitsError: a declared size is smaller than its table.
    """

    def __init__(
        self,
        english: Phonemizer,
        mandarin: Phonemizer,
        tokenizer: SemanticTokenizer,
        vocabulary: int = 512,
        tones: int = 16,
        languages: int = 8,
        *,
        intersperse: bool = False,
        word_boundaries: bool = True,
        edges: bool = True,
    ) -> None:
        check_sizes(vocabulary, tones, languages)
        self.english = english
        self.mandarin = mandarin
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.tones = tones
        self.languages = languages
        self.intersperse = intersperse
        self.word_boundaries = word_boundaries
        self.edges = edges

    def __call__(self, text: str, language: str | None = None) -> EncodedText:
        """Normalises, reads and tokenises ``text``.

        Args:
            language: ``en``, ``zh``, ``mixed`` or None (found out); only a text without a word of either needs it.

        Raises:
            SovitsError: nothing to say, an unsupported script, a character without a reading, or an unknown language.
        """
        normalized = normalize(text, language)
        spoken = self._framed(self._spoken(normalized))
        tokens = self.tokenizer(normalized)
        length = min(len(tokens.ids), self.tokenizer.max_length)
        return EncodedText(
            text=normalized,
            symbols=[written(phone.symbol, phone.tone) for phone in spoken],
            phones=[SYMBOL_IDS[phone.symbol] for phone in spoken],
            tones=[phone.tone for phone in spoken],
            languages=[LANGUAGE_IDS[phone.language] for phone in spoken],
            tokens=tokens.ids[:length],
            phone_to_token=[min(tokens.token_of_character[phone.character], length - 1) for phone in spoken],
            words=_words(normalized, spoken),
        )

    def _spoken(self, text: str) -> list[_Spoken]:
        """The phones of the words and marks of ``text``, in order."""
        spoken: list[_Spoken] = []
        previous: str | None = None
        pending: _Spoken | None = None
        word_end = 0
        for language, word in self._words(text):
            if language is None:
                if spoken:
                    pending = _Spoken(word.phones[0].symbol, NO_TONE, spoken[-1].language, word.start)
                continue
            if pending:
                spoken.append(pending)
            elif self.word_boundaries and previous and ENGLISH in (previous, language):
                spoken.append(_Spoken(SPACE, NO_TONE, previous, word_end))
            spoken += [_Spoken(phone.symbol, phone.tone, language, word.start, word.end) for phone in word.phones]
            previous, pending, word_end = language, None, word.end
        if not spoken:
            raise SovitsError(f"Nothing in {text[:40]!r} can be spoken; give at least one word of English or Mandarin.")
        return [*spoken, pending] if pending else spoken

    def _words(self, text: str) -> Iterator[tuple[str | None, SpokenWord]]:
        """Words with their language, and punctuation without one, offsets in ``text``."""
        for part in _PART.finditer(text):
            offset = part.start()
            if part.lastgroup == "stops":
                yield None, _stop(part[0], offset)
            elif part.lastgroup in (ENGLISH, MANDARIN):
                phonemizer = self.english if part.lastgroup == ENGLISH else self.mandarin
                for word in phonemizer(part[0]):
                    yield part.lastgroup, SpokenWord(word.start + offset, word.end + offset, word.phones)

    def _framed(self, spoken: list[_Spoken]) -> list[_Spoken]:
        """With silence at the ends and blanks between, as configured."""
        if self.edges:
            first, last = spoken[0], spoken[-1]
            spoken = [
                _Spoken(EDGE, NO_TONE, first.language, first.character),
                *spoken,
                _Spoken(EDGE, NO_TONE, last.language, last.character),
            ]
        if not self.intersperse:
            return spoken
        framed = [_blank(spoken[0])]
        for phone, following in zip(spoken, [*spoken[1:], None], strict=True):
            inside = following is not None and (phone.character, phone.word_end) == (following.character, following.word_end)
            framed += [phone, _blank(phone, phone.word_end if inside else 0)]
        return framed


def _blank(beside: _Spoken, word_end: int = 0) -> _Spoken:
    return _Spoken(BLANK, NO_TONE, beside.language, beside.character, word_end)


def _words(text: str, spoken: Sequence[_Spoken]) -> tuple[SpokenSpan, ...]:
    spans, first = [], 0
    for (start, end), phones in groupby(spoken, key=lambda phone: (phone.character, phone.word_end)):
        last = first + sum(1 for _ in phones)
        if end:
            spans.append(SpokenSpan(text[start:end], first, last))
        first = last
    return tuple(spans)


def _stop(marks: str, offset: int) -> SpokenWord:
    strongest = next((mark for mark in _STRONGEST_FIRST if mark in marks), ",")
    return SpokenWord(offset, offset + len(marks), (Phone(strongest, NO_TONE),))
