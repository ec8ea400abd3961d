"""Latents -> waveform: VITS's word for the vocoder half of the synthesizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from sovits.errors import SovitsError
from sovits.modules.layers.harmonic_source import Start
from sovits.modules.layers.masking import masked, upsampled
from sovits.modules.layers.normalization import ChannelNorm, leaky
from sovits.modules.layers.resblock import ConvNeXtBlock, ResidualBlock
from sovits.modules.layers.stft_heads import InverseStftHead, SourceFilterHead


def remaining_hop(hop_length: int, upsample_rates: Sequence[int], inverse_stft_hop: int | None = None) -> int:
    """Samples that the inverse STFT must cover for each upsampled feature frame.

    Args:
        hop_length: samples a latent frame stands for.
        upsample_rates: what the layers before it multiply the frames by.
        inverse_stft_hop: what it must be, 1 for no inverse STFT; None takes whatever is left.

    Raises:
        SovitsError: rates and hop do not multiply to ``hop_length``.
    """
    product = math.prod(upsample_rates)
    rates = " * ".join(map(str, upsample_rates)) or "1"
    if product < 1 or hop_length % product:
        raise SovitsError(
            f"model.decoder.upsample_rates give {rates} = {product}, which does not divide audio.hop_length={hop_length}: "
            "choose rates whose product divides the hop (the inverse-STFT head covers the rest), or change the hop."
        )
    left = hop_length // product
    if inverse_stft_hop not in (None, left):
        raise SovitsError(
            f"model.decoder.upsample_rates give {rates} = {product}, with model.decoder.inverse_stft_hop={inverse_stft_hop} "
            f"{product * inverse_stft_hop} samples a frame, but audio.hop_length={hop_length}: choose rates whose product is "
            f"{hop_length / inverse_stft_hop:g}, or inverse_stft_hop=null (it becomes {left})."
        )
    return left


def speaker_shift(speaker: nn.Linear, speaker_embedding: Tensor) -> Tensor:
    """A projection of the voice [B, E] that is added to every frame: [B, C, 1]."""
    return speaker(speaker_embedding).unsqueeze(-1)


class Pitch(NamedTuple):
    """What is predicted of every frame, where it begins."""

    log_hertz: Tensor
    """[B, T_frames] log2 of Hz; where nothing is voiced it means nothing."""
    voicing: Tensor
    """[B, T_frames] logit."""


class Decoder(nn.Module):
    """What all decoders have in common.

    Attributes:
        inter_channels: latent channels.
        speaker_channels: size of the speaker embedding.
        hop_length: samples a latent frame stands for.
    """

    inter_channels: int
    speaker_channels: int
    hop_length: int
    hears_pitch = False
    """Whether it is told a pitch, that of :meth:`pitch`."""

    @property
    def context_frames(self) -> int:
        """Latent frames on each side that a sample depends on."""
        raise NotImplementedError

    def forward(self, latent: Tensor, mask: Tensor | None, speaker_embedding: Tensor) -> Tensor:
        """Latents -> waveform.

        Args:
            latent: [B, inter_channels, T_frames], whole clips.
            mask: [B, 1, T_frames]; None where all frames are real.
            speaker_embedding: [B, E].

        Returns:
            [B, 1, T_frames * hop_length] in float32.
        """
        return self.decode(self.excited(latent, mask, speaker_embedding), mask, speaker_embedding)

    def excited(
        self, latent: Tensor, mask: Tensor | None, speaker_embedding: Tensor, hertz: Tensor | None = None, start: Start | None = None
    ) -> Tensor:
        """Latents of whole clips with what only whole clips can tell, as further channels: slices of these are what is decoded.

        Args:
            hertz: the pitch of each frame [B, T_frames], 0 where nothing is voiced; None: the decoder finds it.
            start: where the clips go on from.
        """
        return latent

    def pitch(self, excited: Tensor) -> Pitch | None:
        """What is predicted for ``excited`` latents; None where no pitch is."""
        return None

    def decode(self, excited: Tensor, mask: Tensor | None, speaker_embedding: Tensor) -> Tensor:
        """Excited latents, of whole clips or slices, -> [B, 1, T_frames * hop_length] in float32."""
        raise NotImplementedError


class UpsamplingDecoder(Decoder):
    """HiFi-GAN's upsampling residual stacks, ended by an inverse STFT over the remaining factor (iSTFTNet, Kaneko et al. 2022).

    Where the rates already multiply to the hop there is nothing left to cover, and a plain convolution ends the stack as in HiFi-GAN
    (Kong et al. 2020).

    Args:
        inter_channels: latent channels.
        hop_length: samples a latent frame stands for.
        upsample_rates: their product must divide ``hop_length``.
        upsample_initial_channel: channels before the first upsampling, halved by each.
        resblock_kernel_sizes: one residual block per size at every rate, averaged.
        resblock_dilations: dilations inside each of those blocks.
        speaker_channels: size of the speaker embedding, added at the input.
        inverse_stft_hop: samples the inverse STFT covers, 1 for none (HiFi-GAN); None for whatever the rates leave.
    """

    def __init__(
        self,
        inter_channels: int,
        hop_length: int,
        upsample_rates: Sequence[int],
        upsample_initial_channel: int,
        resblock_kernel_sizes: Sequence[int],
        resblock_dilations: Sequence[Sequence[int]],
        speaker_channels: int,
        inverse_stft_hop: int | None = None,
    ) -> None:
        super().__init__()
        if len(resblock_kernel_sizes) != len(resblock_dilations):
            raise SovitsError(
                f"resblock_kernel_sizes has {len(resblock_kernel_sizes)} entries and resblock_dilations {len(resblock_dilations)}; "
                "give each block both."
            )
        self.inter_channels = inter_channels
        self.speaker_channels = speaker_channels
        self.hop_length = hop_length
        self.upsample_rates = list(upsample_rates)
        factor = remaining_hop(hop_length, upsample_rates, inverse_stft_hop)
        self.input = weight_norm(nn.Conv1d(inter_channels, upsample_initial_channel, 7, padding=3))
        self.speaker = nn.Linear(speaker_channels, upsample_initial_channel)
        channels = [upsample_initial_channel // 2**stage for stage in range(len(upsample_rates) + 1)]
        self.upsamples = nn.ModuleList(
            weight_norm(nn.ConvTranspose1d(wide, narrow, 2 * rate, rate, padding=rate - rate // 2, output_padding=rate % 2))
            for wide, narrow, rate in zip(channels, channels[1:], upsample_rates, strict=False)
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                ResidualBlock(width, kernel_size, dilations)
                for kernel_size, dilations in zip(resblock_kernel_sizes, resblock_dilations, strict=True)
            )
            for width in channels[1:]
        )
        self.head = InverseStftHead(channels[-1], 4 * factor, factor) if factor > 1 else WaveformHead(channels[-1])

    @property
    def context_frames(self) -> int:
        """See :class:`Decoder`."""
        needed = self.head.context
        for rate, blocks in zip(reversed(self.upsample_rates), reversed(self.blocks), strict=True):
            # A transposed convolution twice as long as its stride reads one neighbour.
            needed = math.ceil((needed + max(block.context for block in blocks)) / rate) + 1  # type: ignore[union-attr, attr-defined]
        return needed + self.input.padding[0]

    def decode(self, excited: Tensor, mask: Tensor | None, speaker_embedding: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        hidden = self.input(masked(excited, mask)) + speaker_shift(self.speaker, speaker_embedding)
        for rate, upsample, blocks in zip(self.upsample_rates, self.upsamples, self.blocks, strict=True):
            hidden = upsample(masked(leaky(hidden), mask))
            mask = upsampled(mask, rate)
            hidden = sum(block(hidden, mask) for block in blocks) / len(blocks)  # type: ignore[arg-type, attr-defined, misc]
        return self.head(leaky(hidden), mask)


class WaveformHead(nn.Module):
    """HiFi-GAN's last layer: one convolution and a tanh."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.output = nn.Conv1d(channels, 1, 7, padding=3, bias=False)
        self.context = 3
        """Positions on each side that a sample depends on."""

    def forward(self, features: Tensor, mask: Tensor | None) -> Tensor:
        """[B, C, T_samples], mask [B, 1, T_samples] -> [B, 1, T_samples]."""
        return masked(self.output(masked(features, mask)).float().tanh(), mask)


class FrameRateDecoder(Decoder):
    """ConvNeXt blocks at (a small multiple of) the frame rate and one inverse STFT: Vocos (Siuzdak 2023), about a tenth of HiFi-GAN's cost.

    Args:
        inter_channels: latent channels.
        hop_length: samples a latent frame stands for.
        upsample_rates: as in :class:`UpsamplingDecoder`; [2] doubles the frame rate first, [] keeps it.
        channels: width of the backbone.
        filter_channels: width inside each block.
        n_layers: ConvNeXt blocks.
        speaker_channels: size of the speaker embedding, which shifts and scales every block.
    """

    def __init__(
        self,
        inter_channels: int,
        hop_length: int,
        upsample_rates: Sequence[int],
        channels: int,
        filter_channels: int,
        n_layers: int,
        speaker_channels: int,
    ) -> None:
        super().__init__()
        self.inter_channels = inter_channels
        self.speaker_channels = speaker_channels
        self.hop_length = hop_length
        self.factor = math.prod(upsample_rates)
        hop = remaining_hop(hop_length, upsample_rates)
        self.input = nn.Conv1d(inter_channels, channels * self.factor, 7, padding=3)
        self.input_norm = ChannelNorm(channels)
        self.blocks = nn.ModuleList(ConvNeXtBlock(channels, filter_channels, speaker_channels, 1 / n_layers) for _ in range(n_layers))
        self.output_norm = ChannelNorm(channels)
        self.head: InverseStftHead | SourceFilterHead = InverseStftHead(channels, 4 * hop, hop, kernel_size=1)

    @property
    def context_frames(self) -> int:
        """See :class:`Decoder`."""
        features = self.head.context + sum(block.context for block in self.blocks)  # type: ignore[misc]
        return math.ceil(features / self.factor) + self.input.padding[0]  # type: ignore[operator]

    def decode(self, excited: Tensor, mask: Tensor | None, speaker_embedding: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        return self.head(self.features(excited, mask, speaker_embedding), upsampled(mask, self.factor))

    def features(self, latent: Tensor, mask: Tensor | None, speaker_embedding: Tensor) -> Tensor:
        """What the head reads: [B, channels, T_frames * factor]."""
        hidden = self.input_norm(self._spread(self.input(masked(latent, mask))))
        mask = upsampled(mask, self.factor)
        for block in self.blocks:
            hidden = block(hidden, mask, speaker_embedding)
        return self.output_norm(hidden)

    def _spread(self, hidden: Tensor) -> Tensor:
        """[B, C * factor, T] -> [B, C, T * factor]: neighbouring frames out of channel groups (sub-pixel convolution, Shi et al. 2016)."""
        batch, _, length = hidden.shape
        return hidden.view(batch, -1, self.factor, length).transpose(2, 3).reshape(batch, -1, length * self.factor)
