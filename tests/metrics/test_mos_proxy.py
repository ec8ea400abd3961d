"""The MOS proxy: its arithmetic, its edges, and that it hears noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sovits.audio.waveform import read_waveform
from sovits.hearing import Dnsmos, MosScores
from sovits.metrics import MosProxy, Reading
from tests.readings import reading

RATE = 16000


@pytest.fixture(scope="module")
def dnsmos() -> Dnsmos:
    return Dnsmos()


class Loudness:
    def __call__(self, clip: np.ndarray, sample_rate: int) -> MosScores:
        value = float(np.abs(clip).mean())
        return MosScores(value, 2 * value, 3 * value, 4 * value)


def of_levels(levels: list[float], speakers: str) -> list[Reading]:
    """Clips that are constant, their recordings half as loud."""
    return [
        reading(str(number), speaker, np.full(9, level / 2), np.full(9, level), RATE)
        for number, (level, speaker) in enumerate(zip(levels, speakers, strict=True))
    ]


def test_means_are_over_clips_and_then_over_speakers() -> None:
    judge = MosProxy(["a", "b", "absent"], Loudness())  # type: ignore[arg-type]
    judge.update(of_levels([0.1, 0.3, 0.8], "aab"))
    figures = judge.compute()
    assert figures["mos_proxy/a"].item() == pytest.approx(0.2, abs=1e-6)
    assert figures["mos_proxy"].item() == pytest.approx((0.2 + 0.8) / 2, abs=1e-6)
    assert figures["mos_proxy_real"].item() == pytest.approx((0.1 + 0.4) / 2, abs=1e-6)
    assert figures["mos_proxy_worst_speaker"].item() == pytest.approx(0.2, abs=1e-6)
    assert figures["mos_proxy_signal"].item() == pytest.approx(1.0, abs=1e-6)
    assert figures["mos_proxy_background"].item() == pytest.approx(1.5, abs=1e-6)
    assert not any("absent" in name or "reconstruction" in name for name in figures)


def test_two_ranks_add_up_to_one() -> None:
    together, left, right = (MosProxy(["a", "b"], Loudness()) for _ in range(3))  # type: ignore[arg-type]
    readings = of_levels([0.1, 0.2, 0.4, 0.8, 0.9], "abaab")
    together.update(readings)
    left.update(readings[:2])
    right.update(readings[2:])
    left.merge_state(right)
    for name, value in together.compute().items():
        assert left.compute()[name].item() == pytest.approx(value.item(), abs=1e-12), name


def test_silence_is_the_bottom_of_the_scale(dnsmos: Dnsmos) -> None:
    for clip in (np.zeros(RATE), np.zeros(0), torch.zeros(1, 400)):
        assert dnsmos(clip, RATE) == MosScores(1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("seconds", [0.05, 1.0, 10.5])
def test_clips_of_any_length_are_on_the_scale(dnsmos: Dnsmos, seconds: float) -> None:
    scores = dnsmos(np.random.default_rng(0).uniform(-1.2, 1.2, int(seconds * 22050)), 22050)
    assert all(1.0 <= score <= 5.0 for score in vars(scores).values())


def test_a_window_of_repeats_is_close_to_the_reference_protocol(dnsmos: Dnsmos, real_speech: Path) -> None:
    from speechmos import dnsmos as reference

    samples = read_waveform(sorted((real_speech / "vctk_p225").glob("*.flac"))[0], RATE, end=4.0)
    expected = reference.run(samples, RATE)
    scores = dnsmos(samples, RATE)
    assert scores.overall == pytest.approx(expected["ovrl_mos"], abs=0.15)
    assert scores.p808 == pytest.approx(expected["p808_mos"], abs=0.15)


def test_it_hears_noise(dnsmos: Dnsmos, real_speech: Path) -> None:
    for speaker in ("vctk_p226", "ljspeech_LJ"):
        samples = read_waveform(sorted((real_speech / speaker).glob("*.flac"))[0], RATE, end=5.0)
        noise = np.random.default_rng(0).standard_normal(len(samples)) * samples.std() * 10 ** (-10 / 20)
        clean, noisy = dnsmos(samples, RATE), dnsmos(samples + noise, RATE)
        assert clean.overall > 2.5
        assert clean.overall - noisy.overall > 0.8
        assert clean.background - noisy.background > 1.0
