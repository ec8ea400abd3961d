"""Mel-cepstral distortion against decibels that were put in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from sovits.metrics import MelCepstralDistortion
from sovits.metrics.cepstral_distortion import mel_cepstral_distortion
from sovits.metrics.warping import cepstra_of
from tests.readings import reading
from tests.sounds import glide, noise

RATE = 16000


def test_it_is_the_difference_of_two_envelopes_in_decibels() -> None:
    bands = np.arange(40)
    log_amplitude = np.random.default_rng(0).normal(size=(7, 40))
    shape = 0.3 * np.cos(np.pi * 2 * (bands + 0.5) / 40) - 0.1 * np.cos(np.pi * 9 * (bands + 0.5) / 40)
    first, second = cepstra_of(2 * log_amplitude), cepstra_of(2 * (log_amplitude + shape))
    decibels = 20 / np.log(10) * shape
    assert mel_cepstral_distortion(first, second) == pytest.approx(np.sqrt(np.mean(np.square(decibels))))
    # Kubichek's formula, term by term.
    sums = [sum((a - b) ** 2 for a, b in zip(*pair, strict=True)) for pair in zip(first, second, strict=True)]
    summed = [10 / np.log(10) * np.sqrt(2 * total) for total in sums]
    assert mel_cepstral_distortion(first, second) == pytest.approx(np.mean(summed))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one shape"):
        mel_cepstral_distortion(np.zeros((2, 13)), np.zeros((3, 13)))
    with pytest.raises(ValueError, match="at least one frame"):
        mel_cepstral_distortion(np.zeros((0, 13)), np.zeros((0, 13)))


def test_a_copy_is_no_distance_away_and_a_muffled_one_is() -> None:
    sound = glide(120, 200, 0.6, RATE) + noise(0.6, RATE, level=0.01)
    muffled = lfilter([0.3], [1, -0.7], sound).astype(np.float32)
    judge = MelCepstralDistortion(["a"])
    copy = judge.score(reading("a/1", "a", sound, sound.copy(), RATE, reconstruction=0.5 * sound))
    assert copy["mel_cepstral_distortion"] == pytest.approx(0.0, abs=1e-6)
    assert copy["mel_cepstral_distortion_reconstruction"] == pytest.approx(0.0, abs=0.01)
    told = [judge.score(reading("a/1", "a", sound, other, RATE))["mel_cepstral_distortion"] for other in (muffled, noise(0.6, RATE))]
    assert 1 < told[0] < told[1]


def test_slower_speech_is_hardly_any_distance_away() -> None:
    judge = MelCepstralDistortion(["a"])
    first, slow = glide(100, 250, 0.6, RATE), glide(100, 250, 0.9, RATE)
    slower = judge.score(reading("a/1", "a", first, slow, RATE))["mel_cepstral_distortion"]
    in_step = judge.score(reading("a/1", "a", first, slow, RATE, reconstruction=slow))["mel_cepstral_distortion_reconstruction"]
    assert slower < 0.5 * in_step
