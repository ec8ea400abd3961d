"""Spectrogram -> latents, during training and reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sovits.modules.layers.wavenet import WaveNet


@dataclass
class Posterior:
    """The approximate posterior of the latents, each part [B, inter_channels, T_frames] and zero outside the clip."""

    mean: Tensor
    log_std: Tensor

    def sample(self, mask: Tensor) -> Tensor:
        """One draw by reparametrisation, zero outside ``mask`` [B, 1, T_frames]."""
        return (self.mean + torch.randn_like(self.mean) * self.log_std.exp()) * mask


class PosteriorEncoder(nn.Module):
    """Non-causal WaveNet over the spectrogram (VITS, Kim et al. 2021, section 2.1)."""

    def __init__(
        self,
        spec_channels: int,
        inter_channels: int,
        hidden_channels: int,
        kernel_size: int,
        n_layers: int,
        speaker_channels: int,
        dilation_rate: int = 1,
    ) -> None:
        super().__init__()
        self.spec_channels = spec_channels
        self.inter_channels = inter_channels
        self.speaker_channels = speaker_channels
        self.input = nn.Conv1d(spec_channels, hidden_channels, 1)
        self.wavenet = WaveNet(hidden_channels, kernel_size, n_layers, speaker_channels, dilation_rate)
        self.output = nn.Conv1d(hidden_channels, 2 * inter_channels, 1)

    def forward(self, spectrogram: Tensor, mask: Tensor, speaker_embedding: Tensor) -> Posterior:
        """[B, spec_channels, T_frames] (log), mask [B, 1, T_frames], speaker [B, E] -> :class:`Posterior`."""
        hidden = self.input(spectrogram) * mask
        hidden = self.wavenet(hidden, mask, speaker_embedding)
        mean, log_std = (self.output(hidden).float() * mask).chunk(2, dim=1)
        return Posterior(mean, log_std)
