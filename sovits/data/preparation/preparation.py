"""From a folder of recordings to a prepared set: clips of every recording, a manifest with splits, and a report."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sovits.data.corpora.recording import Recording, find_recordings
from sovits.data.manifest import Manifest, Utterance
from sovits.data.preparation.clip_cache import ClipCache, file_hash
from sovits.data.preparation.clip_maker import ClipMaker, left_out
from sovits.data.preparation.outcome import Omission, Outcome
from sovits.data.preparation.report import PreparationReport
from sovits.data.preparation.segmentation import Segmenter
from sovits.data.preparation.splitting import split_by_content
from sovits.data.preparation.transcription import WhisperTranscriber
from sovits.data.preparation.vad import VoiceActivityDetector
from sovits.errors import SovitsError


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
        self.clips = ClipMaker(sample_rate, detector or VoiceActivityDetector(), segmenter or Segmenter(), transcriber, lufs)
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
        cache = ClipCache(output, self.clips.settings)
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
        Manifest(self.clips.sample_rate, report.utterances).save(output)
        cache.sweep({utterance.path for utterance in utterances})
        return report

    def _outcomes(self, recordings: Sequence[Recording], output: Path, cache: ClipCache) -> tuple[list[Outcome], int]:
        """What became of each recording, and how many of them were as an earlier run left them."""
        outcomes, reused, seen = [], 0, dict[str, Recording]()
        columns = TextColumn("Preparing"), BarColumn(), MofNCompleteColumn(), TextColumn("recordings, left:"), TimeRemainingColumn()
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            for recording in progress.track(recordings):
                audio_hash, problem = _hash_or_problem(recording)
                if problem is not None:
                    outcomes.append(left_out(recording, problem))
                    continue
                if (first := seen.setdefault(audio_hash, recording)) is not recording and recording.path.stat().st_size:
                    outcomes.append(left_out(recording, f"the same audio as {first.name}; keep one of them"))
                    continue
                key = cache.key(recording, audio_hash)
                kept = cache.load(key)
                reused += kept is not None
                if kept is None:
                    kept = self.clips.make(recording, output)
                    cache.save(key, kept)
                outcomes.append(kept)
        return outcomes, reused

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


def _too_little(speaker: str, seconds: float, least: float) -> str:
    return f"speaker {speaker} has only {seconds:.1f} s of usable speech, min_speaker_seconds={least:g}; add recordings or lower it"
