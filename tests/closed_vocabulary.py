"""Speech that the tiny Whisper of ``experiments/tiny_whisper`` understands, in sentences that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.tiny_whisper.sentences import draw_sentence
from sovits.audio.waveform import write_waveform
from sovits.data.espeak import open_espeak

WHISPER = Path(__file__).parents[1] / "experiments" / "tiny_whisper" / "tiny_whisper.pt"


def speak_sentences(path: Path, sentences: int, *, pause: float = 0.8, seed: int = 0, voice: str = "en-us+f5") -> list[str]:
    """Writes one recording of so many sentences with ``pause`` seconds after each, and returns them."""
    random = np.random.default_rng(seed)
    texts = [draw_sentence(random, held_out=True) for _ in range(sentences)]
    with open_espeak() as espeak:
        silence = np.zeros(round(pause * espeak.sample_rate), np.float32)
        parts = [part for text in texts for part in (espeak.speak(text, voice, rate=150).samples, silence)]
        write_waveform(path, np.concatenate([silence, *parts]), espeak.sample_rate)
    return texts
