"""What a recording can hold: nothing above half of the rate that it was made with."""

from __future__ import annotations

import torch
from torch import Tensor

PASSED, STOPPED = 0.85, 0.92
"""Shares of the bandwidth up to which all is kept, and above which nothing: resamplers leave less of the last tenth."""


def within_bandwidth(waveforms: Tensor, bandwidths: Tensor, sample_rate: int) -> Tensor:
    """Waveforms without what recordings of these bandwidths would not have told of them; differentiable, in float32.

    Args:
        waveforms: [B, 1, T_samples].
        bandwidths: [B] Hz; one of half of ``sample_rate`` or more leaves its waveform as it is.
        sample_rate: Hz.
    """
    limits = bandwidths.clamp_max(sample_rate)[:, None, None]
    frequencies = torch.fft.rfftfreq(waveforms.shape[-1], 1 / sample_rate, device=waveforms.device)
    slope = (STOPPED - frequencies / limits) / (STOPPED - PASSED)
    gain = torch.where(limits >= sample_rate / 2, 1.0, 0.5 - 0.5 * torch.cos(torch.pi * slope.clamp(0, 1)))
    with torch.autocast(waveforms.device.type, enabled=False):
        return torch.fft.irfft(torch.fft.rfft(waveforms.float()) * gain, n=waveforms.shape[-1])
