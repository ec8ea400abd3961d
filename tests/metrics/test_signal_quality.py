"""Signal quality against noise at known levels."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sovits.audio.waveform import read_waveform
from sovits.errors import SovitsError
from sovits.metrics import SignalQuality
from tests.readings import HAS_PESQ, reading
from tests.sounds import glide, noise

RATE = 16000


def buzzing_syllables() -> np.ndarray:
    """Two seconds of buzz in bursts, enough like speech for all three."""
    sound = glide(120, 220, 2.0, RATE)
    return (sound * np.clip(np.sin(np.linspace(0, 10 * np.pi, len(sound))), 0.02, 1)).astype(np.float32)


def at(ratio: float, sound: np.ndarray) -> np.ndarray:
    """``sound`` with noise ``ratio`` dB below it."""
    hiss = noise(len(sound) / RATE, RATE, level=1.0)
    return sound + hiss * np.sqrt(np.mean(sound**2) / np.mean(hiss**2)) * 10 ** (-ratio / 20)


def judged(sound: np.ndarray, recording: np.ndarray, pesq: bool = False) -> dict[str, float]:
    return SignalQuality(["a"], pesq).score(reading("a/1", "a", recording, recording, RATE, reconstruction=sound))


def test_more_noise_is_worse_in_every_figure() -> None:
    sound = buzzing_syllables()
    told = [judged(at(ratio, sound), sound, HAS_PESQ) for ratio in (40, 25, 10)]
    expected = {"stoi_reconstruction", "si_sdr_reconstruction"} | ({"pesq_reconstruction"} if HAS_PESQ else set())
    assert {name for name, value in told[0].items() if np.isfinite(value)} == expected
    for name in expected:
        values = [scores[name] for scores in told]
        assert values == sorted(values, reverse=True), name
    assert [scores["si_sdr_reconstruction"] for scores in told] == pytest.approx([40, 25, 10], abs=1)


def test_only_the_reconstruction_is_judged_and_loudness_is_not() -> None:
    sound = buzzing_syllables()
    judge = SignalQuality(["a"], pesq=False)
    assert judge.names == ["stoi_reconstruction", "si_sdr_reconstruction"]
    assert judge.score(reading("a/1", "a", sound, sound, RATE)) == {}
    copied = judged(0.5 * sound[:-100], sound)
    assert copied["stoi_reconstruction"] == pytest.approx(1.0, abs=0.01)
    assert copied["si_sdr_reconstruction"] > 50


def test_what_is_too_short_or_silent_gets_no_figure() -> None:
    sound = buzzing_syllables()
    assert judged(np.zeros_like(sound), sound) == {}
    short = judged(sound[1000:2600], sound[1000:2600], HAS_PESQ)
    assert all(np.isnan(value) for name, value in short.items() if name != "si_sdr_reconstruction")
    assert np.isnan(short["stoi_reconstruction"])


def test_a_missing_package_is_told_of_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def without_pesq(name: str, *rest: Any) -> Any:
        if name == "pesq":
            raise ImportError(name)
        return importing(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_pesq)
    with pytest.raises(SovitsError, match="pip install pesq"):
        SignalQuality(["a"])
    sound = buzzing_syllables()
    told = SignalQuality(["a"], pesq=False).score(reading("a/1", "a", sound, sound, RATE, reconstruction=sound.copy()))
    assert "pesq_reconstruction" not in told
    assert told["stoi_reconstruction"] > 0.99


@pytest.mark.skipif(not HAS_PESQ, reason="pesq is not installed")
def test_real_speech_in_noise(real_speech: Path) -> None:
    clip = read_waveform(real_speech / "vctk_p225" / "p225_003.flac", RATE, end=4.0)
    clean, noisy = judged(clip.copy(), clip, pesq=True), judged(at(10, clip), clip, pesq=True)
    assert clean["pesq_reconstruction"] == pytest.approx(4.64, abs=0.01)
    assert 1.0 < noisy["pesq_reconstruction"] < 2.5
    assert 0.7 < noisy["stoi_reconstruction"] < 0.97
