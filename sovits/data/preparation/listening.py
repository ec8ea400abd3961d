"""What is said in a recording, when, and how far Whisper agrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sovits.audio.waveform_file import WaveformFile
from sovits.data.corpora.recording import Recording
from sovits.data.manifest import Word
from sovits.data.preparation.remembering import RememberingTranscriber
from sovits.data.preparation.sections import Section, hear
from sovits.data.preparation.transcript_matching import match_words
from sovits.data.preparation.transcription import WINDOW_SECONDS, Transcript
from sovits.data.preparation.vad import CondensedSpeech, Stretch, VoiceActivityDetector
from sovits.errors import SovitsError


@dataclass(frozen=True)
class HeardSection:
    """What was found in one section; all times in seconds from the recording's start."""

    end: float
    stretches: tuple[Stretch, ...]
    heard: tuple[Word, ...]
    """What Whisper heard; empty where it was not asked."""
    language: str | None
    """The language it assumed."""


@dataclass(frozen=True)
class HeardRecording:
    """What was found in a recording."""

    sections: tuple[HeardSection, ...]
    duration: float
    offset: float
    """Mean of its samples."""
    text: str
    words: tuple[Word, ...]
    """The text's words with their times from the recording's start; empty without Whisper."""
    transcript: str
    """Where the text comes from, as in ``Utterance.transcript``."""
    aligned: bool
    """Whether the times come from the text itself, aligned to the sound, rather than from what was heard in its place."""
    cut_in_speech: int
    """Sections that had no pause to end in."""

    @cached_property
    def stretches(self) -> list[Stretch]:
        """All of its speech."""
        return [stretch for section in self.sections for stretch in section.stretches]


class Listener:
    """Listens to recordings, all in the same way.

    Args:
        detector: finds the speech.
        transcriber: Whisper; ``None``: a text is taken as it stands, without times.
        check: whether Whisper also writes down what a transcript tells already, so that the two can be compared.
        lufs: loudness at which both listen.
        section_seconds: a longer recording is heard in sections no longer than this.
    """

    def __init__(
        self,
        detector: VoiceActivityDetector,
        transcriber: RememberingTranscriber | None,
        *,
        check: bool,
        lufs: float,
        section_seconds: float,
    ) -> None:
        self.detector = detector
        self.transcriber = transcriber
        self.check = check
        self.lufs = lufs
        self.section_seconds = section_seconds

    def __call__(self, recording: Recording, file: WaveformFile, progress: Callable[[float], None]) -> HeardRecording:
        """Listens to all of an open file; ``progress`` is told the share that is done.

        Raises:
            SovitsError: a damaged file, no speech, nothing heard, or a text that is not what was heard.
        """
        sections, offset, in_speech = list[HeardSection](), 0.0, 0
        speech: CondensedSpeech | None = None
        duration = file.frames / file.sample_rate
        for section in hear(file, self.detector, self.lufs, self.section_seconds):
            speech = CondensedSpeech(section.heard, section.stretches) if section.stretches else None
            sections.append(self._section(recording, section, speech, alone=section.end >= duration and not sections))
            offset += section.offset * (section.end - section.start) / duration
            in_speech += section.ends_in_speech
            progress(section.end / duration)
        if not any(section.stretches for section in sections):
            raise SovitsError("no speech was found; record it again, louder, or lower vad.threshold")
        text, words, transcript, aligned = self._said(recording, sections, speech)
        return HeardRecording(tuple(sections), duration, offset, text, words, transcript, aligned, in_speech)

    def align(self, samples: np.ndarray, text: str) -> tuple[Word, ...]:
        """When each word of ``text`` is said in [T_samples] at ``VAD_RATE``."""
        assert self.transcriber is not None
        return self.transcriber.align(samples, text)

    def _section(self, recording: Recording, section: Section, speech: CondensedSpeech | None, *, alone: bool) -> HeardSection:
        stretches = tuple(Stretch(s.start + section.start, s.end + section.start) for s in section.stretches)
        heard = None
        if self.transcriber is not None and speech is not None:
            alignable = recording.text is not None and alone and speech.seconds <= WINDOW_SECONDS
            if self.check or not alignable:
                heard = self._in_place(self.transcriber.transcribe(speech.samples), speech, section.start)
        return HeardSection(section.end, stretches, heard.words if heard else (), heard.language if heard else None)

    def _said(
        self, recording: Recording, sections: Sequence[HeardSection], speech: CondensedSpeech | None
    ) -> tuple[str, tuple[Word, ...], str, bool]:
        heard = tuple(word for section in sections for word in section.heard)
        if recording.text is None and self.transcriber is None:
            return "", (), "", False
        if recording.text is None:
            assert self.transcriber is not None
            if not heard:
                raise SovitsError("Whisper heard no words; write a transcript beside it, or use a larger whisper.model")
            return "".join(word.text for word in heard).strip(), heard, f"whisper:{self.transcriber.name}", True
        source = recording.transcript or ""
        if self.transcriber is None:
            return recording.text, (), source, False
        if len(sections) == 1 and speech is not None and speech.seconds <= WINDOW_SECONDS:
            words = self.transcriber.align(speech.samples, recording.text)
            return recording.text, tuple(_moved(word, speech, 0.0) for word in words), source, True
        return recording.text, match_words(recording.text, heard), source, False

    @staticmethod
    def _in_place(transcript: Transcript, speech: CondensedSpeech, start: float) -> Transcript:
        """The transcript with its times from the recording's start."""
        return replace(transcript, words=tuple(_moved(word, speech, start) for word in transcript.words))


def _moved(word: Word, speech: CondensedSpeech, start: float) -> Word:
    begin, end = speech.original(word.start, word.end)
    return replace(word, start=begin + start, end=end + start)
