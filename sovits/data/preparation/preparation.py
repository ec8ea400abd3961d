"""From recordings to a prepared set: clips of every recording, judged, kept or quarantined, split, reported."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sovits.data.corpora.recording import Recording
from sovits.data.manifest import QUARANTINE_NAME, Manifest, Utterance
from sovits.data.preparation.clip_maker import ClipMaker, left_out
from sovits.data.preparation.clip_voices import ClipVoices
from sovits.data.preparation.content_cache import ContentCache, file_hash
from sovits.data.preparation.disk import disk_trouble
from sovits.data.preparation.listening import Listener
from sovits.data.preparation.outcome import Note, Outcome
from sovits.data.preparation.outcome_cache import OutcomeCache
from sovits.data.preparation.remembering import RememberingTranscriber
from sovits.data.preparation.report import PreparationReport
from sovits.data.preparation.segmentation import Segmenter
from sovits.data.preparation.sharding import Shard
from sovits.data.preparation.splitting import split_by_content
from sovits.data.preparation.transcription import WhisperTranscriber
from sovits.data.preparation.vad import VoiceActivityDetector
from sovits.data.preparation.workers import work_through
from sovits.data.quality.gate import Gate
from sovits.data.quality.quality import Reason
from sovits.data.quality.signal import SignalJudge
from sovits.data.quality.voices import voice_distances
from sovits.errors import SovitsError
from sovits.metrics.voice_encoders import VoiceEncoder

LEAVE_OUT, KEEP = "leave_out", "keep"
"""What may become of speech that nobody tells the words of."""


@dataclass(frozen=True)
class PreparedSet:
    """One run's result, as it lies on disk."""

    report: PreparationReport
    voices: dict[str, np.ndarray]
    """Unit vectors [E] of the clips by content hash; none without an encoder."""


@dataclass(frozen=True)
class Preparation:
    """Prepares sets, all with the same settings."""

    sample_rate: int
    """Hz of the clips."""
    detector: VoiceActivityDetector
    segmenter: Segmenter
    judge: SignalJudge
    gate: Gate
    encoder: VoiceEncoder | None = None
    """Tells voices apart; ``None``: no clip is compared with its speaker's others."""
    transcriber: WhisperTranscriber | None = None
    """``None``: a recording without a transcript is left out, or kept without a text by ``untold``."""
    untold: str = LEAVE_OUT
    """What becomes of speech that has no transcript and no Whisper: ``leave_out``, or ``keep``: it trains voices, not reading."""
    check_transcripts: bool = True
    """Whether Whisper also writes down what a transcript tells already, so that the two can be compared."""
    lufs: float = -23.0
    """Loudness of every clip."""
    section_seconds: float = 300.0
    """A longer recording is worked on in sections: what bounds the memory."""
    min_speaker_seconds: float = 10.0
    """A speaker with less kept speech is quarantined."""
    advised_speaker_seconds: float = 60.0
    """A speaker with less is kept, with a warning."""
    validation_share: float = 0.05
    """Part of each speaker's utterances; at least one from three on."""
    test_share: float = 0.05
    seed: int = 0
    """Another one makes another split."""
    workers: int | None = None
    """Threads; ``None``: one for each core."""
    strict: bool = False
    """Whether leaving out or quarantining anything is an error."""

    def __post_init__(self) -> None:
        if self.untold not in (LEAVE_OUT, KEEP):
            raise SovitsError(f"untold={self.untold} is neither {LEAVE_OUT} nor {KEEP}; choose one.")

    def run(self, recordings: Sequence[Recording], output: Path, shard: Shard | None = None) -> PreparedSet | None:
        """Prepares ``recordings`` into ``output``; what an earlier run did and still holds is reused.

        Args:
            recordings: as a corpus finds them.
            output: the set's folder.
            shard: the part of them that this run is to do.

        Returns:
            What was kept, quarantined and left out; also written to ``output/report.json`` and ``output/report.md``.
            ``None`` for a shard, unless it was the last one to be done: that one goes on and makes the set of all.

        Raises:
            SovitsError: nothing usable, a missing model, a full disk, or with ``strict`` anything left out.
        """
        began = time.monotonic()
        with disk_trouble(output):
            output.mkdir(parents=True, exist_ok=True)
            cache = OutcomeCache(output, self._settings())
            if shard is not None and shard.count > 1:
                outcomes, _ = self._outcomes(shard.of(recordings), output, cache)
                self._voices(output, _utterances(outcomes))
                if not shard.finish(output, recordings, cache.settings):
                    return None
            outcomes, reused = self._outcomes(recordings, output, cache)
            utterances = _utterances(outcomes)
            voices = self._voices(output, utterances)
            kept, quarantined = self._gated(utterances, voices)
            report = PreparationReport(
                output=output,
                speakers=tuple(sorted({recording.speaker for recording in recordings if recording.speaker})),
                kept=tuple(split_by_content(kept, self.validation_share, self.test_share, self.seed)),
                quarantined=tuple(sorted(quarantined, key=lambda utterance: utterance.id)),
                omissions=tuple(omission for outcome in outcomes for omission in outcome.omissions),
                notes=(*(note for outcome in outcomes for note in outcome.notes), *self._misspelt(utterances)),
                limits=self.gate.limits,
                recordings=len(recordings),
                reused=reused,
                advised_speaker_seconds=self.advised_speaker_seconds,
                elapsed=time.monotonic() - began,
            )
            report.save()
            self._require_use(report)
            Manifest(self.sample_rate, report.kept).save(output)
            Manifest(self.sample_rate, report.quarantined).save(output, QUARANTINE_NAME)
            cache.sweep({utterance.path for utterance in utterances})
        return PreparedSet(report, voices)

    def _settings(self) -> dict[str, Any]:
        """What every clip depends on, beside its recording; plain values."""
        return {
            "sample_rate": self.sample_rate,
            "lufs": self.lufs,
            "section_seconds": self.section_seconds,
            "vad": self.detector.settings,
            "segmentation": self.segmenter.settings,
            "judge": self.judge.settings,
            "whisper": self.transcriber and [self.transcriber.settings, self.check_transcripts],
            **({"untold": KEEP} if self.untold == KEEP else {}),
        }

    def _outcomes(self, recordings: Sequence[Recording], output: Path, cache: OutcomeCache) -> tuple[list[Outcome], int]:
        """What became of each recording, and how many of them were as an earlier run left them."""
        clips = self._clip_maker(output)
        lock, reused = threading.Lock(), [0]

        def hashed(recording: Recording, _progress: Callable[[float], None]) -> tuple[str, str | None]:
            return _hash_or_problem(recording)

        def outcome(job: tuple[Recording, str, str | None], progress: Callable[[float], None]) -> Outcome:
            recording, audio_hash, problem = job
            if problem is not None:
                return left_out(recording, problem)
            key = cache.key(recording, audio_hash)
            kept = cache.load(key)
            if kept is not None:
                with lock:
                    reused[0] += 1
                return kept
            if self.transcriber is not None:
                self.transcriber.load()  # not within: a missing model is no fault of the recording's
            made = clips.make(recording, output, progress)
            cache.save(key, made)
            return made

        sizes = [_size(recording) for recording in recordings]
        hashes = work_through(recordings, hashed, weights=sizes, workers=self.workers, title="Reading", unit="recordings")
        jobs, first = [], dict[str, Recording]()
        for recording, (audio_hash, problem) in zip(recordings, hashes, strict=True):
            if problem is None and (other := first.setdefault(audio_hash, recording)) is not recording:
                problem = f"the same audio as {other.name}; keep one of them"
            jobs.append((recording, audio_hash, problem))
        return work_through(jobs, outcome, weights=sizes, workers=self.workers, title="Preparing", unit="recordings"), reused[0]

    def _clip_maker(self, output: Path) -> ClipMaker:
        heard = ContentCache(output / "cache" / "whisper")
        transcriber = None if self.transcriber is None else RememberingTranscriber(self.transcriber, heard)
        listener = Listener(self.detector, transcriber, check=self.check_transcripts, lufs=self.lufs, section_seconds=self.section_seconds)
        judged = ContentCache(output / "cache" / "judged")
        return ClipMaker(self.sample_rate, listener, self.segmenter, self.judge, judged, self.lufs, keep_untold=self.untold == KEEP)

    def _voices(self, output: Path, utterances: Sequence[Utterance]) -> dict[str, np.ndarray]:
        return ClipVoices(output, self.encoder, self.workers).of(utterances) if self.encoder is not None else {}

    def _gated(self, utterances: Sequence[Utterance], voices: dict[str, np.ndarray]) -> tuple[list[Utterance], list[Utterance]]:
        """The clips that may train, and those that may not, with their reasons."""
        speakers = {utterance.id: utterance.speaker for utterance in utterances}
        embeddings = {utterance.id: voices[utterance.content_hash] for utterance in utterances if voices}
        distances = voice_distances(embeddings, speakers) if voices else {}
        judged, first = [], dict[str, Utterance]()
        for utterance in utterances:
            distance = distances.get(utterance.id)
            quality = replace(utterance.quality, voice_distance=None if distance is None else round(float(distance), 4))
            known = replace(utterance, quality=quality)
            reasons = self.gate(known)
            if (other := first.setdefault(utterance.content_hash, utterance)) is not utterance:
                reasons = (*reasons, Reason("duplicate", f"the same sound as {other.id}: keep one of the two recordings"))
            judged.append(replace(known, reasons=reasons))
        seconds: dict[str, float] = defaultdict(float)
        for utterance in judged:
            seconds[utterance.speaker] += utterance.duration * (not utterance.reasons)
        scarce = {speaker: total for speaker, total in seconds.items() if total < self.min_speaker_seconds}
        every = [u if u.reasons or u.speaker not in scarce else replace(u, reasons=(self._too_little(u.speaker, scarce),)) for u in judged]
        return [u for u in every if not u.reasons], [u for u in every if u.reasons]

    def _misspelt(self, utterances: Sequence[Utterance]) -> list[Note]:
        names = self.gate.unmatched(utterance.id for utterance in utterances)
        return [Note(f"gate.keep or gate.refuse: {name}", "", "no clip is called so") for name in names]

    def _too_little(self, speaker: str, seconds: dict[str, float]) -> Reason:
        found = f"speaker {speaker} has only {seconds[speaker]:.1f} s of usable speech"
        return Reason("speaker_seconds", f"{found}, min_speaker_seconds={self.min_speaker_seconds:g}: add recordings or lower it")

    def _require_use(self, report: PreparationReport) -> None:
        problems = report.problems()
        if problems and (self.strict or not report.kept):
            what = f"strict=true and {len(problems)} not kept" if report.kept else "Nothing can be used"
            others = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
            raise SovitsError(f"{what}: {problems[0][0]}{others}: {problems[0][1]} (all in {report.output}/report.md).")


def _utterances(outcomes: Sequence[Outcome]) -> list[Utterance]:
    return [utterance for outcome in outcomes for utterance in outcome.utterances]


def _hash_or_problem(recording: Recording) -> tuple[str, str | None]:
    """The hash of a recording's bytes, and why it cannot be used where that shows at once."""
    if recording.problem is not None:
        return "", recording.problem
    try:
        audio_hash = file_hash(recording.path)
        empty = audio_hash is not None and recording.path.stat().st_size == 0
    except OSError as error:
        return "", f"the file cannot be read ({error.strerror}); make it readable"
    if empty:
        return "", "the file is empty (0 bytes); copy or record it again"
    return audio_hash or "", None if audio_hash else "the file is gone; add it again"


def _size(recording: Recording) -> float:
    """Bytes, at least one."""
    try:
        return max(recording.path.stat().st_size, 1.0)
    except OSError:
        return 1.0
