"""Cutting a recording at its pauses into utterances, text and audio together.

What is short enough stays whole. What is longer is cut

* by word times, where Whisper gave them: at the longest pauses, rather where a sentence ends, until every piece fits;
* by sentences, where only the text is known: when it has exactly as many sentences as the recording has stretches between long pauses,
  and every sentence takes a plausible time. Anything else would guess which words belong to which sound, and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sovits.data.manifest import Word
from sovits.data.preparation.vad import Stretch
from sovits.errors import SovitsError
from sovits.text.language import HAN_CHARACTER

# After . ! ? and a space, unless a small letter follows or the stop is a title's; after 。！？ always.
_SENTENCE = re.compile(
    r"""(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bProf)(?<!\bvs)[.!?…]+["'”’)\]]*\s+(?![a-z])|[。！？…]+["'”’）》」』]*\s*"""
)
_SENTENCE_END = re.compile(r"""[.!?…。！？]["'”’)\]）》」』]*$""")
_SENTENCE_BONUS = 0.5
"""Seconds by which a pause after a sentence counts as longer than one within."""
_RATE_TOLERANCE = 2.5
"""A sentence may be spoken so many times faster or slower than the recording on the whole."""


@dataclass(frozen=True)
class Cut:
    """A piece of a recording that is to become an utterance."""

    start: float
    """Seconds into the recording, padding included."""
    end: float
    text: str
    words: tuple[Word, ...] = ()
    """Times in seconds from ``start``."""


@dataclass(frozen=True)
class Reject:
    """A piece of a recording that cannot become one."""

    start: float
    end: float
    reason: str
    """What is wrong; what to do about it."""


class Segmenter:
    """Cuts at pauses.

    Args:
        min_seconds, max_seconds: how long an utterance may be, padding included.
        padding: seconds kept before and after the speech, at most half of the pause there.
        sentence_pause: seconds; a silence at least so long may lie between two sentences.
    """

    def __init__(self, min_seconds: float = 1.0, max_seconds: float = 12.0, padding: float = 0.1, sentence_pause: float = 0.5) -> None:
        if min_seconds >= max_seconds:
            raise SovitsError(
                f"segmentation.min_seconds={min_seconds:g} is not below segmentation.max_seconds={max_seconds:g}; change one."
            )
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds
        self.padding = padding
        self.sentence_pause = sentence_pause

    @property
    def settings(self) -> dict[str, float]:
        """What the result depends on, beside the recording."""
        return dict(vars(self))

    def __call__(
        self, stretches: Sequence[Stretch], duration: float, text: str, words: Sequence[Word] = ()
    ) -> tuple[list[Cut], list[Reject]]:
        """Cuts one recording.

        Args:
            stretches: where there is speech, in order; not empty.
            duration: seconds of the recording.
            text: what is said in all of it; empty where nobody tells.
            words: the same with times from the recording's start, if known.
        """
        pieces = [list(stretches)]
        if not self._fits(pieces[0], duration):
            pieces = self._at_pauses(pieces[0], duration, words) if words else _joined(stretches, self.sentence_pause)
        if words:
            shares = _shares(words, pieces)
            texts = ["".join(word.text for word in share).strip() for share in shares] if len(pieces) > 1 else [text]
        elif not text:
            shares, texts = [()] * len(pieces), [""] * len(pieces)
        else:
            shares = [()] * len(pieces)
            texts = split_sentences(text) if len(pieces) > 1 or not self._fits(pieces[0], duration) else [text]
            if problem := _mismatch(texts, pieces):
                return [], [Reject(stretches[0].start, stretches[-1].end, problem)]
        cuts = [self._cut(piece, stretches, duration, text, share) for piece, text, share in zip(pieces, texts, shares, strict=True)]
        return self._checked(self._merged(cuts), told=bool(text))

    def _fits(self, piece: Sequence[Stretch], duration: float) -> bool:
        return min(piece[-1].end + self.padding, duration) - max(piece[0].start - self.padding, 0.0) <= self.max_seconds

    def _at_pauses(self, piece: list[Stretch], duration: float, words: Sequence[Word]) -> list[list[Stretch]]:
        """Halves at the best pause until every piece fits or has no pause left."""
        if self._fits(piece, duration) or len(piece) == 1:
            return [piece]
        shares = _shares(words, [[stretch] for stretch in piece])

        def worth(index: int) -> float:
            ends_sentence = bool(shares[index - 1]) and _SENTENCE_END.search(shares[index - 1][-1].text.strip()) is not None
            return piece[index].start - piece[index - 1].end + _SENTENCE_BONUS * ends_sentence

        best = max(range(1, len(piece)), key=worth)
        return self._at_pauses(piece[:best], duration, words) + self._at_pauses(piece[best:], duration, words)

    def _cut(self, piece: Sequence[Stretch], stretches: Sequence[Stretch], duration: float, text: str, words: Sequence[Word]) -> Cut:
        """Pads a piece, and brings its words into it."""
        before = max((stretch.end for stretch in stretches if stretch.end <= piece[0].start), default=-piece[0].start)
        after = min((stretch.start for stretch in stretches if stretch.start >= piece[-1].end), default=2 * duration - piece[-1].end)
        start = piece[0].start - min(self.padding, (piece[0].start - before) / 2)
        end = piece[-1].end + min(self.padding, (after - piece[-1].end) / 2)
        return Cut(start, end, text, tuple(_inside(word, start, end) for word in words))

    def _merged(self, cuts: list[Cut]) -> list[Cut]:
        """Joins what is too short to the nearer neighbour, where both together are short enough."""
        cuts = list(cuts)
        for short in sorted((cut for cut in cuts if cut.end - cut.start < self.min_seconds), key=lambda cut: cut.start):
            index = next((i for i, cut in enumerate(cuts) if cut == short), None)
            if index is None:
                continue
            neighbours = [(i, i + 1) for i in (index - 1, index) if i >= 0 and i + 1 < len(cuts)]
            pairs = [(i, j) for i, j in neighbours if cuts[j].end - cuts[i].start <= self.max_seconds]
            if pairs:
                i, j = min(pairs, key=lambda pair: cuts[pair[1]].start - cuts[pair[0]].end)
                cuts[i : j + 1] = [_join(cuts[i], cuts[j])]
        return cuts

    def _checked(self, cuts: list[Cut], *, told: bool) -> tuple[list[Cut], list[Reject]]:
        kept, rejected = [], []
        for cut in cuts:
            if problem := self._problem(cut, told=told):
                rejected.append(Reject(cut.start, cut.end, problem))
            else:
                kept.append(cut)
        return kept, rejected

    def _problem(self, cut: Cut, *, told: bool) -> str | None:
        seconds = cut.end - cut.start
        if told and not cut.text:
            return "no word of the text falls into this speech; check the transcript, or cut it out"
        if seconds < self.min_seconds:
            return f"less speech than segmentation.min_seconds={self.min_seconds:g}; record longer sentences or lower it"
        if seconds > self.max_seconds:
            remedy = f"{'' if cut.words else 'set whisper.model to cut it by its words, '}raise it, or cut the recording by hand"
            return f"more speech than segmentation.max_seconds={self.max_seconds:g} and no pause to cut it at; {remedy}"
        return None


def split_sentences(text: str) -> list[str]:
    """``text`` cut after ``. ! ?`` and a space, and after ``。！？``; closing quotes and brackets stay with their sentence."""
    ends = [match.end() for match in _SENTENCE.finditer(text)]
    sentences = [text[start:end].strip() for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [sentence for sentence in sentences if sentence]


def _joined(stretches: Sequence[Stretch], pause: float) -> list[list[Stretch]]:
    """Groups of stretches with pauses of at least ``pause`` seconds between them."""
    groups = [[stretches[0]]]
    for stretch in stretches[1:]:
        if stretch.start - groups[-1][-1].end >= pause:
            groups.append([])
        groups[-1].append(stretch)
    return groups


def _mismatch(sentences: Sequence[str], pieces: Sequence[Sequence[Stretch]]) -> str | None:
    """Why ``sentences`` cannot be what is said in ``pieces``, one each; ``None`` if they can."""
    remedy = "set whisper.model to cut it by its words, raise segmentation.max_seconds, or cut it by hand"
    if len(sentences) != len(pieces):
        return f"the transcript has {len(sentences)} sentence(s), the audio {len(pieces)} stretch(es) between long pauses; {remedy}"
    seconds = [sum(stretch.end - stretch.start for stretch in piece) for piece in pieces]
    weights = [_spoken_length(sentence) for sentence in sentences]
    rate = sum(weights) / sum(seconds)
    for sentence, weight, time in zip(sentences, weights, seconds, strict=True):
        if not rate / _RATE_TOLERANCE <= weight / time <= rate * _RATE_TOLERANCE:
            return f'"{sentence}" cannot be what is said in {time:.1f} s, going by the rest; correct the transcript, or {remedy}'
    return None


def _spoken_length(text: str) -> float:
    """Letters and digits; a Chinese character is spoken for about as long as four letters."""
    return sum(4.0 if HAN_CHARACTER.match(character) else 1.0 for character in text if character.isalnum())


def _shares(words: Sequence[Word], pieces: Sequence[Sequence[Stretch]]) -> list[tuple[Word, ...]]:
    """The words of each piece: a word belongs where it overlaps the speech most, or else to the stretch nearest to its middle.

    Whisper lets the first word after a pause start early, within it: the overlap is what tells.
    """
    shares: list[list[Word]] = [[] for _ in pieces]
    at = 0
    for word in words:
        middle = (word.start + word.end) / 2
        overlaps = [sum(max(min(word.end, s.end) - max(word.start, s.start), 0.0) for s in piece) for piece in pieces]
        away = [min(max(s.start - middle, middle - s.end, 0.0) for s in piece) for piece in pieces]
        # Never back: the words are in order.
        at = max(at, max(range(len(pieces)), key=lambda index: (overlaps[index], -away[index])))
        shares[at].append(word)
    return [tuple(share) for share in shares]


def _inside(word: Word, start: float, end: float) -> Word:
    """The word with its times from ``start``, held between it and ``end``."""
    return replace(word, start=round(min(max(word.start, start), end) - start, 3), end=round(min(max(word.end, start), end) - start, 3))


def _join(left: Cut, right: Cut) -> Cut:
    shift = right.start - left.start
    words = tuple(replace(word, start=round(word.start + shift, 3), end=round(word.end + shift, 3)) for word in right.words)
    space = "" if left.text and (HAN_CHARACTER.match(left.text[-1]) or left.text[-1] in "。！？，、；：") else " "
    return Cut(left.start, right.end, f"{left.text}{space}{right.text}".strip(), left.words + words)
