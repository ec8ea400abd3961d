"""A voice between others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sovits.errors import SovitsError

SHORTEST = 1e-3
"""Of the weighted mean; below it the voices cancel each other out and nothing is left that tells a voice."""


def blend(embeddings: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """The weighted mean of embeddings [E] of norm 1, brought to norm 1 itself.

    Several clips of one speaker make a steadier voice than one; speakers make a voice that nobody has.

    Args:
        embeddings: one or more [E].
        weights: of each, above 0; only their proportions matter.

    Raises:
        SovitsError: nothing to blend, a weight that is no number above 0, or voices that cancel each other out.
    """
    if not embeddings:
        raise SovitsError("There is no voice to blend; name at least one.")
    for weight in weights:
        if not (isinstance(weight, int | float) and 0 < weight < math.inf):
            raise SovitsError(f"A voice's weight of {weight} is not a number above 0; leave the voice out, or give it a share such as 0.5.")
    shares = np.array(weights, dtype=np.float32) / sum(weights)
    mean = shares @ np.stack([embedding / np.linalg.norm(embedding) for embedding in embeddings]).astype(np.float32)
    length = np.linalg.norm(mean)
    if not length > SHORTEST:
        raise SovitsError("These voices cancel each other out; give one of them more weight.")
    return mean / length
