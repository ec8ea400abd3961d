"""A voice from uploaded clips: decoded safely, judged, and embedded; nothing is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

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
_LONGEST_NAME = 80


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
    """

    clips: int = 20
    clip_bytes: int = 20 * 2**20
    clip_seconds: float = 60.0
    seconds: float = 3.0


@dataclass(frozen=True)
class Enrolment:
    """A new voice."""

    embedding: Tensor
    """[E]."""
    seconds: float
    """Of speech that it was made from."""
    clips: int
    notes: tuple[str, ...]
    """What was left out, and why."""


class Enroller:
    """Makes voices from clips.

    Args:
        voice: whose speaker encoder reads them.
        gate: refuses clips that would make a bad voice; its limits on texts do not matter here.
        judge: measures what the gate decides on.
        detector: finds the speech.
        limits: what may be sent.
    """

    def __init__(self, voice: Voice, gate: Gate, judge: SignalJudge, detector: VoiceActivityDetector, limits: EnrolmentLimits) -> None:
        self.voice, self.gate, self.judge, self.detector, self.limits = voice, gate, judge, detector, limits

    def __call__(self, uploads: Sequence[Upload]) -> Enrolment:
        """The voice in the clips, each weighted by its seconds of speech.

        Raises:
            SovitsError: nothing was sent, too much, or nothing that can be used: each file with its reason.
        """
        if not 1 <= len(uploads) <= self.limits.clips:
            raise SovitsError(f"{len(uploads)} clips were sent; send 1 to {self.limits.clips}.")
        embeddings, seconds, notes = [], [], []
        for upload in uploads:
            name = _shown(upload.name)
            try:
                embedding, speech = self._embedded(upload)
            except SovitsError as error:
                notes.append(f"{name}: {error}")
            else:
                embeddings.append(embedding)
                seconds.append(speech)
        if not embeddings:
            raise SovitsError(f"No clip can be used. {' '.join(notes)}")
        if sum(seconds) < self.limits.seconds:
            told = f"{sum(seconds):.1f} s of speech are too few to tell a voice; send {self.limits.seconds:g} s or more."
            raise SovitsError(" ".join([told, *notes]))
        return Enrolment(blend(embeddings, seconds), round(sum(seconds), 2), len(embeddings), tuple(notes))

    def _embedded(self, upload: Upload) -> tuple[Tensor, float]:
        """The voice [E] in one clip and its seconds of speech."""
        samples, rate = self._decoded(upload)
        stretches = self.detector(resample(samples, rate, VAD_RATE))
        if not stretches:
            raise SovitsError("no speech was found in it; send a clip in which somebody speaks.")
        start = max(stretches[0].start - PADDING, 0.0)
        end = min(stretches[-1].end + PADDING, len(samples) / rate)
        clip = samples[round(start * rate) : round(end * rate)]
        moved = [Stretch(stretch.start - start, stretch.end - start) for stretch in stretches]
        quality = replace(self.judge(clip, rate, moved), source_rate=rate, clipping=clipped_share(clip))
        if reasons := list(self.gate.beyond(quality)):
            raise SovitsError(f"refused for its {', '.join(f'{one.measure} ({one.text})' for one in reasons)}.")
        embedding = self.voice.embed_recording(resample(clip, rate, self.voice.sample_rate))
        return embedding, sum(stretch.end - stretch.start for stretch in stretches)

    def _decoded(self, upload: Upload) -> tuple[np.ndarray, int]:
        """float32 [T_samples] in mono and its rate, not before the header has said that it is not too long."""
        if len(upload.content) > self.limits.clip_bytes:
            raise SovitsError(f"it has {len(upload.content):,} bytes and may have {self.limits.clip_bytes:,}; send a shorter one.")
        suffix = Path(upload.name).suffix.lower()
        if suffix not in READABLE:
            raise SovitsError(f"its name must end in one of {' '.join(READABLE)}.")
        with tempfile.TemporaryDirectory(prefix="sovits_upload_") as folder:
            path = Path(folder) / f"clip{suffix}"
            path.write_bytes(upload.content)
            try:
                with WaveformFile(path) as file:
                    if file.frames > self.limits.clip_seconds * file.sample_rate:
                        seconds = file.frames / file.sample_rate
                        raise SovitsError(f"it lasts {seconds:,.0f} s and may last {self.limits.clip_seconds:g} s; send a part of it.")
                    return file.read(file.frames), file.sample_rate
            except SovitsError as error:
                # The folder is nobody's business.
                raise SovitsError(str(error).replace(f"{path} ", "it ")) from None


def _shown(name: str) -> str:
    """A file's name without what a terminal or a log would obey."""
    return "".join(sign for sign in name if sign.isprintable())[:_LONGEST_NAME] or "a clip without a name"
