"""English phones: read by espeak-ng in the context of the whole phrase, or letter by letter without it."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sovits.errors import SovitsError
from sovits.text.language import ENGLISH_WORD, fold_letter, fold_letters
from sovits.text.phonemes import Phone, SpokenWord
from sovits.text.phonemes.word_alignment import align_words
from sovits.text.symbols import ENGLISH_CONSONANTS, ENGLISH_VOWELS, NO_TONE, PRIMARY_STRESS, SECONDARY_STRESS

if TYPE_CHECKING:
    from phonemizer.backend import EspeakBackend

VOICES = ("en-us", "en-gb")
_WORD = re.compile(ENGLISH_WORD)
_LETTER_NAME = re.compile(r"[A-Z](?:'s)?")
_STRESSES = {"ˈ": PRIMARY_STRESS, "ˌ": SECONDARY_STRESS}
_KNOWN_PHONES = frozenset((*ENGLISH_CONSONANTS, *ENGLISH_VOWELS))
_LONGEST_PHONE = max(map(len, _KNOWN_PHONES))
# espeak reads these as "roman two", and Xi as "roman eleven".
_RESPELT = {
    "ii": "two", "iii": "three", "iv": "four", "vi": "six", "vii": "seven", "viii": "eight", "ix": "nine", "xi": "shee", "xii": "twelve",
    "xiii": "thirteen", "xiv": "fourteen", "xv": "fifteen", "xvi": "sixteen", "xix": "nineteen", "xx": "twenty", "xxi": "twenty one",
    "xxv": "twenty five", "xli": "forty one", "xlv": "forty five", "lol": "l o l",
}  # fmt: skip
_LONGEST_PHRASE = 40
"""Words espeak reads at once; it cuts what is much longer at a place of its own."""
_LONGEST_WORD = 40
"""Letters; espeak drops what comes after about sixty."""


class EnglishPhonemizer:
    """IPA phones with stress, by espeak-ng (the extra ``espeak``: GPL-3).

    One engine an instance, made at the first use in each process; calls are serialised, since espeak keeps its state in globals.

    Args:
        voice: ``en-us`` or ``en-gb``.
    """

    def __init__(self, voice: str = "en-us") -> None:
        if voice not in VOICES:
            raise SovitsError(f"text.english.voice={voice} is not supported; use one of {', '.join(VOICES)}.")
        self.voice = voice
        self._start()

    def _start(self) -> None:
        self._engine: EspeakBackend | None = None
        self._lock = threading.RLock()
        self._alone = lru_cache(maxsize=65536)(self._read_alone)

    def __getstate__(self) -> dict[str, Any]:
        return {"voice": self.voice}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.voice = state["voice"]
        self._start()

    def __call__(self, text: str) -> list[SpokenWord]:
        """The words of ``text`` as spoken together (``of the`` -> ``ʌvðə``).

        Raises:
            SovitsError: espeak-ng is not installed.
        """
        words = [(match.start(), match.end(), match[0]) for match in _WORD.finditer(text)]
        spoken: list[SpokenWord] = []
        with self._lock:
            for phrase, is_spelt in _phrases([word for _, _, word in words]):
                readings = (
                    [self._alone(_as_read(word)) for word in phrase]
                    if is_spelt
                    else self._read_together([_as_read(word) for word in phrase])
                )
                for reading in readings:
                    start, end, _ = words[len(spoken)]
                    spoken.append(SpokenWord(start, end, tuple(phone for raw in reading for phone in _phones(raw))))
        return [word for word in spoken if word.phones]

    def _read_together(self, words: list[str]) -> list[tuple[str, ...]]:
        """espeak's phones of each word, as it says them in this phrase."""
        together = [tuple(word) for word in self._espeak(" ".join(words))]
        return align_words([self._alone(word) for word in words], together)

    def _read_alone(self, word: str) -> tuple[str, ...]:
        return tuple(phone for part in self._espeak(word) for phone in part)

    def _espeak(self, text: str) -> list[list[str]]:
        """espeak's words, each a list of its phones with stress marks."""
        from phonemizer.separator import Separator

        if self._engine is None:
            self._engine = _new_engine(self.voice)
        (line,) = self._engine.phonemize([text], separator=Separator(phone="_", word=" ", syllable=""), strip=True)
        words = [[phone for phone in word.split("_") if phone] for word in line.split()]
        return [word for word in words if word]


class EnglishLetters:
    """Letters a-z as they are written, without stress: no GPL part, nothing to install; the networks learn the spelling."""

    def __call__(self, text: str) -> list[SpokenWord]:
        """The words of ``text`` as their letters, accents taken off."""
        return [
            SpokenWord(
                match.start(),
                match.end(),
                tuple(Phone(f"en:{letter}", NO_TONE) for letter in fold_letters(match[0]).lower() if letter.isalpha()),
            )
            for match in _WORD.finditer(text)
        ]


def _new_engine(voice: str) -> EspeakBackend:
    try:
        import espeakng_loader
        from phonemizer.backend import EspeakBackend
        from phonemizer.backend.espeak.wrapper import EspeakWrapper
    except ImportError as error:
        raise SovitsError(
            f"English phones need espeak-ng, which is not installed ({error.name}): "
            "pip install 'sovits[espeak]', or read English by its letters with text=characters."
        ) from error
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    # espeak joins words ("of the"), which the library counts and warns of at every sentence; the words are found again here.
    quiet = logging.getLogger(f"{__name__}.espeak")
    quiet.setLevel(logging.ERROR)
    return EspeakBackend(
        voice, with_stress=True, preserve_punctuation=False, language_switch="remove-flags", words_mismatch="ignore", logger=quiet
    )


def _phrases(words: list[str]) -> Iterator[tuple[list[str], bool]]:
    """Cuts ``words`` into those read together and those spelt (``L O G O``, ``Plan B``), none longer than espeak takes."""
    spelt = [_is_letter_name(words, position) for position in range(len(words))]
    start = 0
    for end in range(1, len(words) + 1):
        if end == len(words) or spelt[end] != spelt[start] or end - start == _LONGEST_PHRASE:
            yield words[start:end], spelt[start]
            start = end


def _is_letter_name(words: list[str], position: int) -> bool:
    """Whether a lone capital is the letter's name: all are, but the pronoun I and an article A that starts a phrase."""
    word = words[position]
    if not _LETTER_NAME.fullmatch(word):
        return False
    if word not in ("A", "I"):
        return True
    neighbours = [*words[max(0, position - 1) : position], *words[position + 1 : position + 2]]
    if any(_LETTER_NAME.fullmatch(neighbour) and neighbour not in ("A", "I") for neighbour in neighbours) or neighbours in (["A"], ["I"]):
        return True
    return word == "A" and position > 0


def _as_read(word: str) -> str:
    """``word`` in small letters, in the letters and lengths espeak knows how to read."""
    lower = word.lower()
    if not lower.isascii():
        # Latin-1 accents (café) are in espeak's dictionary; other letters it would spell out by number.
        lower = "".join(letter if letter < "\u0100" else fold_letter(letter) for letter in lower)
    if lower in _RESPELT:
        return _RESPELT[lower]
    if len(lower) > _LONGEST_WORD:
        return " ".join(lower[start : start + _LONGEST_WORD] for start in range(0, len(lower), _LONGEST_WORD))
    return lower


@lru_cache(maxsize=4096)
def _phones(raw: str) -> tuple[Phone, ...]:
    """espeak's phone in the table's smallest parts: ``ˈɔːɹ`` -> ``ɔː`` stressed, ``ɹ``; the stress goes to the first."""
    tone = NO_TONE
    while raw[:1] in _STRESSES:
        tone, raw = max(tone, _STRESSES[raw[0]]), raw[1:]
    raw = re.sub("ː+", "ː", raw)
    parts: list[Phone] = []
    while raw:
        size = next((size for size in range(min(_LONGEST_PHONE, len(raw)), 0, -1) if raw[:size] in _KNOWN_PHONES), None)
        if size is None:
            raise AssertionError(f"espeak gave phones that the symbol table lacks: {raw!r}; append them to sovits/text/symbols.py.")
        parts.append(Phone(raw[:size], tone if not parts else NO_TONE))
        raw = raw[size:]
    return tuple(parts)
