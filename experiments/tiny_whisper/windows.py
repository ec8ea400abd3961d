"""Windows of espeak-ng speech with everything known about them: the sentences, and when each word is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import soxr

from experiments.tiny_whisper.sentences import draw_sentence
from sovits.data.espeak import Espeak, WordEvent

SAMPLE_RATE = 16000
"""Hz; what Whisper hears."""
SEEN_VOICES = (
    "en-us+f5", "en+m3", "en-us", "en-us+m2", "en-us+f2", "en-us+m7", "en+f1", "en+m1", "en+f4", "en-us+m5", "en-us+f1", "en+m8",
)  # fmt: skip
UNSEEN_VOICES = ("en-us+f3", "en+m4", "en-us+m1", "en+f5")


@dataclass(frozen=True)
class SpokenSentence:
    """A sentence with its words on the window's time line (s)."""

    text: str
    words: tuple[WordEvent, ...]

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return self.words[-1].end


@dataclass(frozen=True)
class Window:
    """Some sentences with pauses between them."""

    samples: np.ndarray
    """float32 [T_samples] at 16 kHz."""
    sentences: tuple[SpokenSentence, ...]
    cut_at: float | None = None
    """s; where a last sentence begins that does not fit into the window."""


def speak_sentence(espeak: Espeak, random: np.random.Generator, voice: str, *, held_out: bool = False) -> Window:
    """A drawn sentence in ``voice`` at a drawn speed and pitch, without pauses around it."""
    text = draw_sentence(random, held_out=held_out)
    rate, pitch, pitch_range = (int(random.integers(low, high)) for low, high in ((120, 190), (25, 75), (30, 70)))
    speech = espeak.speak(text, voice, rate=rate, pitch=pitch, pitch_range=pitch_range)
    if [word.text for word in speech.words] != text.split():
        raise ValueError(f"espeak-ng reports the words of {text!r} as {[word.text for word in speech.words]}.")
    samples = soxr.resample(speech.samples, espeak.sample_rate, SAMPLE_RATE)
    return Window(samples.astype(np.float32), (SpokenSentence(text, speech.words),))


def join(parts: Sequence[Window], pauses: Sequence[float]) -> Window:
    """``parts`` one after the other; ``pauses`` (s): before the first, between, and after the last."""
    pieces, sentences, position = [], [], 0
    for part, pause in zip(parts, pauses[:-1], strict=True):
        pieces += [np.zeros(round(pause * SAMPLE_RATE), np.float32), part.samples]
        position += len(pieces[-2])
        sentences += [_moved(sentence, position / SAMPLE_RATE) for sentence in part.sentences]
        position += len(part.samples)
    pieces.append(np.zeros(round(pauses[-1] * SAMPLE_RATE), np.float32))
    return Window(np.concatenate(pieces), tuple(sentences))


def draw_window(
    espeak: Espeak,
    random: np.random.Generator,
    seconds: float,
    sentences: int,
    voices: Sequence[str] = SEEN_VOICES,
    *,
    held_out: bool = False,
) -> Window:
    """Up to ``sentences`` sentences of one voice in at most ``seconds``; a last one that does not fit is cut off."""
    voice = str(random.choice(voices))
    parts = [speak_sentence(espeak, random, voice, held_out=held_out) for _ in range(sentences)]
    pauses = [float(random.uniform(0, 0.8)), *(float(random.uniform(0.25, 1.5)) for _ in parts[1:]), float(random.uniform(0, 1.5))]
    window = join(parts, pauses if parts else [seconds * float(random.uniform(0.05, 1))])
    fitting = tuple(sentence for sentence in window.sentences if sentence.end <= seconds - 0.05)
    cut = [sentence.start for sentence in window.sentences[len(fitting) :] if sentence.start < seconds - 0.1]
    window = replace(window, samples=window.samples[: round(seconds * SAMPLE_RATE)], sentences=fitting, cut_at=cut[0] if cut else None)
    return replace(window, samples=_worn(window.samples, random))


def _worn(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """``samples`` at another level and, half of the time, with white noise 20 to 50 dB below full speech."""
    gain = 10 ** (random.uniform(-20, 3) / 20)
    noise = 10 ** (random.uniform(-50, -20) / 20) * 0.15 if random.random() < 0.5 else 0.0
    worn = gain * (samples + noise * random.standard_normal(len(samples)).astype(np.float32))
    return np.clip(worn, -1, 1).astype(np.float32)


def _moved(sentence: SpokenSentence, seconds: float) -> SpokenSentence:
    words = tuple(replace(word, start=word.start + seconds, end=word.end + seconds) for word in sentence.words)
    return replace(sentence, words=words)
