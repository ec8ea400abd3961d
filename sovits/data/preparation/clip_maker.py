"""From one recording to its clips: listen, cut, level, write, judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sovits.audio.waveform import normalize_loudness, resample, write_waveform
from sovits.audio.waveform_file import WaveformFile
from sovits.data.corpora.recording import Recording
from sovits.data.manifest import UNTOLD, Utterance, Word
from sovits.data.preparation.content_cache import ContentCache, content_key, file_hash
from sovits.data.preparation.listening import HeardRecording, HeardSection, Listener
from sovits.data.preparation.outcome import Note, Omission, Outcome
from sovits.data.preparation.sections import LEAST_OFFSET, without_offset
from sovits.data.preparation.segmentation import Cut, Reject, Segmenter
from sovits.data.preparation.transcript_matching import disagreement
from sovits.data.preparation.transcription import spoken_language
from sovits.data.preparation.vad import VAD_RATE, Stretch
from sovits.data.quality.quality import Quality
from sovits.data.quality.signal import SignalJudge, clipped_share
from sovits.data.quality.speech_rate import speech_rate
from sovits.errors import SovitsError

AUDIO_FOLDER = "audio"
LEAST_RATE = 8000
"""Hz."""
_HIGHEST_RATE = 48000
_LISTENING = 0.5
"""Share of the work on a recording that listening is, for the progress bar."""


@dataclass(frozen=True)
class ClipMaker:
    """Makes the clips of recordings, all with the same settings; several threads may use it at once."""

    sample_rate: int
    """Hz of the clips."""
    listener: Listener
    segmenter: Segmenter
    judge: SignalJudge
    judged: ContentCache
    """Keeps what the judge found."""
    lufs: float
    """Loudness of every clip."""
    keep_untold: bool = False
    """Whether speech of which nobody tells what is said makes clips too, without a text."""

    def __post_init__(self) -> None:
        if not isinstance(self.sample_rate, int) or self.sample_rate < LEAST_RATE:
            raise SovitsError(f"audio.sample_rate={self.sample_rate} is not a rate for speech; give whole Hz, {LEAST_RATE} or more.")

    def make(self, recording: Recording, output: Path, progress: Callable[[float], None]) -> Outcome:
        """Writes the clips of one recording below ``output``; ``progress`` is told the share that is done.

        What is wrong with the recording is in the outcome.

        Raises:
            OSError: a clip cannot be written.
        """
        if recording.text is None and self.listener.transcriber is None and not self.keep_untold:
            remedy = "write one to a .txt of the same name beside it, or set whisper.model, or untold=keep for its voice alone"
            return left_out(recording, f"no transcript; {remedy}")
        try:
            if recording.text is not None:
                spoken_language(recording.text, recording.language)
            with WaveformFile(recording.path) as file:
                if not file.frames:
                    raise SovitsError("the file holds no samples; record it again")
                heard = self.listener(recording, file, lambda share: progress(_LISTENING * share))
                return self._outcome(recording, file, heard, output, progress)
        except SovitsError as error:
            return left_out(recording, _as_reason(error, recording))

    def _outcome(
        self, recording: Recording, file: WaveformFile, heard: HeardRecording, output: Path, progress: Callable[[float], None]
    ) -> Outcome:
        cuts, rejects = self._cuts(heard)
        utterances = []
        omissions = [_left_out_piece(recording, reject.reason, reject.start, reject.end) for reject in rejects]
        for number, cut in enumerate(cuts, start=1):
            stem = recording.stem if len(cuts) + len(rejects) == 1 else f"{recording.stem}_{number:04d}"
            try:
                utterances.append(self._utterance(recording, file, heard, cut, stem, output))
            except SovitsError as error:
                omissions.append(_left_out_piece(recording, _as_reason(error, recording), cut.start, cut.end))
            progress(_LISTENING + (1 - _LISTENING) * number / len(cuts))
        notes = tuple(Note(recording.name, recording.speaker, note) for note in self._notes(file, heard))
        return Outcome(tuple(utterances), tuple(omissions), notes)

    def _cuts(self, heard: HeardRecording) -> tuple[list[Cut], list[Reject]]:
        """Cuts each section on its own where the words' times are known, otherwise all of the recording by its sentences."""
        if not heard.words or len(heard.sections) == 1:
            return self.segmenter(heard.stretches, heard.duration, heard.text, heard.words)
        cuts, rejects, start = list[Cut](), list[Reject](), 0.0
        for section in heard.sections:
            words = [word for word in heard.words if start <= (word.start + word.end) / 2 < section.end]
            if section.stretches:
                text = "".join(word.text for word in words).strip()
                made, refused = self.segmenter(section.stretches, heard.duration, text, words)
                cuts, rejects = cuts + made, rejects + refused
            start = section.end
        return cuts, rejects

    def _utterance(self, recording: Recording, file: WaveformFile, heard: HeardRecording, cut: Cut, stem: str, output: Path) -> Utterance:
        language = spoken_language(cut.text, recording.language) if heard.text else UNTOLD
        first = round(cut.start * file.sample_rate)
        file.seek(first)
        source = file.read(round(cut.end * file.sample_rate) - first)
        sound = without_offset(source, heard.offset)
        clip = normalize_loudness(resample(sound, file.sample_rate, self.sample_rate), self.sample_rate, self.lufs)
        path = f"{AUDIO_FOLDER}/{recording.speaker}/{stem}.wav"
        write_waveform(output / path, clip, self.sample_rate)
        words = cut.words
        if words and not heard.aligned:
            words = self.listener.align(resample(sound, file.sample_rate, VAD_RATE), cut.text)
        content_hash = file_hash(output / path) or ""
        stretches = _within(heard.stretches, cut)
        spoken = sum(stretch.end - stretch.start for stretch in stretches)
        quality = replace(
            self._judged(clip, content_hash, stretches),
            source_rate=file.sample_rate,
            clipping=round(clipped_share(source), 6),
            speech_rate=_rounded(speech_rate(cut.text, language, spoken) if heard.text else None, 2),
            **self._agreement(cut, words, language, heard),
        )
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
            transcript=heard.transcript,
            content_hash=content_hash,
            words=tuple(_plain(word) for word in words),
            quality=quality,
        )

    def _judged(self, clip: np.ndarray, content_hash: str, stretches: Sequence[Stretch]) -> Quality:
        key = content_key(content_hash, self.judge.settings, [[s.start, s.end] for s in stretches])
        kept = self.judged.load(key)
        if kept is None:
            kept = asdict(self.judge(clip, self.sample_rate, stretches))
            self.judged.save(key, kept)
        return Quality(**kept)

    def _agreement(self, cut: Cut, words: Sequence[Word], language: str, heard: HeardRecording) -> dict[str, Any]:
        """What the words' confidences and what Whisper heard say about the text of a cut."""
        middle = (cut.start + cut.end) / 2
        section = next((section for section in heard.sections if middle <= section.end), heard.sections[-1])
        told = not heard.transcript.startswith("whisper:") and section.language is not None
        return {
            "alignment_confidence": _rounded(sum(word.confidence for word in words) / len(words), 4) if words else None,
            "disagreement": _rounded(disagreement(cut.text, _heard_in(section, cut), language), 4) if told else None,
            "heard_language": section.language,
        }

    def _notes(self, file: WaveformFile, heard: HeardRecording) -> Iterator[str]:
        if file.channels > 1:
            yield f"{file.channels} channels mixed into one"
        if file.sample_rate < self.sample_rate:
            yield f"{file.sample_rate} Hz, less than the set's {self.sample_rate}: its clips hold nothing above {file.sample_rate // 2} Hz"
        elif file.sample_rate > _HIGHEST_RATE:
            yield f"{file.sample_rate} Hz brought down to the set's {self.sample_rate}"
        if file.subtype not in ("PCM_16", "MPEG_LAYER_III", "VORBIS", "OPUS"):
            yield f"{file.subtype} samples stored with 16 bits"
        if abs(heard.offset) >= LEAST_OFFSET:
            yield f"a constant offset (DC) of {heard.offset:.3f} taken out"
        if heard.cut_in_speech:
            yield f"cut in the middle of speech {heard.cut_in_speech} time(s), for want of a pause to end a section in"


def left_out(recording: Recording, reason: str) -> Outcome:
    """Nothing kept, for this reason."""
    return Outcome(omissions=(Omission(recording.name, recording.speaker, reason),))


def _left_out_piece(recording: Recording, reason: str, start: float, end: float) -> Omission:
    return Omission(recording.name, recording.speaker, reason, round(start, 2), round(end, 2))


def _as_reason(error: SovitsError, recording: Recording) -> str:
    """The error's sentence as a reason: the report names the file beside it."""
    return str(error).replace(str(recording.path), "the file").rstrip(".")


def _within(stretches: Sequence[Stretch], cut: Cut) -> list[Stretch]:
    """The speech in a cut, in seconds from its start."""
    length = cut.end - cut.start
    inside = [s for s in stretches if s.start < cut.end and s.end > cut.start]
    return [Stretch(round(max(s.start - cut.start, 0.0), 4), round(min(s.end - cut.start, length), 4)) for s in inside]


def _heard_in(section: HeardSection, cut: Cut) -> str:
    return "".join(word.text for word in section.heard if cut.start <= (word.start + word.end) / 2 < cut.end).strip()


def _plain(word: Word) -> Word:
    return Word(word.text.strip(), round(word.start, 3), round(word.end, 3), round(word.confidence, 4))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)
