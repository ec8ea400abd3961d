"""Readings for judges, from arrays."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from sovits.metrics import Reading, Recording

# The one judge that needs a C compiler to install; the tests' environment is complete without it.
HAS_PESQ = find_spec("pesq") is not None


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
