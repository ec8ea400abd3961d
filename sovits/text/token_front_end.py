"""The text front end without phones: the networks read byte-pair tokens, and learn how they sound."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence

from sovits.errors import SovitsError
from sovits.text.encoding import EncodedText, SpokenSpan
from sovits.text.language import ENGLISH, ENGLISH_WORD, HAN, HAN_CHARACTER, LATIN_LETTER, MANDARIN
from sovits.text.normalization import normalize
from sovits.text.symbols import EDGE, LANGUAGE_IDS, LANGUAGES, NO_TONE, PAD, TONES, check_size
from sovits.text.tokenization import Piece, SemanticTokenizer

RESERVED = (PAD, EDGE)
"""Ids before the tokens': token 0 is the first after them."""
_EDGE_ID = RESERVED.index(EDGE)
_WORD = re.compile(rf"[{HAN}]|{ENGLISH_WORD}")


class TokenFrontEnd:
    """Text -> :class:`EncodedText` whose units, in the place of phones, are the tokens that the semantic encoder reads too.

    It needs no pronouncing dictionary, and knows nothing that one would tell: which reading a Chinese character has, where stress
    falls, that *phone* begins like *fog*, that *Yes* at the start of a sentence is the *yes* in it. A token that no training text has
    keeps the random embedding it was born with, so this wants many hours of speech. GPT-2's tokens (Radford et al. 2019, byte pairs
    of mostly English text) hold about five characters of English, but a Chinese character costs one to three of them, 2.2 on average:
    most are only a part of it, and their sequence says which it is. A tokenizer trained on both languages does better.

    Deterministic, picklable, safe to call from several threads.

    Args:
        tokenizer: Makes the units, of the whole normalised text, and the semantic tokens, which are the same cut at its ``max_length``.
        vocabulary: Size of the networks' table of units; at least the tokenizer's and ``RESERVED``.
        tones: Size of their tone embedding, of which only "no tone" is used.
        languages: Size of their language embedding.
        edges: Puts a silence at both ends: clips are padded at their cuts, and the first and last token should not stretch over it.

    Raises:
        SovitsError: a declared size is smaller than its table.
    """

    def __init__(
        self,
        tokenizer: SemanticTokenizer,
        vocabulary: int = 50259,
        tones: int = 16,
        languages: int = 8,
        *,
        edges: bool = True,
    ) -> None:
        needed = tokenizer.vocabulary_size + len(RESERVED)
        if vocabulary < needed:
            raise SovitsError(
                f"text.vocabulary={vocabulary} is smaller than the {needed} ids that text.tokenizer ({tokenizer.name}) needs, "
                f"{len(RESERVED)} reserved ones and {needed - len(RESERVED)} of tokens; set text.vocabulary={needed} or more."
            )
        check_size("tones", tones, TONES)
        check_size("languages", languages, LANGUAGES)
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.tones = tones
        self.languages = languages
        self.edges = edges

    def __call__(self, text: str, language: str | None = None) -> EncodedText:
        """Normalises and tokenises ``text``.

        Args:
            language: ``en``, ``zh``, ``mixed`` or None (found out); only a text without a word of either needs it.

        Raises:
            SovitsError: nothing to say, an unsupported script, an unknown language, or a word that the tokenizer has no token for.
        """
        normalized = normalize(text, language)
        pieces = self.tokenizer.pieces(normalized)
        self._check_covered(normalized, pieces)
        length = min(len(pieces), self.tokenizer.max_length)
        symbols = _labels(normalized, pieces)
        units = [len(RESERVED) + piece.id for piece in pieces]
        languages = [LANGUAGE_IDS[spoken] for spoken in _languages(normalized, pieces)]
        phone_to_token = [min(position, length - 1) for position in range(len(pieces))]
        if self.edges:
            symbols = [EDGE, *symbols, EDGE]
            units = [_EDGE_ID, *units, _EDGE_ID]
            languages = [languages[0], *languages, languages[-1]]
            phone_to_token = [phone_to_token[0], *phone_to_token, phone_to_token[-1]]
        return EncodedText(
            text=normalized,
            symbols=symbols,
            phones=units,
            tones=[NO_TONE] * len(units),
            languages=languages,
            tokens=[piece.id for piece in pieces[:length]],
            phone_to_token=phone_to_token,
            words=_words(normalized, pieces, int(self.edges)),
        )

    def _check_covered(self, text: str, pieces: Sequence[Piece]) -> None:
        """Refuses what would be skipped in silence: a byte-pair tokenizer without all bytes drops what it was not trained on."""
        covered = {position for piece in pieces if not piece.unknown for position in range(piece.start, piece.end)}
        lost = [character for position, character in enumerate(text) if position not in covered and _script(character)]
        if lost:
            shown = " ".join(dict.fromkeys(lost[:10]))
            raise SovitsError(
                f"The tokenizer {self.tokenizer.name} has no token for {shown} in {text[:40]!r}, so it could not be spoken; "
                "choose a byte-level one in text.tokenizer.source, or null for GPT-2's."
            )


def _script(text: str) -> str | None:
    """The language of the first letter or Chinese character in ``text``."""
    return next((MANDARIN if HAN_CHARACTER.match(c) else ENGLISH for c in text if HAN_CHARACTER.match(c) or LATIN_LETTER.match(c)), None)


def _languages(text: str, pieces: Sequence[Piece]) -> list[str]:
    """By script; a token of punctuation or spaces has the language of the words before it, or of the first word."""
    current = _script(text) or ENGLISH
    found = []
    for piece in pieces:
        current = _script(text[piece.start : piece.end]) or current
        found.append(current)
    return found


def _words(text: str, pieces: Sequence[Piece], offset: int) -> tuple[SpokenSpan, ...]:
    """Every word with the units that hold any of it; Chinese characters that share a token are one word."""
    spans: list[SpokenSpan] = []
    # Tokens stand in the order of the text.
    starts, ends = [piece.start for piece in pieces], [piece.end for piece in pieces]
    for word in _WORD.finditer(text):
        first, end = bisect_right(ends, word.start()), bisect_left(starts, word.end())
        span = SpokenSpan(word[0], offset + first, offset + end)
        if spans and span.first < spans[-1].end:
            before = spans.pop()
            span = SpokenSpan(before.text + span.text, before.first, span.end)
        spans.append(span)
    return tuple(spans)


def _labels(text: str, pieces: Sequence[Piece]) -> list[str]:
    """The characters of each token with ``_`` for a space; of one that several tokens share each writes its turn: ``你/1``, ``你/2``."""
    sharing = Counter(position for piece in pieces for position in range(piece.start, piece.end))
    turns: Counter[int] = Counter()
    labels = []
    for piece in pieces:
        covered = range(piece.start, piece.end)
        turns.update(covered)
        written = "".join(text[place] + (f"/{turns[place]}" if sharing[place] > 1 else "") for place in covered)
        # Some tokenizers give a space no characters.
        labels.append(written.replace(" ", "_") or "_")
    return labels
