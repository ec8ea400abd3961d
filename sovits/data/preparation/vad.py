"""Where in a recording somebody speaks: silero-vad, from the weights in its wheel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
        if self._model is None:
            self._model = _load()
        from silero_vad.sequence_vad import get_speech_timestamps_sequence

        found = get_speech_timestamps_sequence(
            samples,
            self._model,
            threshold=self.threshold,
            sampling_rate=VAD_RATE,
            min_speech_duration_ms=round(self.min_speech * 1000),
            min_silence_duration_ms=round(self.min_pause * 1000),
            speech_pad_ms=0,
        )
        return [Stretch(stretch["start"] / VAD_RATE, min(stretch["end"], len(samples)) / VAD_RATE) for stretch in found]


def _load() -> Any:
    """The form of the model that takes many windows at once: the same stretches as the usual one, six times faster."""
    import torch

    # Importing silero_vad sets torch to one thread for the whole process.
    threads = torch.get_num_threads()
    from silero_vad import load_silero_vad

    torch.set_num_threads(threads)
    return load_silero_vad(onnx=True, sequence=True)


class CondensedSpeech:
    """A recording's speech with its pauses shortened, for a listener that loses its place in a long silence.

    Args:
        samples: [T_samples] of the recording at ``VAD_RATE``.
        stretches: its speech, in order; not empty.
        pause: seconds that are kept of a longer pause; half of it before the first stretch and after the last.
    """

    def __init__(self, samples: np.ndarray, stretches: Sequence[Stretch], pause: float = 0.3) -> None:
        starts = [*(round(stretch.start * VAD_RATE) for stretch in stretches), len(samples)]
        ends = [0, *(round(stretch.end * VAD_RATE) for stretch in stretches)]
        most = round(pause / 2 * VAD_RATE)
        margins = [min(most, (start - end) // 2) for end, start in zip(ends, starts, strict=True)]
        margins[0], margins[-1] = min(most, starts[0]), min(most, starts[-1] - ends[-1])
        pieces = [(starts[i] - margins[i], ends[i + 1] + margins[i + 1]) for i in range(len(stretches))]
        self.samples = np.concatenate([samples[start:end] for start, end in pieces])
        self._starts = [start for start, _ in pieces]
        self._joints = np.cumsum([0, *(end - start for start, end in pieces)])

    @property
    def seconds(self) -> float:
        """Of what is left."""
        return len(self.samples) / VAD_RATE

    def original(self, start: float, end: float) -> tuple[float, float]:
        """A span of the condensed speech, in seconds, as it lies in the recording."""
        # What starts at a joint starts with the stretch after it; what ends there ends with the one before.
        begin = self._original_sample(round(start * VAD_RATE), "right")
        finish = self._original_sample(round(end * VAD_RATE), "left")
        return begin / VAD_RATE, max(begin, finish) / VAD_RATE

    def _original_sample(self, sample: int, side: Literal["left", "right"]) -> int:
        sample = min(sample, len(self.samples))
        piece = min(max(int(np.searchsorted(self._joints, sample, side=side)) - 1, 0), len(self._starts) - 1)
        return self._starts[piece] + sample - int(self._joints[piece])
