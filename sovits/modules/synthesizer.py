"""The whole network: text and a voice in, speech out (VITS, Kim et al. 2021, figure 1, with semantics and a speaker encoder)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sovits.errors import SovitsError
from sovits.modules.alignment import durations_to_path, gaussian_log_likelihood, monotonic_alignment
from sovits.modules.decoder import UpsamplingDecoder
from sovits.modules.discriminators import Discriminators
from sovits.modules.duration_predictor import DurationPredictor
from sovits.modules.flow import Flow
from sovits.modules.layers.masking import length_mask
from sovits.modules.layers.slicing import random_starts, take_slices
from sovits.modules.posterior_encoder import Posterior, PosteriorEncoder
from sovits.modules.semantic_encoder import SemanticEncoder
from sovits.modules.speaker_encoder import EcapaSpeakerEncoder
from sovits.modules.text_encoder import TextEncoder, TextEncoding
from sovits.text.encoding import TextBatch

MAX_FRAMES_PER_PHONE = 100.0
"""A ceiling on predicted durations (2.3 s at the default hop), so that an untrained predictor cannot fill the memory."""


@dataclass
class SynthesizerOutput:
    """Everything the losses need from one training forward."""

    audio: Tensor
    """[B, 1, segment_frames * hop_length] synthesised slice."""
    slice_starts: Tensor
    """[B] first frame of each slice."""
    posterior: Posterior
    prior_latent: Tensor
    """[B, C, T_frames] the posterior's latent seen through the flow."""
    prior_mean: Tensor
    """[B, C, T_frames] of the text, stretched by the alignment."""
    prior_log_std: Tensor
    """[B, C, T_frames]."""
    alignment: Tensor
    """[B, T_text, T_frames] of zeros and ones."""
    log_durations: Tensor
    """[B, T_text] predicted log frames."""
    text_mask: Tensor
    """[B, 1, T_text]."""
    frame_mask: Tensor
    """[B, 1, T_frames]."""


@dataclass
class Synthesis:
    """Speech from text."""

    audio: Tensor
    """[B, 1, T_samples] in float32, zero past each clip's end."""
    sample_lengths: Tensor
    """[B]."""
    durations: Tensor
    """[B, T_text] whole frames of every phone."""


class Synthesizer(nn.Module):
    """Conditional VAE with a flow prior, monotonic alignment and an adversarially trained decoder.

    Args:
        segment_frames: length in frames of the slice that is decoded in training.
        semantic_encoder: None for phones only.
        speaker_encoder: None where embeddings come from elsewhere.

    Raises:
        SovitsError: parts whose channel counts disagree.
    """

    def __init__(
        self,
        text_encoder: TextEncoder,
        posterior_encoder: PosteriorEncoder,
        flow: Flow,
        duration_predictor: DurationPredictor,
        decoder: nn.Module,
        segment_frames: int,
        semantic_encoder: SemanticEncoder | None = None,
        speaker_encoder: EcapaSpeakerEncoder | None = None,
    ) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.posterior_encoder = posterior_encoder
        self.flow = flow
        self.duration_predictor = duration_predictor
        self.decoder = decoder
        self.segment_frames = segment_frames
        self.semantic_encoder = semantic_encoder
        self.speaker_encoder = speaker_encoder

    @property
    def hop_length(self) -> int:
        """Samples of audio for each latent frame."""
        return self.decoder.hop_length  # type: ignore[return-value]

    @property
    def embedding_size(self) -> int:
        """Numbers of a speaker embedding."""
        return self.duration_predictor.speaker.in_features

    def forward(self, text: TextBatch, mels: Tensor, frame_lengths: Tensor, speaker_embedding: Tensor) -> SynthesizerOutput:
        """One training pass.

        Args:
            text: ``B`` texts, none with more phones than its clip has frames.
            mels: log mel spectrograms [B, n_mels, T_frames].
            frame_lengths: [B].
            speaker_embedding: [B, E].
        """
        frame_mask = length_mask(frame_lengths, mels.shape[-1])
        encoding = self.read(text)
        posterior = self.posterior_encoder(mels, frame_mask, speaker_embedding)
        latent = posterior.sample(frame_mask)
        prior_latent = self.flow(latent, frame_mask, speaker_embedding)
        alignment = self._align(prior_latent, encoding, text.lengths, frame_lengths)
        # Durations are learned from the text as it is, without pulling the text encoder towards them.
        log_durations = self.duration_predictor(encoding.hidden.detach(), encoding.mask, speaker_embedding)
        starts = random_starts(frame_lengths, self.segment_frames)
        latent_slice = take_slices(latent, starts, self.segment_frames)
        audio = self.decoder(latent_slice, torch.ones_like(latent_slice[:, :1]), speaker_embedding)
        return SynthesizerOutput(
            audio=audio,
            slice_starts=starts,
            posterior=posterior,
            prior_latent=prior_latent,
            prior_mean=encoding.mean.float() @ alignment,
            prior_log_std=encoding.log_std.float() @ alignment,
            alignment=alignment,
            log_durations=log_durations,
            text_mask=encoding.mask,
            frame_mask=frame_mask,
        )

    def read(self, text: TextBatch) -> TextEncoding:
        """What the text says: phones, and their semantics where there is a semantic encoder."""
        semantic = self.semantic_encoder(text) if self.semantic_encoder is not None else None
        return self.text_encoder(text, semantic)

    def embed_speaker(self, power_mels: Tensor) -> Tensor:
        """Power mel spectrograms of reference clips [B, n_mels, T] -> voices [B, E] of norm 1."""
        if self.speaker_encoder is None:
            raise SovitsError("This synthesizer has no speaker encoder (model.speaker_encoder is null); pass a speaker embedding.")
        return self.speaker_encoder(power_mels)

    @torch.no_grad()
    def _align(self, prior_latent: Tensor, encoding: TextEncoding, text_lengths: Tensor, frame_lengths: Tensor) -> Tensor:
        scores = gaussian_log_likelihood(prior_latent, encoding.mean, encoding.log_std)
        return monotonic_alignment(scores, text_lengths, frame_lengths)

    @torch.no_grad()
    def synthesize(
        self,
        text: TextBatch,
        speaker_embedding: Tensor,
        *,
        noise_scale: float = 0.667,
        length_scale: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Synthesis:
        """Text and voices [B, E] -> speech.

        Args:
            noise_scale: standard deviations of the prior that are used; 0 gives the mean.
            length_scale: above 1 speaks slower.
            generator: source of the noise, so that a seed belongs to one request.
        """
        encoding = self.read(text)
        log_durations = self.duration_predictor(encoding.hidden, encoding.mask, speaker_embedding)
        frames = (log_durations.exp() * length_scale).clamp(1.0, MAX_FRAMES_PER_PHONE).round() * encoding.mask.squeeze(1)
        frame_lengths = frames.sum(1).long()
        alignment = durations_to_path(frames, int(frame_lengths.max()))
        frame_mask = length_mask(frame_lengths, alignment.shape[-1])
        mean, log_std = encoding.mean.float() @ alignment, encoding.log_std.float() @ alignment
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        latent = self.flow.inverse((mean + noise * log_std.exp() * noise_scale) * frame_mask, frame_mask, speaker_embedding)
        audio = self.decoder(latent, frame_mask, speaker_embedding)
        return Synthesis(audio, frame_lengths * self.hop_length, frames.long())

    @torch.no_grad()
    def reconstruct(self, mels: Tensor, frame_lengths: Tensor, speaker_embedding: Tensor) -> Tensor:
        """Log mels [B, n_mels, T_frames] through the mean of the posterior and the decoder -> [B, 1, T_frames * hop_length]."""
        mask = length_mask(frame_lengths, mels.shape[-1])
        posterior = self.posterior_encoder(mels, mask, speaker_embedding)
        return self.decoder(posterior.mean, mask, speaker_embedding)

    def infer(
        self,
        phones: Tensor,
        spk_emb: Tensor,
        *,
        noise_scale: float = 0.667,
        length_scale: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Bare token ids [B, T_text] and voices [B, E] -> waveform [B, 1, T_samples], ``hop_length`` samples a frame.

        Raises:
            SovitsError: no tokens, an id outside the vocabulary, or a voice of another size.
        """
        if phones.dim() != 2 or phones.shape[1] == 0:
            raise SovitsError(f"infer takes token ids [B, T_text] with at least one token, not {list(phones.shape)}.")
        expected = [len(phones), self.embedding_size]
        if list(spk_emb.shape) != expected:
            raise SovitsError(
                f"infer takes one voice of {self.embedding_size} numbers per text, {expected}, not spk_emb {list(spk_emb.shape)}."
            )
        text = TextBatch.from_phones(phones)
        return self.synthesize(text, spk_emb, noise_scale=noise_scale, length_scale=length_scale, generator=generator).audio


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
