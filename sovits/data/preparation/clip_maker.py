"""From one recording to its clips: read, find the speech, learn what is said, cut, level, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sovits.audio.waveform import normalize_loudness, read_waveform, resample, write_waveform
from sovits.data.corpora.recording import Recording
from sovits.data.manifest import Utterance, Word
from sovits.data.preparation.clip_cache import file_hash
from sovits.data.preparation.outcome import Omission, Outcome
from sovits.data.preparation.segmentation import Cut, Segmenter
from sovits.data.preparation.transcript_matching import match_words
from sovits.data.preparation.transcription import WINDOW_SECONDS, WhisperTranscriber, spoken_language
from sovits.data.preparation.vad import VAD_RATE, CondensedSpeech, Stretch, VoiceActivityDetector
from sovits.errors import SovitsError

AUDIO_FOLDER = "audio"
LEAST_RATE = 8000
"""Hz."""


class ClipMaker:
    """Makes the clips of recordings, all with the same settings.

    Args:
        sample_rate: Hz of the clips.
        detector: finds the speech.
        segmenter: cuts it into utterances.
        transcriber: Whisper; ``None``: a recording without a transcript is left out.
        lufs: loudness of every clip.
    """

    def __init__(
        self,
        sample_rate: int,
        detector: VoiceActivityDetector,
        segmenter: Segmenter,
        transcriber: WhisperTranscriber | None,
        lufs: float,
    ) -> None:
        if not isinstance(sample_rate, int) or sample_rate < LEAST_RATE:
            raise SovitsError(f"audio.sample_rate={sample_rate} is not a rate for speech; give whole Hz, {LEAST_RATE} or more.")
        self.sample_rate = sample_rate
        self.detector = detector
        self.segmenter = segmenter
        self.transcriber = transcriber
        self.lufs = lufs

    @property
    def settings(self) -> dict[str, Any]:
        """What every clip depends on, beside its recording; plain values."""
        return {
            "sample_rate": self.sample_rate,
            "lufs": self.lufs,
            "vad": self.detector.settings,
            "segmentation": self.segmenter.settings,
            "whisper": self.transcriber and self.transcriber.settings,
        }

    def make(self, recording: Recording, output: Path) -> Outcome:
        """Writes the clips of one recording below ``output``.

        Raises:
            SovitsError: Whisper's model is missing. What is wrong with the recording itself is in the outcome.
        """
        if recording.text is None and self.transcriber is None:
            return left_out(recording, "no transcript; write one to a .txt of the same name beside it, or set whisper.model")
        try:
            samples = read_waveform(recording.path, self.sample_rate)
            if recording.text is not None:
                spoken_language(recording.text, recording.language)
        except SovitsError as error:
            return left_out(recording, _as_reason(error, recording))
        heard = normalize_loudness(resample(samples, self.sample_rate, VAD_RATE), VAD_RATE, self.lufs)
        stretches = self.detector(heard)
        if not stretches:
            return left_out(recording, "no speech was found; record it again, louder, or lower vad.threshold")
        if self.transcriber is not None:
            self.transcriber.load()  # not within: a missing model is no fault of the recording's
        try:
            text, words, source = self._transcript(recording, heard, stretches)
        except SovitsError as error:
            return left_out(recording, _as_reason(error, recording))
        cuts, rejects = self.segmenter(stretches, len(samples) / self.sample_rate, text, words)
        utterances = []
        omissions = [_left_out_piece(recording, reject.reason, reject.start, reject.end) for reject in rejects]
        for number, cut in enumerate(cuts, start=1):
            stem = recording.stem if len(cuts) + len(rejects) == 1 else f"{recording.stem}_{number:04d}"
            try:
                utterances.append(self._write(recording, cut, stem, samples, source, output))
            except SovitsError as error:
                omissions.append(_left_out_piece(recording, _as_reason(error, recording), cut.start, cut.end))
        return Outcome(tuple(utterances), tuple(omissions))

    def _transcript(self, recording: Recording, heard: np.ndarray, stretches: Sequence[Stretch]) -> tuple[str, tuple[Word, ...], str]:
        """The text of a recording, its words with their times where there is a transcriber, and where the text comes from."""
        if recording.text is not None and self.transcriber is None:
            return recording.text, (), recording.transcript or ""
        assert self.transcriber is not None
        speech = CondensedSpeech(heard, stretches)
        text, source = recording.text, recording.transcript or ""
        if text is None:
            transcript = self.transcriber.transcribe(speech.samples)
            text, words, source = transcript.text, transcript.words, f"whisper:{self.transcriber.name}"
            if not words:
                raise SovitsError("Whisper heard no words; write a transcript beside it, or use a larger whisper.model.")
        elif speech.seconds <= WINDOW_SECONDS:
            words = self.transcriber.align(speech.samples, text)
        else:
            words = match_words(text, self.transcriber.transcribe(speech.samples).words)
        return text, tuple(Word(word.text, *speech.original(word.start, word.end), word.confidence) for word in words), source

    def _write(self, recording: Recording, cut: Cut, stem: str, samples: np.ndarray, source: str, output: Path) -> Utterance:
        language = spoken_language(cut.text, recording.language)
        clip = samples[round(cut.start * self.sample_rate) : round(cut.end * self.sample_rate)]
        path = f"{AUDIO_FOLDER}/{recording.speaker}/{stem}.wav"
        write_waveform(output / path, normalize_loudness(clip, self.sample_rate, self.lufs), self.sample_rate)
        return Utterance(
            id=f"{recording.speaker}/{stem}",
            path=path,
            speaker=recording.speaker,
            language=language,
            text=cut.text,
            start=round(cut.start, 4),
            end=round(cut.end, 4),
            duration=round(len(clip) / self.sample_rate, 4),
            split="train",
            recording=recording.name,
            transcript=source,
            content_hash=file_hash(output / path) or "",
            words=tuple(replace(word, text=word.text.strip(), confidence=round(word.confidence, 4)) for word in cut.words),
        )


def left_out(recording: Recording, reason: str) -> Outcome:
    """Nothing kept, for this reason."""
    return Outcome(omissions=(Omission(recording.name, recording.speaker, reason),))


def _left_out_piece(recording: Recording, reason: str, start: float, end: float) -> Omission:
    return Omission(recording.name, recording.speaker, reason, round(start, 2), round(end, 2))


def _as_reason(error: SovitsError, recording: Recording) -> str:
    """The error's sentence as a reason: the report names the file beside it."""
    return str(error).replace(str(recording.path), "the file").rstrip(".")
