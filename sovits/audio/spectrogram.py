"""Spectrograms as modules with buffers, in float32 whatever the precision around them."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.errors import SovitsError

LOG_FLOOR = 1e-5


def frame_padding(n_fft: int, hop_length: int) -> int:
    """Samples of padding on each side that leave ``T_samples // hop_length`` frames.

    Raises:
        SovitsError: the two numbers do not fit.
    """
    if hop_length > n_fft or (n_fft - hop_length) % 2:
        raise SovitsError(
            f"audio.hop_length={hop_length} does not fit audio.n_fft={n_fft}: n_fft - hop_length must be even and not negative."
        )
    return (n_fft - hop_length) // 2


class MelSpectrogram(nn.Module):
    """Power mel spectrogram (HTK scale, periodic Hann window) with exactly ``T_samples // hop_length`` frames.

    Frame ``i`` is centred on sample ``(i + 1/2) * hop_length``. The edges are padded with zeros rather than mirrored, so that a
    clip in a zero-padded batch has the same frames as the clip alone.

    Args:
        sample_rate: Hz.
        n_fft: window and transform length in samples.
        hop_length: samples from one frame to the next.
        n_mels: mel bands between ``f_min`` and ``f_max`` Hz (``None``: half the sample rate).
    """

    def __init__(self, sample_rate: int, n_fft: int, hop_length: int, n_mels: int, f_min: float = 0.0, f_max: float | None = None) -> None:
        super().__init__()
        self.padding = frame_padding(n_fft, hop_length)
        if f_max is not None and f_max > sample_rate / 2:
            raise SovitsError(f"audio.f_max={f_max} Hz is above half of audio.sample_rate={sample_rate} Hz; lower it or leave it null.")
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.transform = torchaudio.transforms.MelSpectrogram(
            sample_rate=sample_rate, n_fft=n_fft, hop_length=hop_length, n_mels=n_mels, f_min=f_min, f_max=f_max, center=False, power=2.0
        )

    @property
    def channels(self) -> int:
        """Bands."""
        return self.n_mels

    def forward(self, waveforms: Tensor) -> Tensor:
        """[B, T_samples] in [-1, 1] -> power mel [B, n_mels, T_samples // hop_length] in float32."""
        with torch.autocast(waveforms.device.type, enabled=False):
            return self.transform(F.pad(waveforms.float(), (self.padding, self.padding)))


class LinearSpectrogram(nn.Module):
    """Power spectrogram of all ``n_fft / 2 + 1`` bins, in the frames of :class:`MelSpectrogram`: what VITS's posterior encoder reads.

    Args:
        sample_rate: Hz.
        n_fft: window and transform length in samples.
        hop_length: samples from one frame to the next.
    """

    def __init__(self, sample_rate: int, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.channels = n_fft // 2 + 1
        self.padding = frame_padding(n_fft, hop_length)
        self.transform = torchaudio.transforms.Spectrogram(n_fft=n_fft, hop_length=hop_length, center=False, power=2.0)

    def forward(self, waveforms: Tensor) -> Tensor:
        """[B, T_samples] in [-1, 1] -> power spectrogram [B, n_fft / 2 + 1, T_samples // hop_length] in float32."""
        with torch.autocast(waveforms.device.type, enabled=False):
            return self.transform(F.pad(waveforms.float(), (self.padding, self.padding)))


def log_compress(power_mel: Tensor) -> Tensor:
    """Natural logarithm of a power (mel) spectrogram, floored at 1e-5 (-50 dB)."""
    return power_mel.clamp_min(LOG_FLOOR).log()
