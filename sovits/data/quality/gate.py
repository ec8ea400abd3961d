"""Which clips are kept out of training, and why: a limit for each measure, and a researcher's own word above all limits."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sovits.data.quality.quality import Quality, Reason
from sovits.errors import SovitsError
from sovits.text.language import ENGLISH, MANDARIN

if TYPE_CHECKING:
    from sovits.data.manifest import Utterance

SPOKEN = (ENGLISH, MANDARIN)
"""What a clip may be heard to be in."""


@dataclass(frozen=True)
class _Limit:
    """What a threshold of a measure says to a person."""

    shown: str
    """How a figure is written, ``{}`` in it."""
    remedy: str
    range: tuple[float, float] = (0.0, math.inf)
    """Of thresholds that make sense."""


_SHARE = (0.0, 1.0)
_OPINION = (1.0, 5.0)
_LIMITS = {
    "source_rate_min": _Limit("{:.0f} Hz in the file", "record at 16000 Hz or more, or find the original file"),
    "bandwidth_min": _Limit("nothing above {:.0f} Hz", "use the recording from before it was sent by telephone or compressed"),
    "clipping_max": _Limit("{:.3%} of the samples cut off at the ceiling", "lower the recording level and record it again", _SHARE),
    "snr_min": _Limit("{:.1f} dB of speech over noise", "record in a quieter place or nearer to the microphone", (-20.0, 80.0)),
    "rumble_max": _Limit(
        "rumble below 60 Hz at {:.1f} dB of the speech", "shield the microphone from wind, traffic and hands", (-80.0, 20.0)
    ),
    "mos_overall_min": _Limit("DNSMOS {:.2f} on the whole", "listen to it, and record it again if it sounds bad", _OPINION),
    "mos_signal_min": _Limit("DNSMOS {:.2f} for the speech", "look for distortion or a bad connection, and record it again", _OPINION),
    "mos_background_min": _Limit(
        "DNSMOS {:.2f} for the background", "turn off what is heard behind the voice, and record it again", _OPINION
    ),
    "reverberation_max": _Limit("{:.2f} s of reverberation", "record in a smaller or softer room, or nearer to the microphone"),
    "music_max": _Limit("held tones on {:.2%} of the spectrogram", "turn off music or humming machines, and record it again", _SHARE),
    "speech_rate_min": _Limit("{:.1f} syllables/s", "check that the text is all that is said, or speak faster"),
    "speech_rate_max": _Limit("{:.1f} syllables/s", "check that all of the text is said, or speak slower"),
    "silence_start_max": _Limit("{:.2f} s before the speech", "cut the silence off, or lower segmentation.padding"),
    "silence_end_max": _Limit("{:.2f} s after the speech", "cut the silence off, or lower segmentation.padding"),
    "longest_pause_max": _Limit("a pause of {:.2f} s", "cut it in two there, text and sound"),
    "alignment_confidence_min": _Limit("aligned with a confidence of {:.2f}", "check that the text is what is said", _SHARE),
    "disagreement_max": _Limit("{:.0%} of the text heard otherwise", "correct the text to what is said"),
    "voice_distance_max": _Limit("{:.3f} from the voice of the speaker's other clips", "check who speaks", (0.0, 2.0)),
}
"""In the order in which reasons are given."""


class Gate:
    """Judges utterances by what was measured of them. A figure that was not taken (``None``) refuses nothing.

    Args:
        languages: those that Whisper may hear, ``en`` and ``zh``; an utterance in one language must be heard in it, a mixed one in
            any of them. ``None``: whatever it hears.
        keep: patterns (``fnmatch``) of utterance ids that are kept whatever their figures say.
        refuse: patterns of ids that are refused whatever their figures say; stronger than ``keep``.
        thresholds: ``<measure>_min`` or ``<measure>_max``, see ``conf/gate/default.yaml``; ``None``: not judged.

    Raises:
        SovitsError: an unknown threshold, one outside its range, a minimum above its maximum, an unknown language, an empty pattern.
    """

    def __init__(
        self,
        *,
        languages: Sequence[str] | None = None,
        keep: Sequence[str] = (),
        refuse: Sequence[str] = (),
        **thresholds: float | None,
    ) -> None:
        checked = {name: _checked(name, value) for name, value in thresholds.items()}
        self.thresholds = {name: value for name, value in checked.items() if value is not None}
        for name, least in self.thresholds.items():
            most = self.thresholds.get(name.removesuffix("_min") + "_max", math.inf)
            if name.endswith("_min") and least > most:
                raise SovitsError(f"gate.{name}={least:g} is above gate.{name.removesuffix('_min')}_max={most:g}; nothing would pass.")
        self.languages = None if languages is None else _checked_languages(languages)
        self.keep = _checked_patterns("keep", keep)
        self.refuse = _checked_patterns("refuse", refuse)

    @property
    def limits(self) -> dict[str, dict[str, float]]:
        """Measure -> its limits by ``min`` and ``max``: ``{"snr": {"min": 12.0}}``."""
        limits: dict[str, dict[str, float]] = {}
        for name in _LIMITS:
            if name in self.thresholds:
                measure, end = _split(name)
                limits.setdefault(measure, {})[end] = self.thresholds[name]
        return limits

    def __call__(self, utterance: Utterance) -> tuple[Reason, ...]:
        """Why ``utterance`` is to be quarantined, every reason there is; none: it is kept."""
        pattern = _match(utterance.id, self.refuse)
        if pattern is not None:
            return (Reason("refuse", f"named by gate.refuse={pattern}: take the pattern out to have it judged"),)
        if _match(utterance.id, self.keep) is not None:
            return ()
        return (*self.beyond(utterance.quality), *self._misheard(utterance))

    def unmatched(self, ids: Iterable[str]) -> list[str]:
        """The patterns of ``keep`` and ``refuse`` that none of ``ids`` matches: misspelt, most likely."""
        left = {*self.keep, *self.refuse}
        for name in ids:
            left -= {pattern for pattern in left if fnmatchcase(name, pattern)}
        return sorted(left)

    def beyond(self, quality: Quality) -> Iterator[Reason]:
        """The limits that figures of one clip are beyond; a figure that is not known is beyond none."""
        for name, limit in _LIMITS.items():
            threshold = self.thresholds.get(name)
            measure, end = _split(name)
            figure = getattr(quality, measure)
            if threshold is None or figure is None:
                continue
            # Not a number is within no limit.
            if not (figure >= threshold if end == "min" else figure <= threshold):
                yield Reason(measure, f"{limit.shown.format(figure)}, gate.{name}={threshold:g}: {limit.remedy}")

    def _misheard(self, utterance: Utterance) -> Iterator[Reason]:
        heard = utterance.quality.heard_language
        if self.languages is None or heard is None:
            return
        expected = [utterance.language] if utterance.language in SPOKEN else list(SPOKEN)
        allowed = [language for language in expected if language in self.languages]
        if heard not in allowed:
            shown = f"heard as {heard}, the text is {utterance.language}, gate.languages=[{','.join(self.languages)}]"
            yield Reason("heard_language", f"{shown}: check that the text belongs to the recording")


def _split(name: str) -> tuple[str, str]:
    measure, _, end = name.rpartition("_")
    return measure, end


def _checked(name: str, value: object) -> float | None:
    if name not in _LIMITS:
        near = difflib.get_close_matches(name, _LIMITS, n=1)
        hint = f"did you mean gate.{near[0]}?" if near else f"choose of {', '.join(_LIMITS)}."
        raise SovitsError(f"gate.{name} is no threshold; {hint}")
    if value is None:
        return None
    low, high = _LIMITS[name].range
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
        span = f"{low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise SovitsError(f"gate.{name}={value} is not a number {span}; give one, or null to leave {_split(name)[0]} unjudged.")
    return float(value)


def _checked_languages(languages: Sequence[str]) -> tuple[str, ...]:
    if isinstance(languages, str) or not languages or not set(languages) <= set(SPOKEN):
        raise SovitsError(f"gate.languages={languages} is not a list of {', '.join(SPOKEN)}; write [en,zh], or null for any language.")
    return tuple(languages)


def _checked_patterns(key: str, patterns: Sequence[str]) -> tuple[str, ...]:
    if isinstance(patterns, str) or not all(isinstance(pattern, str) and pattern for pattern in patterns):
        raise SovitsError(f"gate.{key}={patterns} is not a list of utterance ids or patterns; write for example [p225/p225_003,p226/*].")
    return tuple(patterns)


def _match(name: str, patterns: Sequence[str]) -> str | None:
    return next((pattern for pattern in patterns if fnmatchcase(name, pattern)), None)
