"""Durations against sounds of known length."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sovits.metrics import DurationError
from tests.readings import reading
from tests.sounds import glide

RATE = 16000


@pytest.mark.parametrize(("seconds", "rate"), [(0.8, 1.0), (1.2, 0.8 / 1.2), (0.4, 2.0)])
def test_pauses_at_the_edges_do_not_count(seconds: float, rate: float) -> None:
    pause = np.zeros(RATE // 3, np.float32)
    spoken = np.concatenate([glide(150, 200, seconds, RATE), pause])
    recorded = np.concatenate([pause, glide(150, 200, 0.8, RATE), pause])
    told = DurationError(["a"]).score(reading("a/1", "a", recorded, spoken, RATE))
    assert told["speaking_rate"] == pytest.approx(rate, rel=0.06)
    assert told["duration_error"] == pytest.approx(abs(math.log(rate)), abs=0.06)


def test_no_speaker_is_the_worst_at_a_ratio() -> None:
    judge = DurationError(["a"])
    judge.update([reading("a/1", "a", glide(150, 200, 0.8, RATE), glide(150, 200, 0.4, RATE), RATE)])
    told = judge.compute()
    assert "duration_error_worst_speaker" in told
    assert {name for name in told if name.startswith("speaking_rate")} == {"speaking_rate", "speaking_rate/a"}
