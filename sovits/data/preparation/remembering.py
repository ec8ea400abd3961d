"""A transcriber that hears the same sound only once, whatever its file is called and whatever is done with it afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

import numpy as np

from sovits.data.manifest import Word
from sovits.data.preparation.content_cache import ContentCache, content_key
from sovits.data.preparation.transcription import Transcript, WhisperTranscriber


class RememberingTranscriber:
    """Another transcriber with its results kept in a cache, by the content of the samples.

    Args:
        transcriber: does the work.
        cache: keeps it.
    """

    def __init__(self, transcriber: WhisperTranscriber, cache: ContentCache) -> None:
        self._transcriber = transcriber
        self._cache = cache
        self.name = transcriber.name

    def transcribe(self, samples: np.ndarray) -> Transcript:
        """See :meth:`WhisperTranscriber.transcribe`."""
        key = self._key(samples, "transcribe")
        kept = self._cache.load(key)
        if kept is None:
            kept = asdict(self._transcriber.transcribe(samples))
            self._cache.save(key, kept)
        return Transcript(**{**kept, "words": _words(kept["words"])})

    def align(self, samples: np.ndarray, text: str) -> tuple[Word, ...]:
        """See :meth:`WhisperTranscriber.align`."""
        key = self._key(samples, "align", text)
        kept = self._cache.load(key)
        if kept is None:
            kept = [asdict(word) for word in self._transcriber.align(samples, text)]
            self._cache.save(key, kept)
        return _words(kept)

    def _key(self, samples: np.ndarray, *asked: str) -> str:
        return content_key(hashlib.sha256(samples.tobytes()).hexdigest(), self._transcriber.settings, asked)


def _words(rows: list[dict[str, Any]]) -> tuple[Word, ...]:
    return tuple(Word(**row) for row in rows)
