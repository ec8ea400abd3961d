"""The transformer of the text encoder: rotary self-attention and convolutional feed-forward layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.errors import SovitsError
from sovits.modules.layers.normalization import ChannelNorm, same_padding


class RotaryAttention(nn.Module):
    """Self-attention whose scores depend on relative positions only (RoFormer, Su et al. 2021)."""

    inverse_frequencies: Tensor

    def __init__(self, channels: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        if channels % (2 * n_heads):
            raise SovitsError(f"hidden_channels={channels} must be a multiple of 2 * n_heads={2 * n_heads}; change one of them.")
        self.n_heads = n_heads
        self.dropout = dropout
        self.projection = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)
        head_size = channels // n_heads
        self.register_buffer("inverse_frequencies", 10_000.0 ** (-torch.arange(0, head_size, 2) / head_size), persistent=False)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, C, T], mask [B, 1, T] -> [B, C, T]."""
        batch, channels, length = hidden.shape
        projected = self.projection(hidden.transpose(1, 2))
        query, key, value = projected.view(batch, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(
            self._rotate(query), self._rotate(key), value, attn_mask=mask.bool().unsqueeze(1), dropout_p=dropout
        )
        return self.output(attended.transpose(1, 2).reshape(batch, length, channels)).transpose(1, 2)

    def _rotate(self, heads: Tensor) -> Tensor:
        """Turns each pair of channels of [B, heads, T, C] by an angle proportional to the position."""
        angles = torch.arange(heads.shape[2], device=heads.device)[:, None] * self.inverse_frequencies
        cosine, sine = angles.cos().to(heads.dtype), angles.sin().to(heads.dtype)
        left, right = heads.chunk(2, dim=-1)
        return torch.cat([left * cosine - right * sine, right * cosine + left * sine], dim=-1)


class TransformerLayer(nn.Module):
    """Attention, then two convolutions over neighbouring phones; post-norm as in FastSpeech and VITS."""

    def __init__(self, channels: int, filter_channels: int, n_heads: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.attention = RotaryAttention(channels, n_heads, dropout)
        self.attention_norm = ChannelNorm(channels)
        self.expand = nn.Conv1d(channels, filter_channels, kernel_size, padding=same_padding(kernel_size))
        self.contract = nn.Conv1d(filter_channels, channels, kernel_size, padding=same_padding(kernel_size))
        self.feed_forward_norm = ChannelNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, C, T], mask [B, 1, T] -> [B, C, T]."""
        hidden = self.attention_norm(hidden + self.dropout(self.attention(hidden, mask)))
        expanded = self.dropout(self.expand(hidden * mask).relu())
        hidden = self.feed_forward_norm(hidden + self.dropout(self.contract(expanded * mask)))
        return hidden * mask
