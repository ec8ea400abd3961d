"""How many frames each phone lasts, as one best guess."""

from __future__ import annotations

from torch import Tensor, nn

from sovits.modules.layers.normalization import ChannelNorm, same_padding


class DurationPredictor(nn.Module):
    """Two convolutions over phones, in the logarithm of frames (FastSpeech, Ren et al. 2019; speaker-conditioned as in VITS).

    It learns the mean of the frames, where FastSpeech's squared error of the logarithm learns their geometric mean, which is always less:
    pauses, mostly short and sometimes long, would all be short, and whoever it learned from would be slower than it.
    """

    def __init__(self, hidden_channels: int, filter_channels: int, kernel_size: int, dropout: float, speaker_channels: int) -> None:
        super().__init__()
        self.hidden_channels = hidden_channels
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

    noise_channels = 0
    """Of the noise that ``predict`` takes."""

    @property
    def speaker_channels(self) -> int:
        """Size of the speaker embedding."""
        return self.speaker.in_features

    def forward(self, hidden: Tensor, mask: Tensor, speaker_embedding: Tensor, durations: Tensor) -> Tensor:
        """Deviance of a gamma distribution (McCullagh & Nelder 1989, chapter 8), summed over each text's phones.

        Of small errors it is their square in the logarithm of frames; its least is where the predicted frames are the mean ones.

        Args:
            hidden: [B, C, T_text].
            mask: [B, 1, T_text].
            speaker_embedding: [B, E].
            durations: whole frames of every phone [B, T_text].

        Returns:
            [B] in float32.
        """
        missed = durations.float().clamp_min(1e-6).log() - self._log_frames(hidden, mask, speaker_embedding)
        return (2 * (missed.expm1() - missed) * mask.squeeze(1)).sum(1)

    def predict(self, hidden: Tensor, mask: Tensor, speaker_embedding: Tensor, noise: Tensor | None = None) -> Tensor:
        """Log frames [B, T_text], zero outside the mask; always the same ones, so ``noise`` has no say."""
        return self._log_frames(hidden, mask, speaker_embedding)

    @staticmethod
    def whole(frames: Tensor) -> Tensor:
        """Whole frames from predicted ones."""
        return frames.round()

    def _log_frames(self, hidden: Tensor, mask: Tensor, speaker_embedding: Tensor) -> Tensor:
        hidden = hidden + self.speaker(speaker_embedding).unsqueeze(-1)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = self.dropout(norm(convolution(hidden * mask).relu()))
        return (self.output(hidden * mask) * mask).squeeze(1).float()
