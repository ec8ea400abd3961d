"""Non-causal WaveNet: the body of the posterior encoder and of every flow step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from sovits.modules.layers.normalization import same_padding


class WaveNet(nn.Module):
    """Gated dilated convolutions with residual and skip paths (van den Oord et al. 2016; non-causal as in WaveGlow and VITS).

    Args:
        channels: hidden channels ``C``.
        kernel_size: odd; dilation of layer ``i`` is ``dilation_rate ** i``.
        n_layers: gated layers.
        speaker_channels: size of the speaker embedding that is added before every gate.
    """

    def __init__(self, channels: int, kernel_size: int, n_layers: int, speaker_channels: int, dilation_rate: int = 1) -> None:
        super().__init__()
        self.channels = channels
        self.speaker = weight_norm(nn.Linear(speaker_channels, 2 * channels * n_layers))
        dilations = [dilation_rate**layer for layer in range(n_layers)]
        self.context = sum(same_padding(kernel_size, dilation) for dilation in dilations)
        """Positions on each side that a position of the output depends on."""
        self.gates = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, 2 * channels, kernel_size, dilation=dilation, padding=same_padding(kernel_size, dilation)))
            for dilation in dilations
        )
        # The last layer has no successor, so it needs only its skip half.
        self.outputs = nn.ModuleList(
            weight_norm(nn.Conv1d(channels, channels if layer == n_layers - 1 else 2 * channels, 1)) for layer in range(n_layers)
        )

    def forward(self, hidden: Tensor, mask: Tensor, speaker_embedding: Tensor) -> Tensor:
        """[B, C, T], mask [B, 1, T], speaker [B, E] -> sum of skip outputs [B, C, T]."""
        skip_sum = torch.zeros_like(hidden)
        biases = self.speaker(speaker_embedding).unsqueeze(-1).chunk(len(self.gates), dim=1)
        for gate, output, bias in zip(self.gates, self.outputs, biases, strict=True):
            filtered, gated = (gate(hidden) + bias).chunk(2, dim=1)
            *residual, skip = output(filtered.tanh() * gated.sigmoid()).split(self.channels, dim=1)
            for update in residual:
                hidden = (hidden + update) * mask
            skip_sum = skip_sum + skip
        return skip_sum * mask
