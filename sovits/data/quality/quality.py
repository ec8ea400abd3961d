"""What is measured of one clip, and why it may be kept out of training: plain values that the manifest holds."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """Figures of one clip; ``None``: not measured (no Whisper, too little speech, one clip of the speaker only)."""

    source_rate: int | None = None
    """Hz of the recording's file."""
    bandwidth: float | None = None
    """Hz below which the speech has 99.9 % of its spectrum."""
    clipping: float | None = None
    """Share of the recording's samples, here, that stand at its ceiling, 0-1."""
    snr: float | None = None
    """dB, speech against the quietest tenth of the clip."""
    rumble: float | None = None
    """dB of all that is below 60 Hz against the speech above it, see ``sovits.data.quality.noise``."""
    mos_overall: float | None = None
    """DNSMOS, 1-5: opinions as a network predicts them, see ``sovits.data.quality.opinion``."""
    mos_signal: float | None = None
    mos_background: float | None = None
    reverberation: float | None = None
    """Seconds of reverberation time, see ``sovits.data.quality.reverberation``."""
    music: float | None = None
    """Share of the spectrogram on held tones, 0-1, see ``sovits.data.quality.music``."""
    speech_rate: float | None = None
    """Syllables a second of speech, pauses left out."""
    silence_start: float | None = None
    """Seconds before the first speech."""
    silence_end: float | None = None
    """Seconds after the last."""
    longest_pause: float | None = None
    """Seconds."""
    alignment_confidence: float | None = None
    """Mean probability that Whisper gives the words of the text, 0-1."""
    disagreement: float | None = None
    """Error rate of what Whisper hears against the text: of words, or of characters in Chinese; above 1 for much more text."""
    heard_language: str | None = None
    """The language Whisper assumes, a code such as ``en``."""
    voice_distance: float | None = None
    """1 - cosine between the clip's voice and the mean of its speaker's other clips."""

    @property
    def bandwidth_of_file(self) -> float:
        """Hz above which the file can hold nothing; infinite where its rate is not known."""
        return math.inf if self.source_rate is None else self.source_rate / 2


@dataclass(frozen=True)
class Reason:
    """Why a clip is quarantined."""

    measure: str
    """The field of ``Quality``, which is also the threshold's key."""
    text: str
    """What is wrong with its figure and limit; what to do about it."""
