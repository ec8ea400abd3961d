"""Words of the text that are not said, or said more than once, as figures of a speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sovits.hearing.english_recognizer import EnglishRecognizer
from sovits.hearing.word_coverage import EVIDENCE, find_coverage
from sovits.metrics.judge import Figure, Reading, SoundJudge
from sovits.text.language import ENGLISH


class WordCoverage(SoundJudge):
    """Shares of the text's words that are skipped and repeated, see ``find_coverage``. English only; others get no figure.

    Args:
        speakers: see :class:`~sovits.metrics.judge.Judge`.
        recognizer: aligns; one may be shared between judges.
    """

    figures = (
        Figure("skipped_words", "skipped words", "share of the text's words that are not said", False, 3),
        Figure("repeated_words", "repeated words", "share of the text's words that are said more than once", False, 3),
        Figure(
            "coverage_confidence", "coverage confidence", "how sure it is that words are (or none is) skipped or repeated, 0.5 to 1", True
        ),
    )

    def __init__(self, speakers: Sequence[str], recognizer: EnglishRecognizer) -> None:
        super().__init__(speakers)
        self.recognizer = recognizer

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        return {**self.recognizer.settings, "evidence": EVIDENCE}

    def hear(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.SoundJudge`."""
        if reading.language != ENGLISH:
            return {}
        coverage = find_coverage(self.recognizer, samples, reading.sample_rate, reading.text)
        if coverage is None:
            return {}
        words = len(coverage.words)
        return {
            "skipped_words": len(coverage.skipped) / words,
            "repeated_words": len(coverage.repeated) / words,
            "coverage_confidence": coverage.confidence,
        }
