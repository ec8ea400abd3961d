"""What is said in a recording, and when: openai-whisper, and the check that a text can be used at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from sovits.data.manifest import Word
from sovits.errors import SovitsError
from sovits.text.language import ENGLISH, HAN_CHARACTER, LATIN, LATIN_LETTER, MANDARIN, check_script

if TYPE_CHECKING:
    import torch
    from whisper.model import Whisper
    from whisper.timing import WordTiming

WHISPER_RATE = 16000
"""Hz; the rate Whisper hears."""
WINDOW_SECONDS = 30.0
"""What Whisper hears at once; a known text can be aligned to no more."""
_OPENING, _CLOSING = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
# What a Latin word or a number may have inside: Wi-Fi, don't, 3.5, 7:30, and/or, R&D, 42%.
_LATIN_TAIL = re.compile(rf"[{LATIN}0-9'’.:/&@+-]$")
_LATIN_HEAD = re.compile(rf"[{LATIN}0-9'’.:/&@+%°-]")


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
    language_probability: float | None = None
    """How sure Whisper is of the language, by its first 30 s; ``None`` where it was told the language or knows only English."""


class WhisperTranscriber:
    """openai-whisper, loaded once, at the first recording that needs it; several threads may share it, and take turns.

    Args:
        model: a name such as ``base``, downloaded at first use, or the path of a checkpoint.
        device: where it runs: ``cpu``, ``cuda`` or ``cuda:1``; in half precision on CUDA.
        language: a code such as ``en``; ``None``: Whisper decides for each recording.
    """

    def __init__(self, model: str, device: str = "cpu", language: str | None = None) -> None:
        self.model = str(model)
        self.device = device
        self.language = language
        self._lock = RLock()
        self._loaded: Whisper | None = None
        self._digest: tuple[tuple[int, int], str] | None = None

    @property
    def name(self) -> str:
        """The model's name, or the name of its file."""
        return Path(self.model).stem if Path(self.model).is_file() else self.model

    @property
    def settings(self) -> dict[str, Any]:
        """What the result depends on, beside the samples: a model by its name, a checkpoint by its content, wherever it lies."""
        path = Path(self.model)
        known = {"checkpoint": self._content(path)} if path.is_file() else {"model": self.model}
        return {**known, "language": self.language}

    def load(self) -> None:
        """Loads the model, if it is not loaded yet.

        Raises:
            SovitsError: it is neither on this machine nor to be had, it is not a Whisper model, or there is no such device.
        """
        with self._lock:
            if self._loaded is None:
                _check_device(self.device)
                self._loaded = _load(self.model, self.device)

    def transcribe(self, samples: np.ndarray) -> Transcript:
        """Writes down [T_samples] at 16 kHz, with word times.

        Raises:
            SovitsError: as ``load``, or the device has too little memory or fails.
        """
        import torch

        with self._at_work() as model:
            language, probability = self._spoken(model, samples)
            # Where it is unsure, Whisper draws at random: the same recording is to give the same text.
            with torch.random.fork_rng(range(torch.cuda.device_count())):
                torch.manual_seed(0)
                result = model.transcribe(
                    samples, language=language, word_timestamps=True, condition_on_previous_text=False, fp16=self._dtype == torch.float16
                )
        found = [word for segment in result["segments"] for word in segment["words"]]
        words = [Word(word["word"], float(word["start"]), float(word["end"]), float(word["probability"])) for word in found]
        return Transcript("".join(word.text for word in words).strip(), str(result["language"]), _in_order(words), probability)

    def align(self, samples: np.ndarray, text: str) -> tuple[Word, ...]:
        """Finds when each word of a known text is said in [T_samples] at 16 kHz; joined, the words are the text.

        A word's confidence is the mean probability that Whisper gives to its tokens, having read the text before it.

        Raises:
            SovitsError: more than 30 s, or more text than Whisper reads at once; and as ``transcribe``.
        """
        import whisper
        from whisper.timing import find_alignment, merge_punctuations
        from whisper.tokenizer import get_tokenizer

        seconds = len(samples) / WHISPER_RATE
        if seconds > WINDOW_SECONDS:
            raise SovitsError(f"{seconds:.0f} s are too much for Whisper to align at once; cut the recording below {WINDOW_SECONDS:g} s.")
        with self._at_work() as model:
            # Asked for Chinese, the tokenizer gives single characters; asked for English, it would give a Chinese sentence as one word.
            language = MANDARIN if HAN_CHARACTER.search(text) else ENGLISH
            tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language=language, task="transcribe")
            # Whisper writes a space before a Latin word, and none before a Chinese character.
            tokens = tokenizer.encode(text if HAN_CHARACTER.match(text) else " " + text)
            if len(tokens) + len(tokenizer.sot_sequence) + 2 > model.dims.n_text_ctx:
                raise SovitsError(f"The transcript has {len(tokens)} tokens, too many for {seconds:.1f} s of speech; correct it.")
            mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(samples), n_mels=model.dims.n_mels).to(model.device)
            frames = min(len(samples) // whisper.audio.HOP_LENGTH, whisper.audio.N_FRAMES)
            timings = find_alignment(model, tokenizer, tokens, mel, frames)
        merge_punctuations(timings, _OPENING, _CLOSING)
        return _in_order(_whole_words(timings))

    def _spoken(self, model: Whisper, samples: np.ndarray) -> tuple[str | None, float | None]:
        """The language to write in, and Whisper's probability of it: what its ``transcribe`` would find out first, without telling."""
        import whisper

        if self.language is not None or not model.is_multilingual:
            return self.language, None
        heard = whisper.pad_or_trim(samples, whisper.audio.N_SAMPLES)
        mel = whisper.log_mel_spectrogram(heard, n_mels=model.dims.n_mels).to(model.device, self._dtype)
        _, probabilities = model.detect_language(mel)
        language = max(probabilities, key=probabilities.__getitem__)
        return language, float(probabilities[language])

    @property
    def _dtype(self) -> torch.dtype:
        import torch

        return torch.float16 if torch.device(self.device).type == "cuda" else torch.float32

    @contextmanager
    def _at_work(self) -> Iterator[Whisper]:
        """The model, for one thread at a time: Whisper keeps what it has heard in the model while it decodes."""
        import torch

        with self._lock:
            self.load()
            assert self._loaded is not None
            try:
                yield self._loaded
            except torch.OutOfMemoryError as error:
                remedy = "use a smaller whisper.model, or whisper.device=cpu"
                raise SovitsError(f"Whisper {self.name} needs more memory than {self.device} has; {remedy}.") from error
            except torch.AcceleratorError as error:
                raise SovitsError(f"Whisper failed on {self.device} ({_first_line(error)}); use whisper.device=cpu.") from error

    def _content(self, path: Path) -> str:
        """SHA-256 of the checkpoint, read again only when its size or time of change is another."""
        status = path.stat()
        state = (status.st_size, status.st_mtime_ns)
        with self._lock:
            if self._digest is None or self._digest[0] != state:
                with path.open("rb") as file:
                    self._digest = (state, hashlib.file_digest(file, "sha256").hexdigest())
            return self._digest[1]


def _check_device(device: str) -> None:
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for the device
        reason = f"cannot be used on this machine ({_first_line(error)})"
        raise SovitsError(f"whisper.device={device} {reason}; give cpu, or cuda where there is a GPU.") from error


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
        reason = f"is not a Whisper checkpoint, or does not fit on {device}"
        raise SovitsError(f"whisper.model={model} {reason}; give one saved by openai-whisper.") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _whole_words(timings: Sequence[WordTiming]) -> list[Word]:
    """Timings as words; pieces of one Latin word or number become one, whatever the tokenizer made of it."""
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
