"""How many frames each phone lasts."""

from __future__ import annotations

from torch import Tensor, nn

from sovits.modules.layers.normalization import ChannelNorm, same_padding


class DurationPredictor(nn.Module):
    """Two convolutions over phones, in the logarithm of frames (FastSpeech, Ren et al. 2019; speaker-conditioned as in VITS)."""

    def __init__(self, hidden_channels: int, filter_channels: int, kernel_size: int, dropout: float, speaker_channels: int) -> None:
        super().__init__()
        self.speaker = nn.Linear(speaker_channels, hidden_channels)
        padding = same_padding(kernel_size)
        self.convolutions = nn.ModuleList(
            [
                nn.Conv1d(hidden_channels, filter_channels, kernel_size, padding=padding),
                nn.Conv1d(filter_channels, filter_channels, kernel_size, padding=padding),
            ]
        )
        self.norms = nn.ModuleList(ChannelNorm(filter_channels) for _ in self.convolutions)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Conv1d(filter_channels, 1, 1)

    def forward(self, hidden: Tensor, mask: Tensor, speaker_embedding: Tensor) -> Tensor:
        """[B, C, T_text], mask [B, 1, T_text], speaker [B, E] -> log frames [B, T_text], zero outside the mask."""
        hidden = hidden + self.speaker(speaker_embedding).unsqueeze(-1)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = self.dropout(norm(convolution(hidden * mask).relu()))
        return (self.output(hidden * mask) * mask).squeeze(1).float()
