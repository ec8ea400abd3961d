"""Residual blocks of the decoders."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from sovits.modules.layers.masking import masked
from sovits.modules.layers.normalization import ChannelNorm, leaky, same_padding


class ResidualBlock(nn.Module):
    """One receptive field of HiFi-GAN (Kong et al. 2020, figure 1): for each dilation a dilated and a plain convolution."""

    def __init__(self, channels: int, kernel_size: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, channels, kernel_size, dilation=dilation, padding=same_padding(kernel_size, dilation)))
            for dilation in dilations
        )
        self.plain = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, channels, kernel_size, padding=same_padding(kernel_size))) for _ in dilations
        )
        self.context = sum(same_padding(kernel_size, dilation) + same_padding(kernel_size) for dilation in dilations)
        """Positions on each side that a position of the output depends on."""

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """[B, C, T], mask [B, 1, T] -> [B, C, T]."""
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            update = dilated(masked(leaky(hidden), mask))
            hidden = hidden + plain(masked(leaky(update), mask))
        return hidden


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution and an inverted bottleneck (Liu et al. 2022), as in the backbone of Vocos.

    The speaker embedding shifts and scales what the norm leaves.
    """

    def __init__(self, channels: int, filter_channels: int, speaker_channels: int, layer_scale: float, kernel_size: int = 7) -> None:
        super().__init__()
        self.context = same_padding(kernel_size)
        """Positions on each side that a position of the output depends on."""
        self.depthwise = nn.Conv1d(channels, channels, kernel_size, padding=self.context, groups=channels)
        self.norm = ChannelNorm(channels, elementwise_affine=False)
        self.speaker = nn.Linear(speaker_channels, 2 * channels)
        self.expand = nn.Linear(channels, filter_channels)
        self.contract = nn.Linear(filter_channels, channels)
        self.layer_scale = nn.Parameter(torch.full((channels,), layer_scale))

    def forward(self, hidden: Tensor, mask: Tensor | None, speaker_embedding: Tensor) -> Tensor:
        """[B, C, T], mask [B, 1, T], speaker [B, E] -> [B, C, T]."""
        shift, scale = self.speaker(speaker_embedding).unsqueeze(-1).chunk(2, dim=1)
        update = self.norm(self.depthwise(masked(hidden, mask))) * (1 + scale) + shift
        update = self.contract(nn.functional.gelu(self.expand(update.transpose(1, 2))))
        return hidden + (self.layer_scale * update).transpose(1, 2)
