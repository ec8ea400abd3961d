"""``sovits synthesize``: a checkpoint, a voice and a text -> an audio file."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from torch import Tensor

from sovits.audio.waveform import write_waveform
from sovits.errors import SovitsError
from sovits.voice import Speech, Voice

log = logging.getLogger(__name__)

EXAMPLE = 'sovits synthesize checkpoint=outputs/train/.../checkpoints/last.ckpt speaker=NAME text="Hello" output=hello.wav'


def synthesize(config: DictConfig) -> Path:
    """Says one text, or every line of a file with a pause between, and returns the audio file.

    Raises:
        SovitsError: a key that is missing or contradicts another, or anything that ``Voice`` refuses.
    """
    if config.checkpoint is None:
        raise SovitsError(f"checkpoint is not given; for example: {EXAMPLE}")
    texts = _texts(config.sentence, config.text_file)
    if config.speaker is not None and config.reference is not None:
        raise SovitsError(f"speaker={config.speaker} and reference={config.reference} are both given; a voice comes from one of them.")
    voice = Voice.load(config.checkpoint, bank=config.bank, device=config.device)
    speaker = _speaker(voice, config.speaker, config.reference)
    for text in texts:
        # Refuses the last line before the first is spoken, and loads the dictionaries before the clock starts.
        voice.front_end(text, config.language)
    began = time.perf_counter()
    spoken = [
        voice.speak(
            text,
            speaker,
            language=config.language,
            seed=config.seed,
            noise_scale=config.noise_scale,
            duration_noise_scale=config.duration_noise_scale,
            speed=config.speed,
        )
        for text in texts
    ]
    took = time.perf_counter() - began
    samples = _joined(spoken, config.pause)
    path = write_waveform(config.output, samples, voice.sample_rate)
    seconds = sum(speech.seconds for speech in spoken)
    log.info("%s: %.2f s of speech in %.2f s (real-time factor %.2f, %s)", path, seconds, took, took / seconds, voice.device)
    return path


def _texts(sentence: str | None, text_file: str | None) -> list[str]:
    if (sentence is None) == (text_file is None):
        given = "both text and text_file are given" if sentence is not None else "neither text nor text_file is given"
        raise SovitsError(f"What to say is not clear: {given}; for example: {EXAMPLE}")
    if sentence is not None:
        return [str(sentence)]
    path = Path(str(text_file))
    if not path.is_file():
        raise SovitsError(f"There is no text_file {path}; give a UTF-8 text file, spoken line by line.")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise SovitsError(f"text_file={path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8.") from error
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise SovitsError(f"text_file={path} has no text in it; write what is to be said, a sentence a line.")
    return texts


def _speaker(voice: Voice, speaker: str | None, reference: str | None) -> str | Tensor:
    if reference is not None:
        return voice.embed_clip(reference)
    if speaker is not None:
        # Hydra reads a name of digits as a number.
        return str(speaker)
    if len(voice.speakers) != 1:
        known = ", ".join(voice.speakers) or "nobody"
        raise SovitsError(
            f"speaker is not given; choose speaker=NAME (the model knows {known}), or a clip of the voice: reference=clip.wav."
        )
    return voice.speakers[0]


def _joined(spoken: list[Speech], pause: float) -> np.ndarray:
    silence = np.zeros(round(pause * spoken[0].sample_rate), dtype=np.float32)
    parts = [part for speech in spoken for part in (silence, speech.samples)]
    return np.concatenate(parts[1:])
