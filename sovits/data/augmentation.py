"""Training clips as other rooms, levels and backgrounds would have them; speed is in ``tempo``, as it changes the batches too.

Every change is drawn from the generator it is given, so that a clip's comes out the same in any process, and keeps the length.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import scipy.fft
import scipy.signal
import soundfile

from sovits.audio.waveform import READABLE, read_waveform
from sovits.data.tempo import Speed
from sovits.errors import SovitsError

SILENCE = 1e-6
"""Root mean square below which there is nothing to measure a level against."""
REVERBERATION_DECAY = 60.0
"""dB that a room's reverberation time is counted to."""


class Change(Protocol):
    """What may be done to a clip, with some probability."""

    probability: float

    def __call__(self, samples: np.ndarray, sample_rate: int, random: np.random.Generator) -> np.ndarray:
        """[T_samples] float32 -> the same length."""
        ...


class Gain:
    """Another level, but not so loud that a peak would clip."""

    def __init__(self, least_db: float = -6.0, most_db: float = 6.0, probability: float = 0.5) -> None:
        """
        Args:
            least_db, most_db: between which the gain is drawn.
            probability: of changing a clip at all.

        Raises:
            SovitsError: bounds in the wrong order, or no probability.
        """
        _check_order("gain", "dB", least_db=least_db, most_db=most_db)
        self.least_db, self.most_db, self.probability = least_db, most_db, _probability("gain", probability)

    def __call__(self, samples: np.ndarray, sample_rate: int, random: np.random.Generator) -> np.ndarray:
        gain = 10 ** (random.uniform(self.least_db, self.most_db) / 20)
        peak = float(np.abs(samples).max(initial=0.0))
        return samples * np.float32(min(gain, max(1.0, 1 / peak) if peak else 1.0))


class Noise:
    """A background: a stretch of a noise file, or noise whose power falls with frequency as ``1 / f ** colour``."""

    def __init__(
        self,
        folder: str | None = None,
        *,
        least_snr_db: float = 15.0,
        most_snr_db: float = 40.0,
        least_colour: float = 0.0,
        most_colour: float = 2.0,
        probability: float = 0.5,
    ) -> None:
        """
        Args:
            folder: of noise recordings, at any rate; ``None``: noise is generated.
            least_snr_db, most_snr_db: between which the level of the clip above the noise is drawn, both as root mean square over the clip.
            least_colour, most_colour: of generated noise: 0 white, 1 pink, 2 brown.
            probability: of changing a clip at all.

        Raises:
            SovitsError: bounds in the wrong order, no probability, or no audio in ``folder``.
        """
        _check_order("noise", "dB", least_snr_db=least_snr_db, most_snr_db=most_snr_db)
        _check_order("noise", "powers of 1/f", least_colour=least_colour, most_colour=most_colour)
        self.least_snr_db, self.most_snr_db, self.least_colour, self.most_colour = least_snr_db, most_snr_db, least_colour, most_colour
        self.probability = _probability("noise", probability)
        self.files = _audio_in("noise", folder)

    def __call__(self, samples: np.ndarray, sample_rate: int, random: np.random.Generator) -> np.ndarray:
        snr_db = random.uniform(self.least_snr_db, self.most_snr_db)
        noise = self._recorded(len(samples), sample_rate, random) if self.files else self._generated(len(samples), random)
        loudness, own = _level(samples), _level(noise)
        if min(loudness, own) < SILENCE:
            return samples
        return samples + noise * np.float32(loudness / own * 10 ** (-snr_db / 20))

    def _generated(self, length: int, random: np.random.Generator) -> np.ndarray:
        size = scipy.fft.next_fast_len(length, real=True)
        spectrum = scipy.fft.rfft(random.standard_normal(size, dtype=np.float32))
        bins = np.arange(1, len(spectrum) + 1, dtype=np.float32)
        return scipy.fft.irfft(spectrum * bins ** (-random.uniform(self.least_colour, self.most_colour) / 2), size)[:length]

    def _recorded(self, length: int, sample_rate: int, random: np.random.Generator) -> np.ndarray:
        path = self.files[int(random.integers(len(self.files)))]
        seconds = length / sample_rate
        start = random.uniform(0, max(0.0, _duration(path) - seconds))
        # The last sample may be lost to rounding; a short file is repeated.
        return np.resize(read_waveform(path, sample_rate, start=start, end=start + seconds), length)


class Room:
    """Reverberation: a measured impulse response, or noise that decays exponentially (Moorer, 1979), mixed with the clip itself."""

    def __init__(
        self,
        folder: str | None = None,
        *,
        least_wet: float = 0.1,
        most_wet: float = 0.4,
        least_seconds: float = 0.15,
        most_seconds: float = 0.6,
        probability: float = 0.3,
    ) -> None:
        """
        Args:
            folder: of impulse responses, at any rate; ``None``: rooms are simulated.
            least_wet, most_wet: between which the share of the room in the sound is drawn; 0 is the clip as it is, 1 the room alone.
            least_seconds, most_seconds: of a simulated room's reverberation time (to -60 dB).
            probability: of changing a clip at all.

        Raises:
            SovitsError: bounds in the wrong order or out of range, no probability, or no audio in ``folder``.
        """
        _check_order("room", "shares", 0.0, 1.0, least_wet=least_wet, most_wet=most_wet)
        _check_order("room", "seconds", 0.01, 10.0, least_seconds=least_seconds, most_seconds=most_seconds)
        self.least_wet, self.most_wet, self.least_seconds, self.most_seconds = least_wet, most_wet, least_seconds, most_seconds
        self.probability = _probability("room", probability)
        self.files = _audio_in("room", folder)

    def __call__(self, samples: np.ndarray, sample_rate: int, random: np.random.Generator) -> np.ndarray:
        wet = np.float32(random.uniform(self.least_wet, self.most_wet))
        response = self._measured(sample_rate, random) if self.files else self._simulated(sample_rate, random)
        loudness = _level(samples)
        # From its strongest sample on, the direct sound's: what comes before would only delay the clip against its text.
        reverberant = scipy.signal.oaconvolve(samples, response[int(np.abs(response).argmax()) :])[: len(samples)].astype(np.float32)
        if min(loudness, _level(reverberant)) < SILENCE:
            return samples
        mixed = (1 - wet) * samples + wet * np.float32(loudness / _level(reverberant)) * reverberant
        return mixed * np.float32(loudness / max(_level(mixed), SILENCE))

    def _simulated(self, sample_rate: int, random: np.random.Generator) -> np.ndarray:
        seconds = random.uniform(self.least_seconds, self.most_seconds)
        time = np.arange(round(seconds * sample_rate), dtype=np.float32) / np.float32(seconds)
        decay = 10 ** (-REVERBERATION_DECAY / 20 * time / sample_rate)
        response = random.standard_normal(len(time), dtype=np.float32) * decay
        response[0] = np.abs(response).max()
        return response

    def _measured(self, sample_rate: int, random: np.random.Generator) -> np.ndarray:
        return read_waveform(self.files[int(random.integers(len(self.files)))], sample_rate)


class Augmentation:
    """What is done to training clips; each part is optional."""

    def __init__(
        self,
        *,
        speed: Speed | None = None,
        room: Room | None = None,
        noise: Noise | None = None,
        gain: Gain | None = None,
        references: bool = False,
    ) -> None:
        """
        Args:
            speed: tempo at the same pitch; of the targets only, as a tempo is no part of a voice.
            room: reverberation.
            noise: background.
            gain: level.
            references: room, noise and gain are applied to the reference clips too, each time anew.
        """
        self.speed, self.references = speed, references
        # In the order of the air: a room holds the voice, the noise comes beside it, the microphone amplifies both.
        self.changes: list[Change] = [change for change in (room, noise, gain) if change is not None]

    def __call__(self, samples: np.ndarray, sample_rate: int, random: np.random.Generator) -> np.ndarray:
        """[T_samples] float32 -> the same length, no peak above 1 that was not there before."""
        changed = samples
        for change in self.changes:
            if random.random() < change.probability:
                changed = change(changed, sample_rate, random)
        if changed is samples:
            return samples
        return changed / np.float32(max(1.0, float(np.abs(changed).max(initial=0.0))))


def _level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


def _duration(path: Path) -> float:
    try:
        return soundfile.info(path).duration
    except soundfile.LibsndfileError as error:
        raise SovitsError(f"{path} is damaged or not audio ({error.error_string.rstrip('.')}); remove it or export it again.") from error


def _probability(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise SovitsError(f"data.augmentation.{name}.probability={value} is not between 0 and 1.")
    return value


def _check_order(name: str, unit: str, lowest: float = -100.0, highest: float = 100.0, **bounds: float) -> None:
    (least_key, least), (most_key, most) = bounds.items()
    if not lowest <= least <= most <= highest:
        raise SovitsError(
            f"data.augmentation.{name}: {least_key}={least} and {most_key}={most} must be {unit} from {lowest:g} to {highest:g}, "
            "the first not above the second."
        )


def _audio_in(name: str, folder: str | None) -> Sequence[Path]:
    if folder is None:
        return ()
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in READABLE)
    if not files:
        raise SovitsError(f"data.augmentation.{name}.folder={folder} holds no audio ({' '.join(READABLE)}); give another, or null.")
    return files
