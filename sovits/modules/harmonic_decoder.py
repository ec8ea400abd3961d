"""A decoder that is told the pitch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from sovits.modules.decoder import FrameRateDecoder, Pitch
from sovits.modules.layers.harmonic_source import HarmonicSource, Start
from sovits.modules.layers.masking import upsampled
from sovits.modules.layers.stft_heads import SourceFilterHead
from sovits.modules.pitch_predictor import MIDDLE_HERTZ, PitchPredictor


class HarmonicDecoder(FrameRateDecoder):
    """A :class:`FrameRateDecoder` that shapes harmonics of a predicted pitch, and noise, where that one makes up every phase by itself.

    So a voice sounds at the pitch that it speaks with (the source of NSF, Wang et al. 2019, whose place in a Fourier decoder is HiFTNet's,
    Li et al. 2023), and two neighbouring frames cannot be said with the same phases. The pitch is learned from the recordings' own.

    Args:
        inter_channels: latent channels.
        hop_length: samples a latent frame stands for.
        sample_rate: Hz.
        upsample_rates: as in :class:`FrameRateDecoder`.
        channels: width of the backbone.
        filter_channels: width inside each block.
        n_layers: ConvNeXt blocks.
        pitch_channels: width of the pitch predictor.
        speaker_channels: size of the speaker embedding.
    """

    hears_pitch = True

    def __init__(
        self,
        inter_channels: int,
        hop_length: int,
        sample_rate: int,
        upsample_rates: Sequence[int],
        channels: int,
        filter_channels: int,
        n_layers: int,
        pitch_channels: int,
        speaker_channels: int,
    ) -> None:
        super().__init__(inter_channels, hop_length, upsample_rates, channels, filter_channels, n_layers, speaker_channels)
        self.pitch_predictor = PitchPredictor(inter_channels, pitch_channels, speaker_channels)
        self.source = HarmonicSource(sample_rate, hop_length, MIDDLE_HERTZ)
        hop = hop_length // self.factor
        self.head: SourceFilterHead = SourceFilterHead(channels, 4 * hop, hop)

    @property
    def context_frames(self) -> int:
        """See :class:`Decoder`."""
        return max(super().context_frames, self.pitch_predictor.context + self._heard_before)

    @property
    def _heard_before(self) -> int:
        """Frames whose source is still heard in the one after them."""
        return math.ceil(2 * self.head.context / self.factor)

    def excited(
        self, latent: Tensor, mask: Tensor | None, speaker_embedding: Tensor, hertz: Tensor | None = None, start: Start | None = None
    ) -> Tensor:
        """Latents with the predicted pitch and the timeline of their source, as further channels.

        Args:
            hertz: what they are said with where it is above 0, in place of what is predicted there.
            start: where the clips go on from; its anchor is the first frame that is listened to, its phase what :meth:`phase` said there.
        """
        octaves, voicing = predicted = self.pitch_predictor(latent, mask, speaker_embedding)
        voiced = voicing > 0
        if hertz is not None:
            voiced = hertz.unsqueeze(1) > 0
            octaves = (hertz.unsqueeze(1).clamp_min(1.0) / MIDDLE_HERTZ).log2().where(voiced, octaves)
        if start is not None:
            start = start._replace(anchor=(start.anchor - self._heard_before).clamp_min(0))
        return torch.cat([latent, *predicted, self.source.timeline(octaves, voiced, mask, start)], dim=1)

    def pitch(self, excited: Tensor) -> Pitch:
        """See :class:`Decoder`."""
        octaves, voicing = self._channels(excited)[1].float().unbind(1)
        return Pitch(octaves + math.log2(MIDDLE_HERTZ), voicing)

    def phase(self, excited: Tensor) -> Tensor:
        """[B, T_frames] of each frame, for a part that goes on there: cycles where the first frame begins that is still heard in it."""
        phase = self._channels(excited)[2][:, 2]
        return F.pad(phase, (self._heard_before, 0), mode="replicate")[..., : phase.shape[-1]]

    def decode(self, excited: Tensor, mask: Tensor | None, speaker_embedding: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        latent, _, timeline = self._channels(excited)
        harmonics, noise = self.source(timeline, mask)
        return self.head(self.features(latent, mask, speaker_embedding), upsampled(mask, self.factor), harmonics, noise)

    def _channels(self, excited: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, what is predicted of the pitch, and the timeline."""
        latent, predicted, timeline = excited.split([self.inter_channels, 2, self.source.channels], dim=1)
        return latent, predicted, timeline
