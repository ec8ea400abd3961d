"""YIN against tones of known period."""

from __future__ import annotations

import numpy as np
import pytest

from sovits.metrics.yin import yin_periods


@pytest.mark.parametrize("period", [40.0, 71.3, 128.5, 255.9])
def test_the_period_of_a_rich_tone_is_found_to_a_fraction_of_a_sample(period: float) -> None:
    phase = 2 * np.pi * np.arange(1024) / period
    windows = sum(np.sin(n * phase + n) / n for n in (1, 2, 3, 4))[None]
    assert yin_periods(windows, 32, 267)[0] == pytest.approx(period, abs=0.15)


def test_the_shortest_of_several_fitting_periods_is_taken() -> None:
    windows = np.sin(2 * np.pi * np.arange(1024) / 50)[None]
    assert yin_periods(windows, 20, 267)[0] == pytest.approx(50, abs=0.1), "100, 150, ... fit as well"


def test_noise_and_silence_have_some_period_in_the_range() -> None:
    windows = np.stack([np.zeros(1024), np.random.default_rng(0).standard_normal(1024)])
    periods = yin_periods(windows, 32, 512)
    assert ((periods >= 31) & (periods <= 513)).all()
