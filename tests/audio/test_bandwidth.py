"""Tones below and above what a recording can hold, against scipy's spectrum."""

import numpy as np
import pytest
import torch
from scipy import signal

from sovits.audio.bandwidth import within_bandwidth

RATE = 22050


def tones(*hertz: float, samples: int = RATE // 2) -> torch.Tensor:
    time = torch.arange(samples) / RATE
    return torch.stack([torch.sin(2 * torch.pi * tone * time) for tone in hertz]).sum(0)[None, None]


def level(waveform: torch.Tensor, hertz: float) -> float:
    """Amplitude of a tone, by its power in scipy's periodogram."""
    frequencies, power = signal.periodogram(waveform.squeeze().detach().numpy(), RATE, window="hann", scaling="spectrum")
    return float(np.sqrt(2 * power[np.abs(frequencies - hertz).argmin()]))


def test_what_the_recording_holds_stays_and_the_rest_goes() -> None:
    heard = within_bandwidth(tones(300, 6000, 9000), torch.tensor([8000.0]), RATE)
    assert heard.shape == (1, 1, RATE // 2)
    assert level(heard, 300) == pytest.approx(1, abs=0.01)
    assert level(heard, 6000) == pytest.approx(1, abs=0.01)
    assert level(heard, 9000) < 1e-3


def test_every_waveform_has_its_own_bandwidth() -> None:
    both = tones(3000, 9000).expand(2, -1, -1)
    heard = within_bandwidth(both, torch.tensor([8000.0, RATE / 2]), RATE)
    assert level(heard[0], 9000) < 1e-3
    torch.testing.assert_close(heard[1], both[1], atol=1e-5, rtol=0)
    alone = within_bandwidth(both[:1], torch.tensor([8000.0]), RATE)
    torch.testing.assert_close(heard[:1], alone)


def test_an_unknown_bandwidth_leaves_all() -> None:
    waveforms = torch.randn(1, 1, 4096)
    torch.testing.assert_close(within_bandwidth(waveforms, torch.tensor([torch.inf]), RATE), waveforms, atol=1e-5, rtol=0)


def test_nothing_is_learned_of_what_cannot_be_heard() -> None:
    waveforms = tones(9000).requires_grad_()
    (within_bandwidth(waveforms, torch.tensor([8000.0]), RATE) * tones(9000)).sum().backward()
    assert waveforms.grad is not None
    assert level(waveforms.grad, 9000) < 1e-3


def test_half_precision_is_not_used() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert within_bandwidth(tones(300), torch.tensor([8000.0]), RATE).dtype == torch.float32
