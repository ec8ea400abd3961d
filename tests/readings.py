"""Readings for judges, from arrays."""

from __future__ import annotations

import numpy as np

from sovits.metrics import Reading, Recording


def reading(
    name: str,
    speaker: str,
    recording: np.ndarray,
    synthesis: np.ndarray,
    rate: int,
    *,
    text: str = "hello",
    language: str = "en",
    reconstruction: np.ndarray | None = None,
) -> Reading:
    """One sentence as said by the speaker and by a model, [T_samples] at ``rate`` Hz."""
    return Reading(Recording(name, speaker, recording, rate), text, language, synthesis, reconstruction)
