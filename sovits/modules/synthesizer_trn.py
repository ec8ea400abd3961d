"""The synthesizer from VITS's flat list of sizes, for scripts without a configuration."""

from __future__ import annotations

from collections.abc import Sequence

from sovits.modules.decoder import UpsamplingDecoder
from sovits.modules.discriminators import Discriminators
from sovits.modules.duration_predictor import DurationPredictor
from sovits.modules.flow import Flow
from sovits.modules.posterior_encoder import PosteriorEncoder
from sovits.modules.synthesizer import Synthesizer
from sovits.modules.text_encoder import TextEncoder


class SynthesizerTrn(Synthesizer):
    """A :class:`Synthesizer` from VITS's flat list of sizes, with the adversary it is trained against.

    Args:
        n_vocab: token ids are below this.
        spec_channels: bands of the spectrogram the posterior encoder reads.
        segment_size: frames of a training slice.
        use_spectral_norm: of the discriminators in ``self.discriminator``.
        hop_length: samples a frame; the product of ``upsample_rates`` must divide it, an inverse STFT covers the rest.
        gin_channels: size of the speaker embedding.

    Raises:
        SovitsError: sizes that do not fit one another, both named.
    """

    def __init__(
        self,
        n_vocab: int,
        spec_channels: int,
        segment_size: int,
        inter_channels: int,
        hidden_channels: int,
        upsample_rates: Sequence[int],
        upsample_initial_channel: int,
        resblock_kernel_sizes: Sequence[int],
        use_spectral_norm: bool = False,
        *,
        filter_channels: int = 768,
        n_heads: int = 2,
        n_layers: int = 6,
        kernel_size: int = 3,
        p_dropout: float = 0.1,
        resblock_dilation_sizes: Sequence[Sequence[int]] | None = None,
        hop_length: int = 512,
        gin_channels: int = 256,
    ) -> None:
        dilations = resblock_dilation_sizes or [(1, 3, 5)] * len(resblock_kernel_sizes)
        super().__init__(
            text_encoder=TextEncoder(
                n_vocab, 1, 1, inter_channels, hidden_channels, filter_channels, n_heads, n_layers, kernel_size, p_dropout
            ),
            posterior_encoder=PosteriorEncoder(spec_channels, inter_channels, hidden_channels, 5, 16, gin_channels),
            flow=Flow(inter_channels, hidden_channels, 5, 4, 4, gin_channels),
            duration_predictor=DurationPredictor(hidden_channels, 256, 3, 0.5, gin_channels),
            decoder=UpsamplingDecoder(
                inter_channels, hop_length, upsample_rates, upsample_initial_channel, resblock_kernel_sizes, dilations, gin_channels
            ),
            segment_frames=segment_size,
        )
        self.discriminator = Discriminators(
            (2, 3, 5, 7, 11), (32, 128, 512, 1024), (2048, 1024, 512), 32, use_spectral_norm=use_spectral_norm
        )
