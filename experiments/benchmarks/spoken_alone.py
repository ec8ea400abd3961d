"""Is it the right voice: each answer beside what the checkpoint says to the same request alone, in this voice and in all others."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import soundfile
from asking import Asked, Reply

from sovits.audio.waveform import resample
from sovits.metrics import ResemblyzerEncoder
from sovits.voice import Voice

CLOSE = 1e-4 + 1 / 32768
"""Of full scale: what batches may change, and the rounding to 16 bits."""
SHORTEST = 1.0
"""Seconds of speech that the speaker encoder is asked about."""
ENOUGH = 8
"""Sentences that tell the encoder of a voice."""


@dataclass
class Verdict:
    """What was found of some answers."""

    replies: int = 0
    wrong: int = 0
    """That are not the request's audio."""
    furthest: float = 0.0
    """The largest difference of a sample, of full scale, among those that are."""
    others: int = 0
    """Comparisons with the same text and seed in another voice that sounds otherwise."""
    mistaken: int = 0
    """Those of them that matched."""
    alike: int = 0
    """Voices that say the same as the one asked for, such as nothing: they cannot be told apart."""
    faults: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        """Counts those of ``other`` too."""
        self.replies, self.wrong = self.replies + other.replies, self.wrong + other.wrong
        self.others, self.mistaken = self.others + other.others, self.mistaken + other.mistaken
        self.alike += other.alike
        self.furthest = max(self.furthest, other.furthest)
        self.faults += other.faults


class SpokenAlone:
    """Requests as the checkpoint says them one at a time, in this process."""

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self._said: dict[tuple[str, str, int], np.ndarray] = {}

    def forget(self) -> None:
        """Makes room for other requests."""
        self._said.clear()

    def samples(self, asked: Asked, speaker: str) -> np.ndarray:
        """[T_samples] of a request in a voice."""
        key = (asked.text, speaker, asked.seed)
        if key not in self._said:
            self._said[key] = np.clip(self.voice.speak(asked.text, speaker, seed=asked.seed).samples, -1, 1)
        return self._said[key]

    def verified(self, replies: Sequence[Reply]) -> Verdict:
        """Each against its own voice and every other one."""
        verdict = Verdict()
        for reply in replies:
            if reply.error is None:
                self._verify(reply, verdict)
        return verdict

    def _verify(self, reply: Reply, verdict: Verdict) -> None:
        heard, asked = heard_in(reply), reply.asked
        own = self.samples(asked, asked.speaker)
        verdict.replies += 1
        difference = _difference(heard, own)
        if difference <= CLOSE:
            verdict.furthest = max(verdict.furthest, difference)
        else:
            verdict.wrong += 1
            verdict.faults.append(f"{asked} is not what is said alone (differs by {difference:.2g})")
        for other in self.voice.speakers:
            if other == asked.speaker:
                continue
            samples = self.samples(asked, other)
            if _difference(own, samples) <= 2 * CLOSE:
                verdict.alike += 1
            else:
                verdict.others += 1
                if _difference(heard, samples) <= CLOSE:
                    verdict.mistaken += 1
                    verdict.faults.append(f"{asked} is said by {other}")


@dataclass
class Heard:
    """What a speaker encoder takes answers for."""

    replies: int = 0
    right: int = 0
    """Nearest to the voice that was asked for."""
    alone_right: int = 0
    """The same of the checkpoint's own audio of these requests."""
    same: int = 0
    """Taken for the same voice as the checkpoint's own audio."""


class SpeakerEar:
    """Tells voices by Resemblyzer's encoder: the nearest mean of ``ENOUGH`` sentences of each, spoken alone."""

    def __init__(self, alone: SpokenAlone, examples: Sequence[Asked]) -> None:
        self.alone, self.encoder = alone, ResemblyzerEncoder()
        self.rate = alone.voice.sample_rate
        self.names = alone.voice.speakers
        long = [one for one in examples if len(alone.samples(one, self.names[0])) > SHORTEST * self.rate][:ENOUGH]
        means = [np.mean([self._embedded(alone.samples(one, name)) for one in long], axis=0) for name in self.names]
        self.voices = np.stack([mean / np.linalg.norm(mean) for mean in means])

    def listen(self, replies: Sequence[Reply], heard: Heard) -> None:
        """Counts what those that are long enough are taken for."""
        for reply in replies:
            samples = None if reply.error else heard_in(reply)
            if samples is None or len(samples) < SHORTEST * self.rate:
                continue
            told, alone = self._nearest(samples), self._nearest(self.alone.samples(reply.asked, reply.asked.speaker))
            heard.replies += 1
            heard.right += told == reply.asked.speaker
            heard.alone_right += alone == reply.asked.speaker
            heard.same += told == alone

    def _nearest(self, samples: np.ndarray) -> str:
        return self.names[int(np.argmax(self.voices @ self._embedded(samples)))]

    def _embedded(self, samples: np.ndarray) -> np.ndarray:
        return self.encoder(resample(samples.astype(np.float32), self.rate, self.encoder.sample_rate))


def heard_in(reply: Reply) -> np.ndarray:
    """[T_samples] of an answer."""
    if reply.asked.format == "pcm":
        return np.frombuffer(reply.content, "<i2") / 32768
    return soundfile.read(io.BytesIO(reply.content), dtype="float32")[0]


def _difference(heard: np.ndarray, wanted: np.ndarray) -> float:
    """The largest of a sample; infinite where they are not equally long."""
    return float(np.abs(heard - wanted).max(initial=0.0)) if len(heard) == len(wanted) else float("inf")
