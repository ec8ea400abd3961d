"""Where in a recording somebody speaks: silero-vad, from the weights in its wheel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

VAD_RATE = 16000
"""Hz; the rate the model was trained at."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of speech without a pause in it, in seconds."""

    start: float
    end: float


class VoiceActivityDetector:
    """Finds stretches of speech. The model is loaded at the first call.

    Args:
        threshold: probability of speech above which a 32 ms window counts, 0-1.
        min_speech: seconds; a shorter stretch (a click, a breath) is not speech.
        min_pause: seconds; a shorter silence is part of the speech around it.
    """

    def __init__(self, threshold: float = 0.5, min_speech: float = 0.2, min_pause: float = 0.2) -> None:
        self.threshold = threshold
        self.min_speech = min_speech
        self.min_pause = min_pause
        self._model: Any = None

    @property
    def settings(self) -> dict[str, float]:
        """What the result depends on, beside the samples."""
        return {"threshold": self.threshold, "min_speech": self.min_speech, "min_pause": self.min_pause}

    def __call__(self, samples: np.ndarray) -> list[Stretch]:
        """[T_samples] at 16 kHz -> the stretches of speech, in order."""
        import torch

        # The windows are tiny: more threads than one make them some four times slower. (Importing silero_vad sets one, for good.)
        threads = torch.get_num_threads()
        try:
            from silero_vad import get_speech_timestamps, load_silero_vad

            torch.set_num_threads(1)
            if self._model is None:
                self._model = load_silero_vad()
            found = get_speech_timestamps(
                torch.from_numpy(samples),
                self._model,
                threshold=self.threshold,
                sampling_rate=VAD_RATE,
                min_speech_duration_ms=round(self.min_speech * 1000),
                min_silence_duration_ms=round(self.min_pause * 1000),
                speech_pad_ms=0,
            )
        finally:
            torch.set_num_threads(threads)
        return [Stretch(stretch["start"] / VAD_RATE, min(stretch["end"], len(samples)) / VAD_RATE) for stretch in found]
