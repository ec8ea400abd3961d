"""The last layers of decoders that end in an inverse short-time Fourier transform."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sovits.modules.layers.fourier import ConvolvedFourierFrames, FourierFrames
from sovits.modules.layers.masking import masked

MAX_LOG_MAGNITUDE = 5.0
FIRST_LOG_GAIN = -3.0
"""Speech is about that much quieter than a source of unit variance."""


class InverseStftHead(nn.Module):
    """Features -> log-magnitude and phase -> waveform (iSTFTNet, Kaneko et al. 2022; framing as in Vocos, Siuzdak 2023).

    Args:
        channels: feature channels ``C``.
        n_fft: transform length in samples.
        hop_length: samples a feature frame stands for.
    """

    transform: FourierFrames | ConvolvedFourierFrames

    def __init__(self, channels: int, n_fft: int, hop_length: int, kernel_size: int = 7) -> None:
        super().__init__()
        self.transform = FourierFrames(n_fft, hop_length)
        self.projection = nn.Conv1d(channels, n_fft + 2, kernel_size, padding=kernel_size // 2)
        self.context = kernel_size // 2 + math.ceil((n_fft - hop_length) / (2 * hop_length))
        """Feature frames on each side that a sample depends on."""

    def forward(self, features: Tensor, mask: Tensor | None) -> Tensor:
        """[B, C, T], mask [B, 1, T] (None: all real) -> waveform [B, 1, T * hop_length] in float32."""
        log_magnitude, phase = self.projection(masked(features, mask)).float().chunk(2, dim=1)
        with torch.autocast(features.device.type, enabled=False):
            magnitude = masked(log_magnitude.clamp_max(MAX_LOG_MAGNITUDE).exp(), mask)
            return self.transform.synthesise(magnitude * phase.cos(), magnitude * phase.sin(), mask)


class SourceFilterHead(nn.Module):
    """Features -> a filter for the harmonics and one for the noise -> waveform (as DDSP, Engel et al. 2020, in short-time spectra).

    The harmonics' filter also turns phases; the noise has its own already.

    Args:
        channels: feature channels ``C``.
        n_fft: transform length in samples.
        hop_length: samples a feature frame stands for.
    """

    transform: FourierFrames | ConvolvedFourierFrames

    def __init__(self, channels: int, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.transform = FourierFrames(n_fft, hop_length)
        bins = n_fft // 2 + 1
        self.projection = nn.Conv1d(channels, 3 * bins, 1)
        with torch.no_grad():
            self.projection.bias.view(3, bins)[[0, 2]] = FIRST_LOG_GAIN  # type: ignore[union-attr]
            self.projection.bias.view(3, bins)[1] = 0.0  # type: ignore[union-attr]
        self.context = math.ceil((n_fft - hop_length) / (2 * hop_length))
        """Feature frames on each side that a sample depends on; of the sources, twice as many."""

    def forward(self, features: Tensor, mask: Tensor | None, harmonics: Tensor, noise: Tensor) -> Tensor:
        """[B, C, T], mask [B, 1, T] (None: all real), two sources [B, 1, T * hop_length] -> waveform of their shape in float32."""
        log_harmonic, turn, log_noise = self.projection(masked(features, mask)).float().chunk(3, dim=1)
        with torch.autocast(features.device.type, enabled=False):
            voiced, hiss = (masked(log_gain.clamp_max(MAX_LOG_MAGNITUDE).exp(), mask) for log_gain in (log_harmonic, log_noise))
            real, imaginary = self.transform.analyse(harmonics)
            noise_real, noise_imaginary = self.transform.analyse(noise)
            return self.transform.synthesise(
                voiced * (real * turn.cos() - imaginary * turn.sin()) + hiss * noise_real,
                voiced * (real * turn.sin() + imaginary * turn.cos()) + hiss * noise_imaginary,
                mask,
            )
