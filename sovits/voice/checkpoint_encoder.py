"""The speaker encoder of a trained model, for making a voice bank of a set that the model has not seen."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sovits.hearing.clips import is_silent
from sovits.voice.base import located
from sovits.voice.exported import content_hash
from sovits.voice.voice import SHORTEST_REFERENCE, Voice


class CheckpointEncoder:
    """A ``VoiceEncoder`` that hears as a checkpoint does: its voices can be spoken with by that model, untrained.

    Args:
        checkpoint: of a training run, or ``base``.
        device: ``cpu`` or ``cuda``.

    Raises:
        SovitsError: it is missing or cannot be loaded.
    """

    def __init__(self, checkpoint: str, device: str = "cpu") -> None:
        self.checkpoint = located(Path(checkpoint).expanduser())
        self.voice = Voice.load(self.checkpoint, device=device)
        self.sample_rate: int = self.voice.sample_rate
        self.channels: int = self.voice.embedding_size

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What its vectors depend on, beside the clip; plain values."""
        return {"encoder": "checkpoint", "content": content_hash(self.checkpoint)}

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """[T_samples] in [-1, 1] at ``sample_rate`` -> [channels] of length 1; all zeros for a silent clip."""
        if is_silent(samples):
            return np.zeros(self.channels, dtype=np.float32)
        # A very short clip is heard several times over.
        long_enough = np.resize(samples, max(len(samples), round(SHORTEST_REFERENCE * self.sample_rate)))
        return self.voice.embed(long_enough)
