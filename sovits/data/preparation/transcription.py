"""What is said in a recording, and when: openai-whisper, and the check that a text can be used at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sovits.data.manifest import Word
from sovits.errors import SovitsError
from sovits.text.language import ENGLISH, HAN_CHARACTER, LATIN_LETTER, MANDARIN, check_script

if TYPE_CHECKING:
    from whisper.model import Whisper
    from whisper.timing import WordTiming

WHISPER_RATE = 16000
"""Hz; the rate Whisper hears."""
WINDOW_SECONDS = 30.0
"""What Whisper hears at once; a known text can be aligned to no more."""
_OPENING, _CLOSING = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
_LATIN_TAIL = re.compile(r"[A-Za-zÀ-ɏ0-9'’]$")
_LATIN_HEAD = re.compile(r"[A-Za-zÀ-ɏ0-9'’]")


def spoken_language(text: str, hint: str | None = None) -> str:
    """``en``, ``zh`` or ``mixed``, from the script of ``text``; for digits alone, ``hint`` (a language code) decides.

    Raises:
        SovitsError: nothing in ``text`` can be spoken, or it has letters of another script.
    """
    check_script(text)
    chinese, latin = HAN_CHARACTER.search(text) is not None, LATIN_LETTER.search(text) is not None
    if chinese or latin:
        return "mixed" if chinese and latin else MANDARIN if chinese else ENGLISH
    if not any(character.isdigit() for character in text):
        raise SovitsError("The transcript has nothing to speak; write what is said.")
    return MANDARIN if hint is not None and hint.lower().startswith(("zh", "cmn", "chinese")) else ENGLISH


@dataclass(frozen=True)
class Transcript:
    """What Whisper heard."""

    text: str
    language: str
    """Whisper's code of the language it assumed."""
    words: tuple[Word, ...]
    """With Whisper's leading spaces: joined, they are the text. Times from the start of what it heard."""


class WhisperTranscriber:
    """openai-whisper, loaded once, at the first recording that needs it.

    Args:
        model: a name such as ``base``, downloaded at first use, or the path of a checkpoint.
        device: where it runs.
        language: a code such as ``en``; ``None``: Whisper decides for each recording.
    """

    def __init__(self, model: str, device: str = "cpu", language: str | None = None) -> None:
        self.model = str(model)
        self.device = device
        self.language = language
        self._loaded: Whisper | None = None

    @property
    def name(self) -> str:
        """The model's name, or the name of its file."""
        return Path(self.model).stem

    @property
    def settings(self) -> dict[str, Any]:
        """What the result depends on, beside the samples. A checkpoint is told by its path, size and time of change."""
        path = Path(self.model)
        status = path.stat() if path.is_file() else None
        return {"model": self.model, "file": status and [status.st_size, status.st_mtime_ns], "language": self.language}

    def load(self) -> None:
        """Loads the model, if it is not loaded yet.

        Raises:
            SovitsError: it is neither on this machine nor to be had, or it is not a Whisper model.
        """
        self._whisper()

    def transcribe(self, samples: np.ndarray) -> Transcript:
        """Writes down [T_samples] at 16 kHz, with word times."""
        import torch

        model = self._whisper()
        # Where it is unsure, Whisper draws at random: the same recording is to give the same text.
        with torch.random.fork_rng():
            torch.manual_seed(0)
            result = model.transcribe(
                samples, language=self.language, word_timestamps=True, condition_on_previous_text=False, fp16=self.device != "cpu"
            )
        found = [word for segment in result["segments"] for word in segment["words"]]
        words = [Word(word["word"], float(word["start"]), float(word["end"]), float(word["probability"])) for word in found]
        return Transcript("".join(word.text for word in words).strip(), str(result["language"]), _in_order(words))

    def align(self, samples: np.ndarray, text: str) -> tuple[Word, ...]:
        """Finds when each word of a known text is said in [T_samples] at 16 kHz; joined, the words are the text.

        Raises:
            SovitsError: more than 30 s, or more text than Whisper reads at once.
        """
        import whisper
        from whisper.timing import find_alignment, merge_punctuations
        from whisper.tokenizer import get_tokenizer

        seconds = len(samples) / WHISPER_RATE
        if seconds > WINDOW_SECONDS:
            raise SovitsError(f"{seconds:.0f} s are too much for Whisper to align at once; cut the recording below {WINDOW_SECONDS:g} s.")
        model = self._whisper()
        # Asked for Chinese, the tokenizer gives single characters; asked for English, it would give a Chinese sentence as one word.
        language = MANDARIN if HAN_CHARACTER.search(text) else ENGLISH
        tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language=language, task="transcribe")
        tokens = tokenizer.encode(" " + text)
        if len(tokens) + len(tokenizer.sot_sequence) + 2 > model.dims.n_text_ctx:
            raise SovitsError(f"The transcript has {len(tokens)} tokens, too many for {seconds:.1f} s of speech; correct it.")
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(samples), n_mels=model.dims.n_mels).to(model.device)
        frames = min(len(samples) // whisper.audio.HOP_LENGTH, whisper.audio.N_FRAMES)
        timings = find_alignment(model, tokenizer, tokens, mel, frames)
        merge_punctuations(timings, _OPENING, _CLOSING)
        return _in_order(_whole_words(timings))

    def _whisper(self) -> Whisper:
        if self._loaded is None:
            self._loaded = _load(self.model, self.device)
        return self._loaded


def _load(model: str, device: str) -> Whisper:
    import pickle

    import whisper

    names = whisper.available_models()
    is_file = Path(model).is_file()
    if not is_file and model not in names:
        raise SovitsError(f"whisper.model={model} is neither a file nor one of {', '.join(names)}; give the path of a checkpoint.")
    try:
        return whisper.load_model(model, device=device)
    except OSError as error:
        if is_file:
            raise SovitsError(f"whisper.model={model} cannot be read ({error}); check the file.") from error
        reason = f"is not on this machine and cannot be downloaded ({error})"
        raise SovitsError(f"The Whisper model {model} {reason}; give whisper.model the path of a checkpoint.") from error
    except (RuntimeError, KeyError, TypeError, AttributeError, pickle.UnpicklingError, EOFError) as error:
        reason = f"is not a Whisper checkpoint, or cannot run on {device}"
        raise SovitsError(f"whisper.model={model} {reason}; give one saved by openai-whisper.") from error


def _whole_words(timings: Sequence[WordTiming]) -> list[Word]:
    """Timings as words; pieces of one Latin word, which a Chinese tokenizer gives singly, become one."""
    words: list[Word] = []
    for timing in timings:
        if not timing.word:
            continue
        word = Word(timing.word, float(timing.start), float(timing.end), float(timing.probability))
        if words and _LATIN_HEAD.match(word.text) and _LATIN_TAIL.search(words[-1].text):
            last = words.pop()
            word = Word(last.text + word.text, last.start, word.end, min(last.confidence, word.confidence))
        words.append(word)
    return words


def _in_order(words: Sequence[Word]) -> tuple[Word, ...]:
    """Words whose times never run backwards: Whisper's own corrections at pauses can let neighbours overlap."""
    ordered: list[Word] = []
    for word in words:
        start = max(word.start, ordered[-1].end) if ordered else max(word.start, 0.0)
        ordered.append(replace(word, start=start, end=max(word.end, start)))
    return tuple(ordered)
