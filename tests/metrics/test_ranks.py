"""Every judge that needs no download: the same figures on one rank and on two, and no crash on what is no speech."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sovits.hearing import EnglishRecognizer
from sovits.metrics import (
    DurationError,
    Intelligibility,
    Judge,
    MelCepstralDistortion,
    PitchError,
    Reading,
    SignalQuality,
    WordCoverage,
)
from tests.readings import HAS_PESQ, reading
from tests.sounds import glide, noise

RATE = 8000
SPEAKERS = ["a", "b", "absent"]
RECOGNIZER = EnglishRecognizer()
JUDGES: dict[str, Callable[[], Judge]] = {
    "intelligibility": lambda: Intelligibility(SPEAKERS, RECOGNIZER, distractors=1),
    "coverage": lambda: WordCoverage(SPEAKERS, RECOGNIZER),
    "distortion": lambda: MelCepstralDistortion(SPEAKERS),
    "pitch": lambda: PitchError(SPEAKERS),
    "duration": lambda: DurationError(SPEAKERS),
    "signal": lambda: SignalQuality(SPEAKERS, pesq=HAS_PESQ),
}


def readings() -> list[Reading]:
    sounds = [
        glide(110 + 20 * number, 180, 0.5 + 0.1 * number, RATE) + noise(0.5 + 0.1 * number, RATE, number, 0.01) for number in range(4)
    ]
    return [
        reading(f"{speaker}/{number}", speaker, sounds[number], sounds[3 - number], RATE, reconstruction=0.9 * sounds[number])
        for number, speaker in enumerate("aaba")
    ]


@pytest.mark.parametrize("name", JUDGES)
def test_two_ranks_say_what_one_says(name: str) -> None:
    together, left, right = (JUDGES[name]() for _ in range(3))
    every = readings()
    together.update(every)
    left.update(every[:1])
    right.update(every[1:])
    left.merge_state(right)
    told = {key: value.item() for key, value in together.compute().items()}
    assert told
    assert {key: value.item() for key, value in left.compute().items()} == pytest.approx(told)
    assert not any("absent" in key for key in told)
    own = [told[key] for key in (f"{together.names[-1]}/a", f"{together.names[-1]}/b") if key in told]
    assert not own or told[together.names[-1]] == pytest.approx(np.mean(own))


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("length", [0, 50, RATE])
def test_what_is_no_speech_does_not_crash_a_judge(name: str, length: int) -> None:
    judge = JUDGES[name]()
    nothing, sound = np.zeros(length, np.float32), glide(110, 180, 0.6, RATE)
    short = sound[:length]
    for first, second in ((nothing, sound), (sound, nothing), (nothing, nothing), (short, sound), (sound, short)):
        told = judge.score(reading("a/1", "a", first, second, RATE, reconstruction=second))
        assert set(told) <= set(judge.names)
        judge.update([reading(f"a/{len(first)}", "a", first, second, RATE, reconstruction=second)])
    assert all(np.isfinite(value.item()) for value in judge.compute().values())
