"""The inverse short-time Fourier transform as the last layer of a decoder."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.errors import SovitsError
from sovits.modules.layers.masking import masked, upsampled

MAX_LOG_MAGNITUDE = 5.0


class InverseStftHead(nn.Module):
    """Features -> log-magnitude and phase -> waveform (iSTFTNet, Kaneko et al. 2022; framing as in Vocos, Siuzdak 2023).

    The overlap-add is trimmed by ``(n_fft - hop_length) / 2`` samples at both ends, which leaves ``hop_length`` samples a frame.

    Args:
        channels: feature channels ``C``.
        n_fft: transform length in samples; at least twice ``hop_length``, so that windows overlap everywhere.
        hop_length: samples a feature frame stands for.
    """

    window: Tensor

    def __init__(self, channels: int, n_fft: int, hop_length: int, kernel_size: int = 7) -> None:
        super().__init__()
        if n_fft < 2 * hop_length or (n_fft - hop_length) % 2:
            raise SovitsError(
                f"The decoder's inverse-STFT n_fft={n_fft} must be at least twice its hop of {hop_length} samples and n_fft - hop even."
            )
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.projection = nn.Conv1d(channels, n_fft + 2, kernel_size, padding=kernel_size // 2)
        self.context = kernel_size // 2 + math.ceil((n_fft - hop_length) / (2 * hop_length))
        """Feature frames on each side that a sample depends on."""
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, features: Tensor, mask: Tensor | None) -> Tensor:
        """[B, C, T], mask [B, 1, T] (None: all real) -> waveform [B, 1, T * hop_length] in float32."""
        log_magnitude, phase = self.projection(masked(features, mask)).float().chunk(2, dim=1)
        with torch.autocast(features.device.type, enabled=False):
            magnitude = masked(log_magnitude.clamp_max(MAX_LOG_MAGNITUDE).exp(), mask)
            spectrum = torch.polar(magnitude, phase)
            return inverse_stft(spectrum, mask, self.window, self.hop_length)


def inverse_stft(spectrum: Tensor, mask: Tensor | None, window: Tensor, hop_length: int) -> Tensor:
    """Windowed overlap-add of [B, n_fft / 2 + 1, T] divided by the overlapping squared windows, frames outside ``mask`` [B, 1, T] left out.

    Returns:
        [B, 1, T * hop_length].
    """
    frames = torch.fft.irfft(spectrum, dim=1) * window[:, None]
    envelope = (window**2)[:, None] * (mask.float() if mask is not None else window.new_ones(1, 1, spectrum.shape[-1]))
    trim = (window.shape[0] - hop_length) // 2
    samples, weight = _overlap_add(frames, hop_length), _overlap_add(envelope, hop_length)
    inside = slice(trim, samples.shape[-1] - trim)
    return masked(samples[..., inside] / weight[..., inside].clamp_min(1e-8), upsampled(mask, hop_length))


def _overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """[B, n_fft, T] -> [B, 1, (T - 1) * hop_length + n_fft]."""
    _, n_fft, length = frames.shape
    total = (length - 1) * hop_length + n_fft
    return F.fold(frames, output_size=(1, total), kernel_size=(1, n_fft), stride=(1, hop_length)).squeeze(2)


class RealInverseStftHead(nn.Module):
    """What an :class:`InverseStftHead` does, in real numbers and two transposed convolutions: for graphs that know no complex ones.

    The inverse transform, the window and the overlap-add are one linear map of the real and imaginary parts. It costs more than the fast
    transform, yet little beside the rest of a decoder.

    Args:
        head: whose weights it shares.
    """

    basis: Tensor
    squared_window: Tensor

    def __init__(self, head: InverseStftHead) -> None:
        super().__init__()
        self.projection = head.projection
        self.hop_length = head.hop_length
        self.trim = (head.n_fft - head.hop_length) // 2
        bins = torch.eye(head.n_fft // 2 + 1, dtype=torch.complex128)
        window = head.window.double().cpu()
        basis = torch.fft.irfft(torch.cat([bins, 1j * bins]), dim=1) * window
        self.register_buffer("basis", basis.float().unsqueeze(1), persistent=False)
        self.register_buffer("squared_window", (window**2).float().view(1, 1, -1), persistent=False)

    def forward(self, features: Tensor, mask: Tensor | None) -> Tensor:
        """[B, C, T], mask [B, 1, T] (None: all real) -> waveform [B, 1, T * hop_length]."""
        log_magnitude, phase = self.projection(masked(features, mask)).chunk(2, dim=1)
        magnitude = masked(log_magnitude.clamp_max(MAX_LOG_MAGNITUDE).exp(), mask)
        samples = self._overlap_add(torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], dim=1), self.basis)
        weight = self._overlap_add(torch.ones_like(log_magnitude[:, :1]) if mask is None else mask, self.squared_window)
        return masked(samples / weight.clamp_min(1e-8), upsampled(mask, self.hop_length))

    def _overlap_add(self, frames: Tensor, kernel: Tensor) -> Tensor:
        return F.conv_transpose1d(frames, kernel, stride=self.hop_length, padding=self.trim)
