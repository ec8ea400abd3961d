"""Pitch against glides of known pitch."""

from __future__ import annotations

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.metrics import PitchError
from sovits.metrics.pitch import track_pitch
from sovits.metrics.warping import HOP
from tests.readings import reading
from tests.sounds import glide, noise, pitch_of_glide

RATE = 16000


@pytest.mark.parametrize(("start", "end"), [(80.0, 110.0), (180.0, 320.0), (420.0, 300.0)])
def test_a_glide_is_followed_to_a_few_cents(start: float, end: float) -> None:
    track = track_pitch(glide(start, end, 1.0, RATE))
    assert track.hertz.shape == track.voiced.shape == (100,)
    truth = pitch_of_glide(start, end, (np.arange(100) + 0.5) * HOP / RATE)
    inner = slice(4, -4)
    assert track.voiced[inner].all()
    assert np.abs(1200 * np.log2(track.hertz / truth))[inner].max() < 15


def test_noise_and_silence_are_not_voiced() -> None:
    assert track_pitch(noise(1.0, RATE)).voiced.mean() < 0.05
    buzz = glide(150, 160, 0.5, RATE)
    voiced = track_pitch(np.concatenate([buzz, np.zeros(RATE // 2, np.float32)])).voiced
    assert voiced[:46].mean() > 0.9
    assert not voiced[54:].any()
    assert len(track_pitch(np.zeros(100, np.float32)).hertz) == 0


def test_a_voice_that_is_higher_is_off_by_as_many_cents() -> None:
    recording = glide(150, 200, 0.8, RATE)
    judge = PitchError(["a"])
    for cents in (0, 100, 700):
        shifted = glide(150 * 2 ** (cents / 1200), 200 * 2 ** (cents / 1200), 0.8, RATE)
        told = judge.score(reading("a/1", "a", recording, shifted, RATE, reconstruction=shifted))
        assert told["pitch_error_reconstruction"] == pytest.approx(cents, abs=10)
        assert told["voicing_error_reconstruction"] < 0.05
    assert judge.score(reading("a/1", "a", recording, recording.copy(), RATE))["pitch_error"] == 0.0


def test_whispered_speech_has_a_voicing_error_and_no_pitch() -> None:
    told = PitchError(["a"]).score(reading("a/1", "a", glide(150, 200, 0.8, RATE), noise(0.8, RATE), RATE))
    assert told["voicing_error"] > 0.9
    assert "pitch_error" not in told


@pytest.mark.parametrize(("lowest", "highest"), [(10.0, 400.0), (300.0, 200.0), (60.0, 9000.0)])
def test_a_range_that_cannot_be_measured_is_refused(lowest: float, highest: float) -> None:
    with pytest.raises(SovitsError, match="no range of pitch"):
        PitchError(["a"], lowest, highest)
