"""What one is asked to say, and how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sovits.delivery import DURATION_NOISE_SCALE, NOISE_SCALE
from sovits.errors import SovitsError

SPEEDS = (0.25, 4.0)
MOST_NOISE = 2.0
LARGEST_SEED = 2**63


@dataclass(frozen=True)
class Request:
    """One text in one voice; the same request gives the same samples.

    Args:
        text: in any language of the front end, or several in one sentence.
        speaker: a name, or an embedding [E].
        language: of the text; ``None`` finds out.
        seed: of this request's noise.
        noise_scale: variety of the delivery, 0 the most even.
        duration_noise_scale: variety of the rhythm, where the model has a stochastic duration predictor; 0 the most even.
        speed: above 1 speaks faster, 0.25-4.

    Raises:
        SovitsError: a value out of range.
    """

    text: str
    speaker: str | np.ndarray
    language: str | None = None
    seed: int = 0
    noise_scale: float = NOISE_SCALE
    duration_noise_scale: float = DURATION_NOISE_SCALE
    speed: float = 1.0

    def __post_init__(self) -> None:
        if not SPEEDS[0] <= self.speed <= SPEEDS[1]:
            raise SovitsError(f"speed={self.speed} is outside {SPEEDS[0]}-{SPEEDS[1]}; 1 is the speaker's own.")
        for name, usual in (("noise_scale", NOISE_SCALE), ("duration_noise_scale", DURATION_NOISE_SCALE)):
            scale = getattr(self, name)
            if not 0 <= scale <= MOST_NOISE:
                raise SovitsError(f"{name}={scale} is outside 0-{MOST_NOISE:g}; {usual} is usual.")
        if not isinstance(self.seed, int):
            raise SovitsError(f"seed={self.seed} is not a whole number; give one such as 0.")
        if not abs(self.seed) < LARGEST_SEED:
            raise SovitsError(f"seed={self.seed} has more than 63 bits; give a smaller one such as 0.")

    def noise(self) -> np.random.Generator:
        """The source of its noise, from the start: the same on every machine."""
        return np.random.default_rng(self.seed % 2**64)
