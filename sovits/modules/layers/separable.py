"""Dilated, depth-separable convolutions: a wide view over phones at little cost."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sovits.modules.layers.normalization import ChannelNorm, same_padding


class SeparableLayer(nn.Module):
    """One residual layer: a convolution along time in each channel, then one across the channels at each position."""

    def __init__(self, channels: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = same_padding(kernel_size, dilation)
        self.depthwise = nn.Conv1d(channels, channels, kernel_size, dilation=dilation, padding=padding, groups=channels)
        self.depthwise_norm = ChannelNorm(channels)
        self.pointwise = nn.Conv1d(channels, channels, 1)
        self.pointwise_norm = ChannelNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, C, T], mask [B, 1, T] -> [B, C, T], of any value outside the mask."""
        update = F.gelu(self.depthwise_norm(self.depthwise(hidden * mask)))
        return hidden + self.dropout(F.gelu(self.pointwise_norm(self.pointwise(update))))


class SeparableStack(nn.Module):
    """Depth-separable layers whose dilation grows as ``kernel_size ** layer``, so that they see every neighbour once (VITS, appendix B).

    Args:
        kernel_size: odd.
        dropout: probability with which a layer drops a value of its update.
    """

    def __init__(self, channels: int, kernel_size: int, n_layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SeparableLayer(channels, kernel_size, kernel_size**layer, dropout) for layer in range(n_layers))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, C, T], mask [B, 1, T] -> [B, C, T]; nothing outside the mask reaches inside, but the values outside are not zero."""
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden
