"""Batches on a CPU: texts are read together, and spoken a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sovits.errors import SovitsError
from sovits.voice.engine import Engine, Line, Said, SpokenPrior, drawn_latents, duration_noise


class GroupedEngine:
    """An engine whose batches do not grow beyond a CPU's cache; see :class:`~sovits.voice.engine.Engine`.

    Reading texts is many small steps, which cost as much for eight as for one. Flow and decoder work on every frame: many at a time are
    slower there, as they leave the cache, and so is padding. So these say the sentences in groups of about the same length, the shortest
    first.

    Args:
        engine: that does the work.
        frames: most of a group, padding too; a longer sentence is a group of its own.

    Raises:
        SovitsError: no frames.
    """

    def __init__(self, engine: Engine, frames: int) -> None:
        if frames < 1:
            raise SovitsError(f"frames_at_a_time={frames} must be at least 1; null decodes all of a batch together.")
        self.engine, self.frames = engine, frames
        self.sample_rate, self.hop_length, self.device = engine.sample_rate, engine.hop_length, engine.device
        self.embedding_size, self.noise_channels = engine.embedding_size, engine.noise_channels

    def speak(self, lines: Sequence[Line]) -> list[Said]:
        """See :class:`~sovits.voice.engine.Engine`."""
        if len(lines) == 1:
            return self.engine.speak(lines)
        generators = [line.request.noise() for line in lines]
        prior = self.prior(lines, duration_noise(lines, generators, self.noise_channels))
        drawn, lengths = drawn_latents(prior, lines, generators), prior.durations.sum(1)
        voices = np.stack([line.voice for line in lines])
        said: dict[int, Said] = {}
        for group in self._groups(lengths):
            longest = int(lengths[group].max())
            audio = self.say(np.ascontiguousarray(drawn[group, :, :longest]), lengths[group], voices[group])
            for number, samples in zip(group, audio, strict=True):
                durations = prior.durations[number, : len(lines[number].text.phones)]
                said[number] = Said(samples[: lengths[number] * self.hop_length].copy(), durations.copy())
        return [said[number] for number in range(len(lines))]

    def stream(self, line: Line, first: int, longest: int) -> Iterator[np.ndarray]:
        """See :class:`~sovits.voice.engine.Engine`."""
        return self.engine.stream(line, first, longest)

    def prior(self, lines: Sequence[Line], noise: np.ndarray) -> SpokenPrior:
        """See :class:`~sovits.voice.engine.Engine`."""
        return self.engine.prior(lines, noise)

    def say(self, drawn: np.ndarray, lengths: np.ndarray, voices: np.ndarray) -> np.ndarray:
        """See :class:`~sovits.voice.engine.Engine`."""
        return self.engine.say(drawn, lengths, voices)

    def embed(self, samples: np.ndarray) -> np.ndarray:
        """See :class:`~sovits.voice.engine.Engine`."""
        return self.engine.embed(samples)

    def reconstruct(self, samples: np.ndarray, voice: np.ndarray) -> np.ndarray:
        """See :class:`~sovits.voice.engine.Engine`."""
        return self.engine.reconstruct(samples, voice)

    def _groups(self, lengths: np.ndarray) -> list[list[int]]:
        """Which lines are said together, by their frames [B]."""
        groups: list[list[int]] = []
        for number in np.argsort(lengths, kind="stable").tolist():
            if groups and (len(groups[-1]) + 1) * lengths[number] <= self.frames:
                groups[-1].append(number)
            else:
                groups.append([number])
        return groups
