"""Speech made faster or slower at the same pitch: how many frames a clip then has, and its samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sovits.errors import SovitsError

BLOCK, INTERVAL = 0.06, 0.02
"""Seconds of a block of the stretching and from one to the next: some periods of a low voice, and shorter than a syllable. Longer blocks,
made for music, are slower and blur speech more."""


class Speed:
    """Factors of tempo: 1.1 speaks a tenth faster."""

    def __init__(self, least: float = 0.9, most: float = 1.1, probability: float = 1.0) -> None:
        """
        Args:
            least, most: between which the factor is drawn.
            probability: of changing a clip at all.

        Raises:
            SovitsError: factors outside 0.5-2 or in the wrong order, or no probability.
        """
        if not 0.5 <= least <= most <= 2:
            raise SovitsError(
                f"data.augmentation.speed: least={least} and most={most} must be factors from 0.5 to 2, the first not above the second."
            )
        if not 0 <= probability <= 1:
            raise SovitsError(f"data.augmentation.speed.probability={probability} is not between 0 and 1.")
        self.least, self.most, self.probability = least, most, probability


class Tempo:
    """Chooses how many frames each draw of a clip has, so that the batches can be planned for what will be in them.

    A clip is left as it is where the change would leave fewer frames than phones (no alignment exists) or more than a batch may hold.
    """

    def __init__(self, frames: Sequence[int], fewest: Sequence[int], most: int, speed: Speed) -> None:
        """
        Args:
            frames: of every clip as it is.
            fewest: frames that each clip needs: as many as it has phones.
            most: frames that any clip may have.
            speed: how much faster or slower.
        """
        self._frames, self._fewest, self.most, self.speed = np.asarray(frames), np.asarray(fewest), most, speed

    def frames(self, clips: Sequence[int], random: np.random.Generator) -> np.ndarray:
        """Frames [N] of each of ``clips`` this time."""
        own, fewest = self._frames[np.asarray(clips)], self._fewest[np.asarray(clips)]
        factors = random.uniform(self.speed.least, self.speed.most, len(own))
        factors[random.random(len(own)) >= self.speed.probability] = 1.0
        wanted = np.round(own / factors).astype(int)
        return np.where((wanted < fewest) | (wanted > self.most), own, wanted)

    def facts(self) -> tuple[object, ...]:
        """All that the frames depend on."""
        return self._fewest.tolist(), self.most, self.speed.least, self.speed.most, self.speed.probability


def stretch(samples: np.ndarray, length: int, sample_rate: int) -> np.ndarray:
    """Speaks [T_samples] float32 in ``length`` samples at the same pitch.

    By Signalsmith's spectral stretching, which keeps the phases of neighbouring bins together. At factors near 1 that sounds much
    cleaner than a plain phase vocoder, which smears consonants, and than overlapping pieces of waveform, which doubles them.
    """
    from python_stretch.Signalsmith import Stretch

    stretcher = Stretch(0)  # a seed, as it may draw phases
    stretcher.configure(1, round(BLOCK * sample_rate), round(INTERVAL * sample_rate))
    stretcher.timeFactor = len(samples) / length
    stretched = np.asarray(stretcher.process(np.ascontiguousarray(samples, dtype=np.float32)[np.newaxis]))[0][:length]
    # Its length is rounded down.
    return np.pad(stretched, (0, length - len(stretched)))
