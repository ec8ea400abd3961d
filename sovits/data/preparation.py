"""From a folder of recordings to a prepared set: read, find the speech, learn what is said, cut, level, list, split."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sovits.audio.waveform import normalize_loudness, read_waveform, resample, write_waveform
from sovits.data.clip_cache import ClipCache, Omission, Outcome, file_hash
from sovits.data.manifest import Manifest, Utterance, Word
from sovits.data.preparation_report import PreparationReport
from sovits.data.recording import Recording, find_recordings
from sovits.data.segmentation import Cut, Segmenter
from sovits.data.splitting import split_by_content
from sovits.data.transcript_matching import match_words
from sovits.data.transcription import WINDOW_SECONDS, WhisperTranscriber, spoken_language
from sovits.data.vad import VAD_RATE, CondensedSpeech, Stretch, VoiceActivityDetector
from sovits.errors import SovitsError

AUDIO_FOLDER = "audio"
LEAST_RATE = 8000
"""Hz."""


class Preparation:
    """Prepares sets, all with the same settings.

    Args:
        sample_rate: Hz of the clips.
        detector: finds the speech.
        segmenter: cuts it into utterances.
        transcriber: Whisper; ``None``: a recording without a transcript is left out.
        lufs: loudness of every clip.
        min_speaker_seconds: a speaker with less speech than this is left out.
        advised_speaker_seconds: a speaker with less is kept, with a warning.
        validation_share, test_share: parts of each speaker's utterances; at least one each from three utterances on.
        seed: another one makes another split.
        strict: whether leaving anything out is an error.
    """

    def __init__(
        self,
        sample_rate: int = 22050,
        *,
        detector: VoiceActivityDetector | None = None,
        segmenter: Segmenter | None = None,
        transcriber: WhisperTranscriber | None = None,
        lufs: float = -23.0,
        min_speaker_seconds: float = 10.0,
        advised_speaker_seconds: float = 60.0,
        validation_share: float = 0.05,
        test_share: float = 0.05,
        seed: int = 0,
        strict: bool = False,
    ) -> None:
        if not isinstance(sample_rate, int) or sample_rate < LEAST_RATE:
            raise SovitsError(f"audio.sample_rate={sample_rate} is not a rate for speech; give whole Hz, {LEAST_RATE} or more.")
        self.sample_rate = sample_rate
        self.detector = detector or VoiceActivityDetector()
        self.segmenter = segmenter or Segmenter()
        self.transcriber = transcriber
        self.lufs = lufs
        self.min_speaker_seconds = min_speaker_seconds
        self.advised_speaker_seconds = advised_speaker_seconds
        self.validation_share = validation_share
        self.test_share = test_share
        self.seed = seed
        self.strict = strict

    def run(
        self, recordings: Path, output: Path, *, metadata: Path | None = None, speakers: Sequence[str] | None = None
    ) -> PreparationReport:
        """Prepares ``recordings`` (see ``find_recordings``) into ``output``; what an earlier run did and still holds is reused.

        Returns:
            What was kept and what was left out; also written to ``output/report.json`` and ``output/report.md``.

        Raises:
            SovitsError: nothing to prepare, nothing usable, a missing Whisper model, or with ``strict`` anything left out.
        """
        began = time.monotonic()
        if output.resolve().is_relative_to(recordings.resolve()):
            raise SovitsError(
                f"The output {output} lies inside the recordings {recordings} and would become a speaker; choose another output=DIR."
            )
        found = find_recordings(recordings, metadata=metadata, speakers=speakers)
        cache = ClipCache(output, self._settings())
        outcomes, reused = self._outcomes(found, output, cache)
        utterances = [utterance for outcome in outcomes for utterance in outcome.utterances]
        omissions = [omission for outcome in outcomes for omission in outcome.omissions]
        kept, few = self._without_scarce_speakers(utterances)
        report = PreparationReport(
            output=output,
            speakers=tuple(sorted({recording.speaker for recording in found})),
            utterances=tuple(split_by_content(kept, self.validation_share, self.test_share, self.seed)),
            omissions=tuple(omissions + few),
            recordings=len(found),
            reused=reused,
            advised_speaker_seconds=self.advised_speaker_seconds,
            elapsed=time.monotonic() - began,
        )
        report.save()
        if report.omissions and (self.strict or not report.utterances):
            what = f"strict=true and {len(report.omissions)} left out" if report.utterances else f"Nothing in {recordings} can be used"
            reason, names = report.reasons()[0]
            raise SovitsError(f"{what}: {names[0]}{_others(names)}: {reason} (all in {output}/report.md).")
        Manifest(self.sample_rate, report.utterances).save(output)
        cache.sweep({utterance.path for utterance in utterances})
        return report

    def _settings(self) -> dict:
        return {
            "sample_rate": self.sample_rate,
            "lufs": self.lufs,
            "vad": self.detector.settings,
            "segmentation": self.segmenter.settings,
            "whisper": self.transcriber and self.transcriber.settings,
        }

    def _outcomes(self, recordings: Sequence[Recording], output: Path, cache: ClipCache) -> tuple[list[Outcome], int]:
        """What became of each recording, and how many of them were as an earlier run left them."""
        outcomes, reused, seen = [], 0, dict[str, Recording]()
        columns = TextColumn("Preparing"), BarColumn(), MofNCompleteColumn(), TextColumn("recordings, left:"), TimeRemainingColumn()
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            for recording in progress.track(recordings):
                audio_hash, problem = _hash_or_problem(recording)
                if problem is not None:
                    outcomes.append(_left_out(recording, problem))
                    continue
                if (first := seen.setdefault(audio_hash, recording)) is not recording and recording.path.stat().st_size:
                    outcomes.append(_left_out(recording, f"the same audio as {first.name}; keep one of them"))
                    continue
                key = cache.key(recording, audio_hash)
                kept = cache.load(key)
                reused += kept is not None
                if kept is None:
                    kept = self._prepare(recording, output)
                    cache.save(key, kept)
                outcomes.append(kept)
        return outcomes, reused

    def _prepare(self, recording: Recording, output: Path) -> Outcome:
        """Reads one recording and writes its clips."""
        if recording.text is None and self.transcriber is None:
            return _left_out(recording, "no transcript; write one to a .txt of the same name beside it, or set whisper.model")
        try:
            samples = read_waveform(recording.path, self.sample_rate)
            if recording.text is not None:
                spoken_language(recording.text, recording.language)
        except SovitsError as error:
            return _left_out(recording, _as_reason(error, recording))
        heard = normalize_loudness(resample(samples, self.sample_rate, VAD_RATE), VAD_RATE, self.lufs)
        stretches = self.detector(heard)
        if not stretches:
            return _left_out(recording, "no speech was found; record it again, louder, or lower vad.threshold")
        if self.transcriber is not None:
            self.transcriber.load()  # not within: a missing model is no fault of the recording's
        try:
            text, words, source = self._transcript(recording, heard, stretches)
        except SovitsError as error:
            return _left_out(recording, _as_reason(error, recording))
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

    def _without_scarce_speakers(self, utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[Omission]]:
        seconds: dict[str, float] = defaultdict(float)
        for utterance in utterances:
            seconds[utterance.speaker] += utterance.duration
        scarce = {speaker: total for speaker, total in seconds.items() if total < self.min_speaker_seconds}
        few = [
            Omission(u.recording, u.speaker, _too_little(u.speaker, scarce[u.speaker], self.min_speaker_seconds), u.start, u.end)
            for u in utterances
            if u.speaker in scarce
        ]
        return [utterance for utterance in utterances if utterance.speaker not in scarce], few


def _hash_or_problem(recording: Recording) -> tuple[str, str | None]:
    """The hash of a recording's bytes, and why it cannot be used where that shows at once."""
    if recording.problem is not None:
        return "", recording.problem
    try:
        audio_hash = file_hash(recording.path)
    except OSError as error:
        return "", f"the file cannot be read ({error.strerror}); make it readable"
    return audio_hash or "", None if audio_hash else "the file is gone; add it again"


def _others(names: Sequence[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _left_out(recording: Recording, reason: str) -> Outcome:
    return Outcome(omissions=(Omission(recording.name, recording.speaker, reason),))


def _left_out_piece(recording: Recording, reason: str, start: float, end: float) -> Omission:
    return Omission(recording.name, recording.speaker, reason, round(start, 2), round(end, 2))


def _as_reason(error: SovitsError, recording: Recording) -> str:
    """The error's sentence as a reason: the report names the file beside it."""
    return str(error).replace(str(recording.path), "the file").rstrip(".")


def _too_little(speaker: str, seconds: float, least: float) -> str:
    return f"speaker {speaker} has only {seconds:.1f} s of usable speech, min_speaker_seconds={least:g}; add recordings or lower it"
