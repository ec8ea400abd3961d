"""``sovits synthesize``: a checkpoint, a voice and a text -> audio, and when every word of it is said."""

from __future__ import annotations

import itertools
import logging
import time
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, ListConfig
from rich.progress import track

from sovits.audio.waveform import require_writable, write_waveform
from sovits.errors import SovitsError
from sovits.hearing import EnglishRecognizer
from sovits.voice import Passage, Request, Speech, Voice
from sovits.voice.blending import blend
from sovits.voice.self_check import SelfCheck, speak_checked
from sovits.voice.timestamps import require_format, write_timestamps

log = logging.getLogger(__name__)

EXAMPLE = 'sovits synthesize checkpoint=outputs/train/.../checkpoints/last.ckpt speaker=NAME text="Hello" output=hello.wav'


def synthesize(config: DictConfig) -> Path:
    """Says a text of any length, or every line of a file, and returns the audio file, or the folder of one for each line.

    Raises:
        SovitsError: a key that is missing or contradicts another, or anything that ``Voice`` refuses.
    """
    if config.checkpoint is None:
        raise SovitsError(f"checkpoint is not given; for example: {EXAMPLE}")
    texts = _texts(config.sentence, config.text_file)
    output = Path(config.output)
    one_each = config.text_file is not None and not output.suffix
    suffix = f".{config.format}" if one_each else output.suffix
    require_writable(output.with_suffix(suffix))
    formats = _names(config.timestamps)
    for name in formats:
        require_format(Path(f"timestamps.{name}"))
    if config.pause < 0:
        raise SovitsError(f"pause={config.pause} is below 0; give the seconds of silence between sentences.")
    voice = Voice.load(config.checkpoint, bank=config.bank, device=config.device)
    speaker = _speaker(voice, config)
    delivery = {key: config[key] for key in ("language", "seed", "noise_scale", "duration_noise_scale", "speed")}
    # Refuses the last line before the first is spoken, and loads the dictionaries before the clock starts.
    lines = [voice.sentences(Request(text, speaker, **delivery)) for text in texts]
    check = SelfCheck(EnglishRecognizer()) if config.self_check else None
    paths, passages = [output], [list(itertools.chain(*lines))]
    if one_each:
        digits = max(4, len(str(len(lines))))
        paths, passages = [output / f"{number:0{digits}}{suffix}" for number in range(1, len(lines) + 1)], lines
    requests = [request for passage in passages for request in passage]
    said = (_said(voice, request, check) for request in track(requests, "Speaking", disable=len(requests) == 1))
    took = seconds = 0.0
    for path, sentences in zip(paths, passages, strict=True):
        began = time.perf_counter()
        passage = Passage(tuple(itertools.islice(said, len(sentences))), config.pause)
        took += time.perf_counter() - began
        seconds += sum(speech.seconds for speech in passage.sentences)
        # Each as soon as it is spoken: who stops a long list keeps what was said.
        write_waveform(path, passage.samples, voice.sample_rate)
        for name in formats:
            write_timestamps(path.with_suffix(f".{name}"), passage)
    # The bar ends when it is asked for more.
    next(said, None)
    log.info("%s: %.2f s of speech in %.2f s (real-time factor %.2f, %s)", output, seconds, took, took / seconds, voice.engine.device)
    return output


def _said(voice: Voice, request: Request, check: SelfCheck | None) -> Speech:
    if check is None:
        return voice.speak_all([request])[0]
    speech, verdict = speak_checked(lambda asked: voice.speak_all([asked])[0], request, check)
    tried = f"with seed {verdict.seed}" + (" of two that were tried" if verdict.faults or verdict.seed != request.seed else "")
    unheard = "" if verdict.heard else " Its words were not listened to: only English is."
    log.log(logging.WARNING if verdict.faults else logging.INFO, "Self-check of %r, %s: %s.%s", request.text[:60], tried, verdict, unheard)
    return speech


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


def _speaker(voice: Voice, config: DictConfig) -> str | np.ndarray:
    """A name, or an embedding [E]: of a clip, of several clips, of several speakers."""
    speakers, references = _names(config.speaker), _names(config.reference)
    if speakers and references:
        raise SovitsError(f"speaker={config.speaker} and reference={config.reference} are both given; a voice comes from one of them.")
    if not speakers and not references:
        if len(voice.speakers) != 1:
            known = ", ".join(voice.speakers) or "nobody"
            raise SovitsError(
                f"speaker is not given; choose speaker=NAME (the model knows {known}), or a clip of the voice: reference=clip.wav."
            )
        speakers = voice.speakers
    weights = [1.0] * len(speakers + references) if config.weights is None else list(config.weights)
    if len(weights) != len(speakers + references):
        raise SovitsError(f"weights={config.weights} are {len(weights)} for {len(speakers + references)} voices; give one for each.")
    if len(speakers) == 1:
        return speakers[0]
    return blend([voice.bank[name] for name in speakers] + [voice.embed_clip(path) for path in references], weights)


def _names(given: str | ListConfig | None) -> list[str]:
    """One, several or none; Hydra reads a name of digits as a number."""
    if given is None:
        return []
    return [str(one) for one in given] if isinstance(given, ListConfig) else [str(given)]
