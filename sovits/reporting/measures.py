"""What is measured of a clip, as people read it: names, units and digits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sovits.data.manifest import Utterance


@dataclass(frozen=True)
class Measure:
    """The clip's duration or a field of ``Quality`` that is a number."""

    name: str
    heading: str
    unit: str
    meaning: str
    digits: int = 1
    scale: float = 1.0
    """What a value is multiplied with to be in ``unit``."""

    def of(self, utterance: Utterance) -> float | None:
        """The clip's value in ``unit``, or None where it was not measured or is not a number."""
        value = utterance.duration if self.name == "duration" else getattr(utterance.quality, self.name)
        return None if value is None or not math.isfinite(value) else value * self.scale

    def shown(self, value: float) -> str:
        """A value in ``unit``, with it."""
        return f"{value:.{self.digits}f}{'' if self.unit in ('', '%') else ' '}{self.unit}"


MEASURES = (
    Measure("duration", "duration", "s", "length of the clip"),
    Measure("snr", "SNR", "dB", "speech against what is heard in its pauses; more is better", 0),
    Measure("rumble", "rumble", "dB", "what is below 60 Hz, against the speech; less is better", 0),
    Measure("mos_overall", "MOS", "", "predicted opinion of the whole, 1 to 5 (DNSMOS)", 2),
    Measure("mos_signal", "MOS speech", "", "predicted opinion of the voice alone, 1 to 5", 2),
    Measure("mos_background", "MOS background", "", "predicted opinion of the background, 1 to 5", 2),
    Measure("reverberation", "reverberation", "s", "how long the room answers", 2),
    Measure("music", "held tones", "%", "share of the spectrogram that is music or humming", 2, 100.0),
    Measure("clipping", "clipped", "%", "samples that stand at the recording's ceiling", 3, 100.0),
    Measure("speech_rate", "rate", "syll./s", "syllables a second of speech, pauses left out"),
    Measure("silence_start", "silence before", "s", "before the first speech", 2),
    Measure("silence_end", "silence after", "s", "after the last speech", 2),
    Measure("longest_pause", "longest pause", "s", "inside the clip", 2),
    Measure("alignment_confidence", "alignment", "", "how sure Whisper is of the text's words, 0 to 1", 2),
    Measure("disagreement", "disagreement", "%", "what Whisper hears against the text: words or characters in error", 0, 100.0),
    Measure("voice_distance", "voice distance", "", "from the speaker's other clips: 1 - cosine", 2),
    Measure("bandwidth", "bandwidth", "kHz", "below it the speech has 99 % of its spectrum", 1, 1e-3),
    Measure("source_rate", "recorded at", "kHz", "sample rate of the recording", 1, 1e-3),
)
_HEADINGS = {measure.name: measure.heading for measure in MEASURES} | {"heard_language": "language", "refuse": "refused by name"}


def heading(name: str) -> str:
    """What the measure of this name is called; one that is not known here by its name."""
    return _HEADINGS.get(name, name.replace("_", " "))
