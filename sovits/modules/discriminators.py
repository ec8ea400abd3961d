"""The adversary: real or synthetic, judged in the time domain and in the spectrogram."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from sovits.errors import SovitsError
from sovits.modules.layers.normalization import leaky

Verdict = tuple[Tensor, list[Tensor]]
"""Logits [B, N] and the feature maps of every layer before them."""

LEAST_BINS = 3
"""That a layer may see of a frequency band: in bfloat16 on a CPU torch 2.11 gives NaN where a kernel of nine meets fewer."""


def _norm(use_spectral_norm: bool) -> Callable[[nn.Module], nn.Module]:
    return spectral_norm if use_spectral_norm else weight_norm


class PeriodDiscriminator(nn.Module):
    """Sees every ``period``-th sample as one row of a picture (HiFi-GAN, Kong et al. 2020, section 2.3)."""

    def __init__(self, period: int, channels: Sequence[int], use_spectral_norm: bool) -> None:
        super().__init__()
        self.period = period
        norm = _norm(use_spectral_norm)
        widths = [1, *channels]
        self.convolutions = nn.ModuleList(
            norm(nn.Conv2d(narrow, wide, (1, 5), (1, 3), padding=(0, 2))) for narrow, wide in zip(widths, channels, strict=False)
        )
        self.convolutions.append(norm(nn.Conv2d(widths[-1], widths[-1], (1, 5), padding=(0, 2))))
        self.output = norm(nn.Conv2d(widths[-1], 1, (1, 3), padding=(0, 1)))

    def forward(self, audio: Tensor) -> Verdict:
        """[B, 1, T_samples] -> logits [B, N] and feature maps."""
        audio = F.pad(audio, (0, -audio.shape[-1] % self.period))
        # Time in the last dimension: on a CPU short periods are a fifth faster than with the phases there.
        hidden = audio.unflatten(-1, (-1, self.period)).transpose(2, 3)
        return _judge(hidden, self.convolutions, self.output)


class ScaleDiscriminator(nn.Module):
    """Sees the waveform through long grouped convolutions, at its own rate or a lower one (MelGAN, Kumar et al. 2019; VITS uses one).

    Args:
        halvings: times the audio is averaged down to half its rate first.
        channels: widths of the layers; all but the first divide by four, as each group reads four channels.
    """

    def __init__(self, halvings: int, channels: Sequence[int], use_spectral_norm: bool) -> None:
        super().__init__()
        self.halvings = halvings
        norm = _norm(use_spectral_norm)
        self.convolutions = nn.ModuleList([norm(nn.Conv1d(1, channels[0], 15, padding=7))])
        for narrow, wide in pairwise(channels):
            self.convolutions.append(norm(nn.Conv1d(narrow, wide, 41, 4, padding=20, groups=max(1, narrow // 4))))
        self.convolutions.append(norm(nn.Conv1d(channels[-1], channels[-1], 5, padding=2)))
        self.output = norm(nn.Conv1d(channels[-1], 1, 3, padding=1))

    def forward(self, audio: Tensor) -> Verdict:
        """[B, 1, T_samples] -> logits [B, N] and feature maps."""
        for _ in range(self.halvings):
            audio = F.avg_pool1d(audio, 4, 2, padding=2)
        return _judge(audio, self.convolutions, self.output)


class SpectrogramDiscriminator(nn.Module):
    """Sees the complex spectrogram at one resolution, each band with its own convolutions (Descript codec, Kumar et al. 2023).

    Args:
        n_fft: window in samples, with a quarter of it as hop.
        channels: width of all layers.
        bands: lower edges of the frequency bands as a share of half the sample rate.
        strides: of each layer over frequency; the codec's are 1, 2, 2, 2, 1.
    """

    window: Tensor

    def __init__(self, n_fft: int, channels: int, bands: Sequence[float], strides: Sequence[int], use_spectral_norm: bool) -> None:
        super().__init__()
        norm = _norm(use_spectral_norm)
        n_bins = n_fft // 2 + 1
        edges = [round(edge * n_bins) for edge in (*bands, 1.0)]
        self.band_sizes = [high - low for low, high in pairwise(edges)]
        least = LEAST_BINS * math.prod(strides[:-2])
        if min(self.band_sizes) < least:
            raise SovitsError(
                f"discriminators.n_ffts={n_fft} leaves {min(self.band_sizes)} bins in its narrowest band; layers of "
                f"discriminators.strides={list(strides)} need {least}: take a longer window, wider discriminators.bands or smaller strides."
            )
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.bands = nn.ModuleList(
            nn.ModuleList(
                norm(nn.Conv2d(narrow, channels, (3, width), (1, stride), padding=(1, width // 2)))
                for narrow, width, stride in zip(
                    [2, *[channels] * (len(strides) - 1)], [*[9] * (len(strides) - 1), 3], strides, strict=True
                )
            )
            for _ in self.band_sizes
        )
        self.output = norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, audio: Tensor) -> Verdict:
        """[B, 1, T_samples] -> logits [B, N] and feature maps."""
        features: list[Tensor] = []
        tails = []
        for band, convolutions in zip(self._spectrogram(audio).split(self.band_sizes, dim=-1), self.bands, strict=True):
            for convolution in convolutions:  # type: ignore[attr-defined]
                band = leaky(convolution(band))
                features.append(band)
            tails.append(band)
        return self.output(torch.cat(tails, dim=-1)).flatten(1), features

    def _spectrogram(self, audio: Tensor) -> Tensor:
        """[B, 1, T_samples] -> real and imaginary parts [B, 2, T, n_fft / 2 + 1], of one loudness so that quiet voices are judged alike."""
        with torch.autocast(audio.device.type, enabled=False):
            samples = audio.squeeze(1).float()
            samples = samples - samples.mean(-1, keepdim=True)
            samples = 0.8 * samples / samples.abs().amax(-1, keepdim=True).clamp_min(1e-3)
            spectrum = torch.stft(samples, self.n_fft, self.n_fft // 4, window=self.window, pad_mode="constant", return_complex=True)
        return torch.view_as_real(spectrum).permute(0, 3, 2, 1)


def _judge(hidden: Tensor, convolutions: nn.ModuleList, output: nn.Module) -> Verdict:
    features = []
    for convolution in convolutions:
        hidden = leaky(convolution(hidden))
        features.append(hidden)
    return output(hidden).flatten(1), features


class Discriminators(nn.Module):
    """Several discriminators, judged together: multi-period with multi-resolution ones (the default), or with multi-scale ones (VITS).

    Args:
        periods: one :class:`PeriodDiscriminator` each; coprime, so that they see different samples.
        period_channels: widths of their layers.
        n_ffts: one :class:`SpectrogramDiscriminator` each.
        spectrogram_channels: width of those.
        bands: lower edges of the frequency bands as a share of half the sample rate.
        strides: over frequency, of their layers.
        scales: how many :class:`ScaleDiscriminator`, each at half the rate of the one before.
        scale_channels: widths of their layers.
        use_spectral_norm: spectral instead of weight norm (Miyato et al. 2018); on small sets it can collapse modes.

    Raises:
        SovitsError: nothing to judge with, or bands too narrow.
    """

    def __init__(
        self,
        periods: Sequence[int],
        period_channels: Sequence[int],
        n_ffts: Sequence[int] = (),
        spectrogram_channels: int = 32,
        bands: Sequence[float] = (0.0, 0.1, 0.25, 0.5, 0.75),
        strides: Sequence[int] = (1, 2, 2, 2, 1),
        scales: int = 0,
        scale_channels: Sequence[int] = (16, 64, 256, 1024, 1024),
        use_spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        if not (periods or n_ffts or scales):
            raise SovitsError(
                "discriminators.periods, n_ffts and scales are all empty: give one of them something, or switch the adversary off "
                "with training.weights.adversarial=0 training.weights.feature_matching=0."
            )
        self.judges = nn.ModuleList(
            [
                *(PeriodDiscriminator(period, period_channels, use_spectral_norm) for period in periods),
                *(ScaleDiscriminator(halvings, scale_channels, use_spectral_norm) for halvings in range(scales)),
                *(SpectrogramDiscriminator(n_fft, spectrogram_channels, bands, strides, use_spectral_norm) for n_fft in n_ffts),
            ]
        )

    def forward(self, audio: Tensor) -> list[Verdict]:
        """[B, 1, T_samples] -> one verdict per discriminator."""
        return [judge(audio) for judge in self.judges]

    def compare(self, real: Tensor, synthetic: Tensor) -> tuple[list[Verdict], list[Verdict]]:
        """Verdicts on ``real`` and ``synthetic`` [B, 1, T_samples], both in one batched pass."""
        verdicts = self(torch.cat([real, synthetic]))
        size = real.shape[0]
        return _part(verdicts, slice(None, size)), _part(verdicts, slice(size, None))


def _part(verdicts: list[Verdict], rows: slice) -> list[Verdict]:
    return [(logits[rows], [feature[rows] for feature in features]) for logits, features in verdicts]
