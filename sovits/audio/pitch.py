"""The pitch of waveforms, as a target that training reads from the recordings themselves."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.errors import SovitsError

WINDOW = 0.046
"""Seconds: two periods and more of the lowest voice."""
NEAR_BEST = 0.9
"""Share of the highest peak from which an earlier one is taken: a period, and not two of them."""
PERIODIC = 0.7
"""Similarity of neighbouring periods from which a frame counts as voiced."""
QUIET = 40.0
"""dB below the loudest frame of a clip at which nothing counts as voiced."""


class PitchTracker(nn.Module):
    """McLeod's pitch method (McLeod & Wyvill 2005): the first high peak of the normalised autocorrelation of each frame.

    Octave errors remain in a few percent of the frames, so a loss on its figures should be a median's, not a mean's.

    Args:
        sample_rate: Hz.
        hop_length: samples from one frame to the next.
        lowest: Hz.
        highest: Hz.

    Raises:
        SovitsError: a range that the window or the rate cannot tell.
    """

    def __init__(self, sample_rate: int, hop_length: int, lowest: float = 60.0, highest: float = 500.0) -> None:
        super().__init__()
        self.window = 2 * round(WINDOW * sample_rate / 2)
        if not 2 / WINDOW <= lowest < highest <= sample_rate / 4:
            raise SovitsError(
                f"lowest={lowest:g} and highest={highest:g} Hz are no range of pitch at {sample_rate} Hz; give "
                f"{2 / WINDOW:.0f} <= lowest < highest <= {sample_rate // 4}."
            )
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.shortest = max(2, math.floor(sample_rate / highest))
        self.longest = math.ceil(sample_rate / lowest)

    @torch.no_grad()
    def forward(self, waveforms: Tensor) -> Tensor:
        """[B, T_samples] -> Hz [B, T_samples // hop_length] about the sample that each frame begins with; 0 where nothing is voiced."""
        with torch.autocast(waveforms.device.type, enabled=False):
            frames = waveforms.shape[-1] // self.hop_length
            padded = F.pad(waveforms.float(), (self.window // 2, self.window // 2))
            windows = padded.unfold(-1, self.window, self.hop_length)[:, :frames]
            similarity = self._similarity(windows)[..., self.shortest - 1 : self.longest + 2]
            places, height = _first_high_peak(similarity)
            hertz = self.sample_rate / (self.shortest + places + _vertex(similarity, places + 1))
            level = windows.square().mean(-1)
            loud = level > level.amax(-1, keepdim=True) * 10 ** (-QUIET / 10)
            return hertz * (loud & (height > PERIODIC))

    def _similarity(self, windows: Tensor) -> Tensor:
        """[B, T, W] -> [B, T, W]: of each window with itself, so many samples later; 1 is a repetition, and silence has 0."""
        size = self.window
        correlation = torch.fft.irfft(torch.fft.rfft(windows, 2 * size).abs().square(), 2 * size)[..., :size]
        energy = F.pad(windows.square().cumsum(-1), (1, 0))
        early, late = energy.flip(-1)[..., :size], energy[..., -1:] - energy[..., :size]
        return 2 * correlation / (early + late).clamp_min(1e-9)


def _first_high_peak(similarity: Tensor) -> tuple[Tensor, Tensor]:
    """Of [B, T, lags], one lag more at either side: place of the chosen peak among the inner lags, and how high it is [B, T]."""
    inner = similarity[..., 1:-1]
    peaks = (inner > similarity[..., :-2]) & (inner >= similarity[..., 2:])
    heights = inner.where(peaks, inner.new_zeros(()))
    high = peaks & (heights >= NEAR_BEST * heights.amax(-1, keepdim=True))
    places = high.to(torch.uint8).argmax(-1)
    return places, heights.gather(-1, places.unsqueeze(-1)).squeeze(-1)


def _vertex(values: Tensor, places: Tensor) -> Tensor:
    """How far from ``places`` [B, T], -1 to 1, the parabola through three neighbouring values has its highest point."""
    before, at, after = (values.gather(-1, (places + shift).unsqueeze(-1)).squeeze(-1) for shift in (-1, 0, 1))
    curvature = 2 * at - before - after
    return (0.5 * (after - before) / curvature.clamp_min(1e-6)).clamp(-1.0, 1.0)
