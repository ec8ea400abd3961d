"""A voice from uploaded clips: decoded safely, judged, and embedded; nothing is trained."""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sovits.audio.waveform import READABLE, resample
from sovits.audio.waveform_file import WaveformFile
from sovits.data.preparation.vad import VAD_RATE, Stretch, VoiceActivityDetector
from sovits.data.quality.gate import Gate
from sovits.data.quality.signal import SignalJudge, clipped_share
from sovits.errors import SovitsError
from sovits.voice import Voice
from sovits.voice.blending import blend

PADDING = 0.1
"""Seconds kept before and after the speech, as `sovits prepare` does."""
RATES = (8000, 192_000)
"""Hz of a file: a lower one holds no voice, and a higher one much work in few seconds."""
MOST_CHANNELS = 8
"""Of a file: a few bytes may claim hundreds, and all are decoded before they are averaged."""
_LONGEST_NAME = 80
_UNKNOWN_FRAMES = 2**62
"""At least what libsndfile says where a header leaves the length open."""
_BEGINNINGS = {b"RIFF": ".wav", b"RF64": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3"}


@dataclass(frozen=True)
class Upload:
    """A file that somebody sent: its name is for messages and never a path."""

    name: str
    content: bytes


@dataclass(frozen=True)
class EnrolmentLimits:
    """What may be sent.

    Args:
        clips: most files.
        clip_bytes: most of a file.
        clip_seconds: most of a file, as its header says: nothing longer is decoded.
        seconds: least speech of all clips together.
        all_bytes: most of all files together.
        all_seconds: most that is decoded; clips beyond it are left out.

    Raises:
        SovitsError: a limit that is no number above 0.
    """

    clips: int = 20
    clip_bytes: int = 20 * 2**20
    clip_seconds: float = 60.0
    seconds: float = 3.0
    all_bytes: int = 64 * 2**20
    all_seconds: float = 300.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise SovitsError(f"enrolment.{name}={value} is not a number above 0; give one.")


@dataclass(frozen=True)
class _Recording:
    """A decoded upload."""

    samples: np.ndarray
    """float32 [T_samples], mono."""
    rate: int
    """Hz."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class Enrolment:
    """A new voice."""

    embedding: np.ndarray
    """[E]."""
    seconds: float
    """Of speech that it was made from."""
    clips: int
    notes: tuple[str, ...]
    """What was left out, and why."""


class Enroller:
    """Makes voices from clips, one voice at a time: who calls it from several threads waits, and speech keeps its share of the machine.

    Args:
        voice: whose speaker encoder reads them.
        gate: refuses clips that would make a bad voice; its limits on texts do not matter here.
        judge: measures what the gate decides on.
        detector: finds the speech.
        limits: what may be sent.
    """

    def __init__(self, voice: Voice, gate: Gate, judge: SignalJudge, detector: VoiceActivityDetector, limits: EnrolmentLimits) -> None:
        self.voice, self.gate, self.judge, self.detector, self.limits = voice, gate, judge, detector, limits
        self._turn = threading.Lock()

    def __call__(self, uploads: Sequence[Upload]) -> Enrolment:
        """The voice in the clips, each weighted by its seconds of speech.

        Raises:
            SovitsError: nothing was sent, too much, or nothing that can be used: each file with its reason.
        """
        if not 1 <= len(uploads) <= self.limits.clips:
            raise SovitsError(f"{len(uploads)} clips were sent; send 1 to {self.limits.clips}.")
        if (size := sum(len(upload.content) for upload in uploads)) > self.limits.all_bytes:
            raise SovitsError(f"The clips have {size:,} bytes together and may have {self.limits.all_bytes:,}; send fewer or shorter ones.")
        with self._turn:
            return self._enrolled(uploads)

    def _enrolled(self, uploads: Sequence[Upload]) -> Enrolment:
        embeddings, seconds, notes, left = [], [], [], self.limits.all_seconds
        for upload in uploads:
            try:
                recording = self._decoded(upload, left)
                left -= recording.seconds
                embedding, speech = self._embedded(recording)
            except SovitsError as error:
                notes.append(f"{_shown(upload.name)}: {error}")
            else:
                embeddings.append(embedding)
                seconds.append(speech)
        if not embeddings:
            raise SovitsError(f"No clip can be used. {' '.join(notes)}")
        if sum(seconds) < self.limits.seconds:
            told = f"{sum(seconds):.1f} s of speech are too few to tell a voice; send {self.limits.seconds:g} s or more."
            raise SovitsError(" ".join([told, *notes]))
        return Enrolment(blend(embeddings, seconds), round(sum(seconds), 2), len(embeddings), tuple(notes))

    def _embedded(self, recording: _Recording) -> tuple[np.ndarray, float]:
        """The voice [E] in one clip and its seconds of speech."""
        samples, rate = recording.samples, recording.rate
        stretches = self.detector(resample(samples, rate, VAD_RATE))
        if not stretches:
            raise SovitsError("no speech was found in it; send a clip in which somebody speaks.")
        start = max(stretches[0].start - PADDING, 0.0)
        end = min(stretches[-1].end + PADDING, recording.seconds)
        clip = samples[round(start * rate) : round(end * rate)]
        moved = [Stretch(stretch.start - start, stretch.end - start) for stretch in stretches]
        quality = replace(self.judge(clip, rate, moved), source_rate=rate, clipping=clipped_share(clip))
        if reasons := list(self.gate.beyond(quality)):
            raise SovitsError(f"refused for its {', '.join(f'{one.measure} ({one.text})' for one in reasons)}.")
        embedding = self.voice.embed_recording(resample(clip, rate, self.voice.sample_rate))
        return embedding, sum(stretch.end - stretch.start for stretch in stretches)

    def _decoded(self, upload: Upload, left: float) -> _Recording:
        """A file, not before its header has said that it is not too much; ``left`` are the seconds that all may still last."""
        if len(upload.content) > self.limits.clip_bytes:
            raise SovitsError(f"it has {len(upload.content):,} bytes and may have {self.limits.clip_bytes:,}; send a shorter one.")
        with tempfile.TemporaryDirectory(prefix="sovits_upload_") as folder:
            path = Path(folder) / f"clip{_suffix(upload.content)}"
            path.write_bytes(upload.content)
            try:
                with WaveformFile(path) as file:
                    self._check_header(file, left)
                    return _Recording(file.read(file.frames), file.sample_rate)
            except SovitsError as error:
                # The folder is nobody's business.
                raise SovitsError(str(error).replace(str(path), "it")) from None

    def _check_header(self, file: WaveformFile, left: float) -> None:
        """Raises a ``SovitsError`` where decoding would be in vain or take too much."""
        if file.frames == 0:
            raise SovitsError("it holds no sound; record it again.")
        if file.frames >= _UNKNOWN_FRAMES:
            raise SovitsError("its header does not say how long it is; export it again as WAV.")
        if not RATES[0] <= file.sample_rate <= RATES[1]:
            raise SovitsError(f"it has {file.sample_rate} Hz and may have {RATES[0]} to {RATES[1]}; export it again at 48000.")
        if file.channels > MOST_CHANNELS:
            raise SovitsError(f"it has {file.channels} channels and may have {MOST_CHANNELS}; export it again in mono.")
        seconds = file.frames / file.sample_rate
        if seconds > self.limits.clip_seconds:
            raise SovitsError(f"it lasts {seconds:,.0f} s and may last {self.limits.clip_seconds:g} s; send a part of it.")
        if seconds > left:
            raise SovitsError(f"with it the clips would last more than {self.limits.all_seconds:g} s together; the others are enough.")


def _suffix(content: bytes) -> str:
    """The ending of a file with this content, whatever its sender calls it: no other format reaches a decoder."""
    if not content:
        raise SovitsError("it is empty (0 bytes); copy or record it again.")
    kind = next((suffix for beginning, suffix in _BEGINNINGS.items() if content.startswith(beginning)), None)
    if kind == ".wav" and content[8:12] != b"WAVE":
        kind = None
    # Eleven set bits begin a frame of MPEG audio.
    if kind is None and content[0] == 0xFF and content[1:2] >= b"\xe0":
        kind = ".mp3"
    if kind is None:
        raise SovitsError(f"it is damaged or not audio that can be read here ({' '.join(READABLE)}); export it again as WAV or FLAC.")
    return kind


def _shown(name: str) -> str:
    """A file's name without what a terminal or a log would obey."""
    return "".join(sign for sign in name if sign.isprintable())[:_LONGEST_NAME] or "a clip without a name"
