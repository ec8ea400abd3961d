"""espeak-ng's library: speech for texts, and when each word of it is said. For the demo, and for tests with a known answer."""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sovits.errors import SovitsError

# Numbers of espeak-ng's C interface (speak_lib.h).
_RETRIEVAL, _UTF8, _CHARACTER_POSITION = 2, 1, 1
_PHONEME_EVENTS = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_LIST_END, _WORD, _CLAUSE_END, _PHONEME = 0, 1, 5, 7
_PAUSES = (b"_", b"_:")
_SEED = 1
_SILENCE = 1e-3
"""Of full scale; what is softer at the ends is cut off."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("message", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


_SampleCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class WordEvent:
    """A word as espeak-ng reports it. What it speaks as one (``in the``) is one."""

    text: str
    start: float
    """s from the first sample."""
    end: float
    """s; where the next word or a pause begins."""


@dataclass(frozen=True)
class Speech:
    """A text, spoken."""

    samples: np.ndarray
    """float32 [T_samples], without silent edges."""
    words: tuple[WordEvent, ...]


@dataclass(frozen=True)
class _Mark:
    """An event, with its time in samples."""

    type: int
    sample: int
    text_position: int
    name: bytes


class Espeak:
    """espeak-ng's library, ready to speak; opened by :func:`open_espeak`."""

    def __init__(self, library: Any, sample_rate: int) -> None:
        self._library = library
        self.sample_rate = sample_rate
        """Hz."""

    def speak(self, text: str, voice: str, *, rate: int = 175, pitch: int = 50, pitch_range: int = 50) -> Speech:
        """``text`` in a voice.

        Args:
            voice: espeak-ng's language and, after ``+``, its variant.
            rate: words a minute.
            pitch: 0-100, espeak-ng's scale; 50 is the voice's own.
            pitch_range: 0-100; 50 is the voice's own.

        Raises:
            SovitsError: there is no such voice, or it makes no sound of ``text``.
        """
        chunks: list[np.ndarray] = []
        marks: list[_Mark] = []

        @_SampleCallback
        def collect(samples: Any, count: int, events: Any) -> int:
            if count > 0:
                chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
            for event in events:  # ends at a mark, not at a length
                if event.type == _LIST_END:
                    break
                marks.append(_Mark(event.type, event.sample, event.text_position, event.name))
            return 0

        self._library.espeak_SetSynthCallback(collect)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SovitsError(f"espeak-ng has no voice {voice}; choose another, or reinstall espeakng-loader 0.2.4 or newer.")
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, _CHARACTER_POSITION, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate([np.zeros(0, np.int16), *chunks]).astype(np.float32) / 32768
        loud = np.flatnonzero(np.abs(samples) > _SILENCE)
        if len(loud) == 0:
            raise SovitsError(f"espeak-ng makes no sound of {text!r} in the voice {voice}; give it words.")
        first, last = int(loud[0]), int(loud[-1]) + 1
        return Speech(samples[first:last], _words(text, marks, first, last, self.sample_rate))


@contextmanager
def open_espeak() -> Iterator[Espeak]:
    """A copy of espeak-ng's library of its own.

    The library keeps the state of its voice between calls, and re-initialising does not clear it. Loaded from a new file, it starts
    anew: a voice then sounds the same whatever was spoken before, here or in the text front end.

    Raises:
        SovitsError: espeak-ng is not installed, or its data are damaged.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise SovitsError('espeak-ng is not installed; `pip install "sovits[espeak]"`, or use recordings of your own.') from error
    source = Path(espeakng_loader.get_library_path())
    # A loaded library cannot be deleted on every system.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library: Any = ctypes.CDLL(str(shutil.copy(source, folder)))
        data = espeakng_loader.get_data_path()
        sample_rate = library.espeak_Initialize(_RETRIEVAL, 0, data.encode(), _PHONEME_EVENTS)
        if sample_rate <= 0:
            raise SovitsError(f"espeak-ng could not read its data at {data}; reinstall espeakng-loader.")
        # Some voices flutter at random, seeded with the time of day.
        library.espeak_ng_SetRandSeed(_SEED)
        try:
            yield Espeak(library, sample_rate)
        finally:
            library.espeak_Terminate()


def _words(text: str, marks: Sequence[_Mark], first: int, last: int, sample_rate: int) -> tuple[WordEvent, ...]:
    """Words on the time line of samples ``first`` to ``last``: each ends where the next begins, or the pause before it."""
    starts = [index for index, mark in enumerate(marks) if mark.type == _WORD]
    words = []
    for number, index in enumerate(starts):
        following = starts[number + 1] if number + 1 < len(starts) else len(marks)
        # Positions count from 1. What belongs to no event is spoken with the word before.
        text_end = marks[following].text_position - 1 if following < len(marks) else len(text)
        until = (mark.sample for mark in marks[index + 1 :] if _ends_word(mark))
        start, end = (min(max(sample, first), last) for sample in (marks[index].sample, next(until, last)))
        spoken = text[marks[index].text_position - 1 : text_end].strip()
        words.append(WordEvent(spoken, (start - first) / sample_rate, (end - first) / sample_rate))
    return tuple(words)


def _ends_word(mark: _Mark) -> bool:
    return mark.type in (_WORD, _CLAUSE_END) or (mark.type == _PHONEME and mark.name in _PAUSES)
