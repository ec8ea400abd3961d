"""The normalising flow between the posterior's latents and the simpler prior of the text."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sovits.errors import SovitsError
from sovits.modules.layers.wavenet import WaveNet


class CouplingStep(nn.Module):
    """Volume-preserving affine coupling: one half of the channels shifts the other (NICE, Dinh et al. 2014; VITS, section 2.1)."""

    def __init__(self, channels: int, hidden_channels: int, kernel_size: int, n_layers: int, speaker_channels: int) -> None:
        super().__init__()
        self.input = nn.Conv1d(channels // 2, hidden_channels, 1)
        self.wavenet = WaveNet(hidden_channels, kernel_size, n_layers, speaker_channels)
        self.shift = nn.Conv1d(hidden_channels, channels // 2, 1)
        # Starting as the identity keeps the first alignments sane.
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.shift.bias)  # type: ignore[arg-type]

    def forward(self, latent: Tensor, mask: Tensor, speaker_embedding: Tensor, sign: int) -> Tensor:
        """[B, C, T] -> [B, C, T]; ``sign`` is 1 forwards and -1 for the inverse."""
        kept, moved = latent.chunk(2, dim=1)
        hidden = self.wavenet(self.input(kept) * mask, mask, speaker_embedding)
        moved = moved + sign * self.shift(hidden) * mask
        return torch.cat([kept, moved], dim=1)


class Flow(nn.Module):
    """Coupling steps with the channels reversed after each; its Jacobian determinant is one.

    Args:
        channels: even number of latent channels.
    """

    def __init__(self, channels: int, hidden_channels: int, kernel_size: int, n_layers: int, n_steps: int, speaker_channels: int) -> None:
        super().__init__()
        if channels % 2:
            raise SovitsError(f"The flow splits its channels in halves, but inter_channels={channels} is odd; make it even.")
        self.channels = channels
        self.speaker_channels = speaker_channels
        self.steps = nn.ModuleList(CouplingStep(channels, hidden_channels, kernel_size, n_layers, speaker_channels) for _ in range(n_steps))

    @property
    def context_frames(self) -> int:
        """Frames on each side that a frame of the output depends on."""
        return sum(step.wavenet.context for step in self.steps)  # type: ignore[misc, union-attr]

    def forward(self, latent: Tensor, mask: Tensor, speaker_embedding: Tensor) -> Tensor:
        """Posterior latents [B, C, T_frames] -> latents as the text's prior sees them."""
        for step in self.steps:
            latent = step(latent, mask, speaker_embedding, sign=1).flip(1)
        return latent

    def inverse(self, latent: Tensor, mask: Tensor, speaker_embedding: Tensor) -> Tensor:
        """The exact inverse of :meth:`forward`."""
        for step in reversed(self.steps):
            latent = step(latent.flip(1), mask, speaker_embedding, sign=-1)
        return latent
