"""Short-time Fourier transforms inside a network: frames of samples, there and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.errors import SovitsError
from sovits.modules.layers.masking import masked, upsampled


class FourierFrames(nn.Module):
    """Frames of ``n_fft`` samples, ``hop_length`` apart and centred on the middle of each hop, under a periodic Hann window.

    At both ends ``(n_fft - hop_length) / 2`` samples are padded or trimmed, so that ``T`` frames are ``T * hop_length`` samples (as in
    Vocos, Siuzdak 2023).

    Args:
        n_fft: transform length in samples; at least twice ``hop_length``, so that windows overlap everywhere.
        hop_length: samples a frame stands for.

    Raises:
        SovitsError: the two do not fit.
    """

    window: Tensor

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__()
        if n_fft < 2 * hop_length or (n_fft - hop_length) % 2:
            raise SovitsError(
                f"The decoder's inverse-STFT n_fft={n_fft} must be at least twice its hop of {hop_length} samples and n_fft - hop even."
            )
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.trim = (n_fft - hop_length) // 2
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def analyse(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 1, T * hop_length] -> real and imaginary parts [B, n_fft / 2 + 1, T]."""
        frames = F.pad(samples.squeeze(1), (self.trim, self.trim)).unfold(-1, self.n_fft, self.hop_length)
        spectrum = torch.fft.rfft(frames * self.window).transpose(1, 2)
        return spectrum.real, spectrum.imag

    def synthesise(self, real: Tensor, imaginary: Tensor, mask: Tensor | None) -> Tensor:
        """Real and imaginary parts [B, n_fft / 2 + 1, T], mask [B, 1, T] -> [B, 1, T * hop_length]."""
        return inverse_stft(torch.complex(real, imaginary), mask, self.window, self.hop_length)


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


class ConvolvedFourierFrames(nn.Module):
    """What :class:`FourierFrames` do, in real numbers and convolutions: for graphs that know no complex ones.

    Transform, window and overlap-add are one linear map of the real and imaginary parts. It costs more than the fast transform, yet little
    beside the rest of a decoder.

    Args:
        frames: whose sizes and window it has.
    """

    basis: Tensor
    analysis_basis: Tensor
    squared_window: Tensor

    def __init__(self, frames: FourierFrames) -> None:
        super().__init__()
        self.hop_length = frames.hop_length
        self.trim = frames.trim
        window = frames.window.double().cpu()
        bins = torch.eye(frames.n_fft // 2 + 1, dtype=torch.complex128)
        basis = torch.fft.irfft(torch.cat([bins, 1j * bins]), dim=1) * window
        spectrum = torch.fft.rfft(torch.eye(frames.n_fft, dtype=torch.float64) * window)
        self.register_buffer("basis", basis.float().unsqueeze(1), persistent=False)
        self.register_buffer("analysis_basis", torch.cat([spectrum.real, spectrum.imag], 1).T.float().unsqueeze(1), persistent=False)
        self.register_buffer("squared_window", (window**2).float().view(1, 1, -1), persistent=False)

    def analyse(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`FourierFrames`."""
        real, imaginary = F.conv1d(samples, self.analysis_basis, stride=self.hop_length, padding=self.trim).chunk(2, dim=1)
        return real, imaginary

    def synthesise(self, real: Tensor, imaginary: Tensor, mask: Tensor | None) -> Tensor:
        """See :class:`FourierFrames`."""
        samples = self._overlap_add(torch.cat([real, imaginary], dim=1), self.basis)
        weight = self._overlap_add(torch.ones_like(real[:, :1]) if mask is None else mask, self.squared_window)
        return masked(samples / weight.clamp_min(1e-8), upsampled(mask, self.hop_length))

    def _overlap_add(self, frames: Tensor, kernel: Tensor) -> Tensor:
        return F.conv_transpose1d(frames, kernel, stride=self.hop_length, padding=self.trim)
