"""The pitch that training reads from recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sovits.audio.pitch import PitchTracker
from sovits.audio.waveform import read_waveform
from sovits.errors import SovitsError
from sovits.metrics.pitch import track_pitch

RATE, HOP = 22050, 512


def buzz(hertz: np.ndarray) -> torch.Tensor:
    """Ten harmonics of a pitch for every sample."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    return torch.from_numpy(0.1 * sum(np.cos(k * phase) / k for k in range(1, 11))).float().unsqueeze(0)


@pytest.mark.parametrize(("first", "last"), [(70.0, 70.0), (110.0, 180.0), (480.0, 300.0)])
def test_a_glide_is_followed(first: float, last: float) -> None:
    hertz = np.linspace(first, last, 2 * RATE)
    found = PitchTracker(RATE, HOP)(buzz(hertz))[0].numpy()
    assert found.shape == (2 * RATE // HOP,)
    # Away from the edges, where half of the window is empty.
    wanted = hertz[::HOP][: len(found)]
    assert found[3:-3] == pytest.approx(wanted[3:-3], rel=0.005)


def test_noise_and_silence_have_none() -> None:
    tracker = PitchTracker(RATE, HOP)
    noise = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    assert (tracker(noise) > 0).float().mean() < 0.05
    assert not tracker(torch.zeros(2, RATE)).any()


def test_a_quiet_buzz_after_a_loud_one_is_none() -> None:
    sound = buzz(np.full(RATE, 150.0))
    found = PitchTracker(RATE, HOP)(torch.cat([sound, 1e-3 * sound], -1))[0]
    assert (found[3:38] > 0).all()
    assert not found[48:].any()


def test_real_voices_have_the_pitch_that_the_judge_hears(real_speech: Path) -> None:
    """The judge's tracker is another method (YIN) at another rate."""
    apart, agreed = [], []
    for path in sorted(path for path in real_speech.rglob("*") if path.suffix in (".wav", ".flac"))[::80]:
        found = PitchTracker(RATE, HOP)(torch.from_numpy(read_waveform(path, RATE)).unsqueeze(0))[0].numpy()
        judged = track_pitch(read_waveform(path, 16000))
        places = np.minimum((np.arange(len(found)) * HOP / RATE * 100).astype(int), len(judged.hertz) - 1)
        both = (found > 0) & judged.voiced[places]
        apart.extend(np.abs(np.log2(found[both] / judged.hertz[places][both])))
        agreed.extend((found > 0) == judged.voiced[places])
    assert len(apart) > 300
    assert np.median(apart) < 0.02
    assert (np.array(apart) > 0.5).mean() < 0.06
    assert np.mean(agreed) > 0.8


def test_a_range_that_cannot_be_told_is_refused() -> None:
    with pytest.raises(SovitsError, match=r"lowest=30 and highest=500 Hz are no range of pitch at 22050 Hz; give 43 <="):
        PitchTracker(RATE, HOP, lowest=30.0)
