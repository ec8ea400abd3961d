"""Latents -> the pitch that they are to be said with."""

from __future__ import annotations

from torch import Tensor, nn

from sovits.modules.layers.masking import masked
from sovits.modules.layers.normalization import ChannelNorm
from sovits.modules.layers.resblock import ConvNeXtBlock

MIDDLE_HERTZ = 160.0
OCTAVES = 1.75
"""Above and below the middle: 48 to 540 Hz."""


class PitchPredictor(nn.Module):
    """Two ConvNeXt blocks that read a pitch in each frame, and whether it is voiced.

    Args:
        inter_channels: latent channels.
        channels: width.
        speaker_channels: size of the speaker embedding, which tells high voices from low ones.
    """

    def __init__(self, inter_channels: int, channels: int, speaker_channels: int) -> None:
        super().__init__()
        self.input = nn.Conv1d(inter_channels, channels, 5, padding=2)
        self.blocks = nn.ModuleList(ConvNeXtBlock(channels, 2 * channels, speaker_channels, 0.5) for _ in range(2))
        self.norm = ChannelNorm(channels)
        self.output = nn.Conv1d(channels, 2, 1)
        self.context = 2 + sum(block.context for block in self.blocks)  # type: ignore[misc]
        """Frames on each side that a frame's pitch depends on."""

    def forward(self, latent: Tensor, mask: Tensor | None, speaker_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """[B, inter_channels, T_frames], mask [B, 1, T_frames], voices [B, E] -> octaves above the middle and voicing, [B, 1, T_frames].

        Of an unvoiced frame the pitch means nothing; voicing is a logit. Both are of float32.
        """
        hidden = self.input(masked(latent, mask))
        for block in self.blocks:
            hidden = block(hidden, mask, speaker_embedding)
        octaves, voicing = self.output(self.norm(hidden)).float().chunk(2, dim=1)
        return OCTAVES * octaves.tanh(), voicing
