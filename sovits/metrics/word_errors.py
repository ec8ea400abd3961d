"""Which words a recognizer hears, against those of the text: WER and CER."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from sovits.errors import SovitsError
from sovits.hearing.clips import is_silent
from sovits.metrics.clips import as_samples
from sovits.metrics.judge import Figure, Reading, SoundJudge
from sovits.text.spoken_words import spoken_words

SAMPLE_RATE = 16000
"""Hz that Whisper hears."""


class HeardText(Protocol):
    """What was understood."""

    @property
    def text(self) -> str: ...


class Transcriber(Protocol):
    """Writes down speech; ``sovits.data.preparation.transcription.WhisperTranscriber`` is one."""

    @property
    def settings(self) -> dict[str, Any]: ...

    def load(self) -> None: ...

    def transcribe(self, samples: np.ndarray) -> HeardText: ...


class WordErrors(SoundJudge):
    """Words replaced, missing and added, by the words of the text; a word is a Latin word or a Chinese character.

    So it is the word error rate of English, the character error rate of Mandarin and the mixed error rate of both. Both sides are read
    out first (``42`` is ``forty two``); case, accents and punctuation do not count. Above 1 where much more is heard than is
    written. In silence nothing is heard: 1. A recognizer guesses words that it half hears and has faults of its own: read the
    figure beside that of the recording, and compare only figures of one recognizer.

    Args:
        speakers: see :class:`~sovits.metrics.judge.Judge`.
        transcriber: hears; where it has to find out the language, a language misheard is words misheard.

    Raises:
        SovitsError: jiwer is not installed, or the transcriber's model cannot be loaded.
    """

    figures = (
        Figure("word_errors", "word errors", "words (Mandarin: characters) that a recognizer hears wrong, by those of the text", False),
    )

    def __init__(self, speakers: Sequence[str], transcriber: Transcriber) -> None:
        super().__init__(speakers)
        try:
            import jiwer  # noqa: F401
        except ImportError as error:
            raise SovitsError("jiwer is not installed; `pip install jiwer`, or leave out the judge WordErrors.") from error
        # A model that is not there is told of now and not at the first clip.
        transcriber.load()
        self.transcriber = transcriber

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        return {"transcriber": self.transcriber.settings}

    def hear(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.SoundJudge`."""
        clip = as_samples(samples, reading.sample_rate, SAMPLE_RATE)
        # Of silence Whisper makes up words.
        heard = "" if is_silent(clip) else self.transcriber.transcribe(clip).text
        errors = word_error_rate(reading.text, heard, reading.language)
        return {} if errors is None else {"word_errors": errors}


def word_error_rate(text: str, heard: str, language: str | None = None) -> float | None:
    """Errors in ``heard`` by the words of ``text``, both as read aloud; None where ``text`` has no word.

    Args:
        language: ``en``, ``zh``, ``mixed`` or None; decides only how numbers without words around them are read.
    """
    import jiwer

    written, listened = spoken_words(text, language), spoken_words(heard, language)
    return float(jiwer.wer(" ".join(written), " ".join(listened))) if written else None
