"""The whole network: text and a voice in, speech out (VITS, Kim et al. 2021, figure 1, with semantics and a speaker encoder)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from sovits.delivery import DURATION_NOISE_SCALE, NOISE_SCALE
from sovits.errors import SovitsError
from sovits.modules.alignment import durations_to_path, gaussian_log_likelihood, monotonic_alignment
from sovits.modules.decoder import Decoder, Pitch
from sovits.modules.duration_predictor import DurationPredictor
from sovits.modules.flow import Flow
from sovits.modules.layers.masking import length_mask
from sovits.modules.layers.noise import Generators, for_each_text, standard_normal
from sovits.modules.layers.slicing import random_starts, take_slices
from sovits.modules.posterior_encoder import Posterior, PosteriorEncoder
from sovits.modules.semantic_encoder import SemanticEncoder
from sovits.modules.speaker_conditioning import SpeakerConditioning
from sovits.modules.stochastic_duration import StochasticDurationPredictor
from sovits.modules.text_encoder import TextEncoder, TextEncoding
from sovits.text.batch import TextBatch

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
    duration_penalty: Tensor
    """[B] what the duration predictor is to lower, summed over each text's phones."""
    text_mask: Tensor
    """[B, 1, T_text] 0 past a text's end, and everywhere where there is none."""
    frame_mask: Tensor
    """[B, 1, T_frames] likewise."""
    pitch: Pitch | None
    """What the decoder predicts of it; None of one that isn't told any."""
    recorded_pitch: Tensor | None
    """[B, T_frames] Hz, 0 where nothing is voiced, as the forward was told."""

    def told(self, told: Tensor) -> Self:
        """The same, but that nothing counts which compares text and sound where ``told`` [B] is false: of a clip without a text."""
        each = told[:, None, None].to(self.frame_mask.dtype)
        return replace(self, text_mask=self.text_mask * each, frame_mask=self.frame_mask * each)


@dataclass
class Prior:
    """What the text says about the latents of each phone, and how long it lasts."""

    mean: Tensor
    """[B, C, T_text]."""
    log_std: Tensor
    """[B, C, T_text]."""
    durations: Tensor
    """[B, T_text] whole frames of every phone, as numbers of float32."""


@dataclass
class DrawnLatents:
    """What is to be said, before the decoder says it."""

    latent: Tensor
    """[B, C, T_frames]."""
    mask: Tensor
    """[B, 1, T_frames]."""
    frame_lengths: Tensor
    """[B]."""
    durations: Tensor
    """[B, T_text] whole frames of every phone."""


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
        speaker_encoder: how voices are told: a module of :class:`SpeakerConditioning`; None where embeddings come from elsewhere.

    Raises:
        SovitsError: parts whose channel counts disagree.
    """

    def __init__(
        self,
        text_encoder: TextEncoder,
        posterior_encoder: PosteriorEncoder,
        flow: Flow,
        duration_predictor: DurationPredictor | StochasticDurationPredictor,
        decoder: Decoder,
        segment_frames: int,
        semantic_encoder: SemanticEncoder | None = None,
        speaker_encoder: SpeakerConditioning | None = None,
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
        self._check()

    @property
    def hop_length(self) -> int:
        """Samples of audio for each latent frame."""
        return self.decoder.hop_length

    @property
    def embedding_size(self) -> int:
        """Numbers of a speaker embedding."""
        return self.duration_predictor.speaker_channels

    def forward(
        self,
        text: TextBatch,
        spectrograms: Tensor,
        frame_lengths: Tensor,
        speaker_embedding: Tensor,
        durations: Tensor | None = None,
        pitch: Tensor | None = None,
    ) -> SynthesizerOutput:
        """One training pass.

        Args:
            text: ``B`` texts, none with more phones than its clip has frames.
            spectrograms: what the posterior encoder reads, log [B, spec_channels, T_frames].
            frame_lengths: [B].
            speaker_embedding: [B, E].
            durations: [B, T_text] whole frames of each phone where they are known; None: it finds them out.
            pitch: [B, T_frames] Hz of the recordings, 0 where nothing is voiced, that the slices are said with; None: what is predicted.
        """
        frame_mask = length_mask(frame_lengths, spectrograms.shape[-1])
        encoding = self.read(text)
        posterior = self.posterior_encoder(spectrograms, frame_mask, speaker_embedding)
        latent = posterior.sample(frame_mask)
        prior_latent = self.flow(latent, frame_mask, speaker_embedding)
        alignment = (
            self._align(prior_latent, encoding, text.lengths, frame_lengths)
            if durations is None
            else durations_to_path(durations, spectrograms.shape[-1])
        )
        # Durations are learned from the text as it is, without pulling the text encoder towards them.
        duration_penalty = self.duration_predictor(encoding.hidden.detach(), encoding.mask, speaker_embedding, alignment.sum(-1))
        starts = random_starts(frame_lengths, self.segment_frames)
        excited = self.decoder.excited(latent, frame_mask, speaker_embedding, pitch)
        audio = self.decoder.decode(take_slices(excited, starts, self.segment_frames), None, speaker_embedding)
        return SynthesizerOutput(
            audio=audio,
            slice_starts=starts,
            posterior=posterior,
            prior_latent=prior_latent,
            prior_mean=encoding.mean.float() @ alignment,
            prior_log_std=encoding.log_std.float() @ alignment,
            alignment=alignment,
            duration_penalty=duration_penalty,
            text_mask=encoding.mask,
            frame_mask=frame_mask,
            pitch=self.decoder.pitch(excited),
            recorded_pitch=pitch,
        )

    def melody(self, output: SynthesizerOutput, speaker_embedding: Tensor, told: Tensor) -> Pitch | None:
        """The pitch predicted for latents drawn for the texts of ``output`` alone, in its alignment; None of a decoder that isn't told any.

        The decoder alone learns from it: latents of the text are to be near the posterior's, not easy to read a pitch from.

        Args:
            speaker_embedding: [B, E] that the latents are drawn with.
            told: [B, E] that the pitch is to belong to.
        """
        if not self.decoder.hears_pitch:
            return None
        with torch.no_grad():
            noise = NOISE_SCALE * torch.randn_like(output.prior_mean)
            latent = self._drawn(output.prior_mean, output.prior_log_std, noise, output.frame_mask, speaker_embedding)
        return self.decoder.pitch(self.decoder.excited(latent, output.frame_mask, told))

    def read(self, text: TextBatch) -> TextEncoding:
        """What the text says: phones, and their semantics where there is a semantic encoder."""
        semantic = self.semantic_encoder(text) if self.semantic_encoder is not None else None
        return self.text_encoder(text, semantic)

    def embed_speaker(self, references: Tensor | None, speakers: Tensor | None = None) -> Tensor:
        """Reference clips [B, T_samples] in [-1, 1], or numbers of training speakers [B], whichever it reads -> voices [B, E] of norm 1.

        Raises:
            SovitsError: it has no speaker encoder, or lacks what it reads.
        """
        if self.speaker_encoder is None:
            raise SovitsError("This synthesizer has no speaker encoder (model.speaker_encoder is null); pass a speaker embedding.")
        return self.speaker_encoder(references, speakers)

    @torch.no_grad()
    def _align(self, prior_latent: Tensor, encoding: TextEncoding, text_lengths: Tensor, frame_lengths: Tensor) -> Tensor:
        scores = gaussian_log_likelihood(prior_latent, encoding.mean, encoding.log_std)
        return monotonic_alignment(scores, text_lengths, frame_lengths)

    @torch.no_grad()
    def draw(
        self,
        text: TextBatch,
        speaker_embedding: Tensor,
        *,
        noise_scale: float | Tensor = NOISE_SCALE,
        duration_noise_scale: float | Tensor = DURATION_NOISE_SCALE,
        length_scale: float | Tensor = 1.0,
        generators: Generators = None,
    ) -> DrawnLatents:
        """Texts and voices [B, E] -> what the decoder is to say, drawn from the prior.

        Each scale is one for all texts or one of each [B]. A text with a generator and scales of its own gets the same latents in every
        batch, but for rounding.

        Args:
            noise_scale: standard deviations of the prior that are used; 0 gives the mean.
            duration_noise_scale: the same of a stochastic duration predictor; 0 gives the most even rhythm.
            length_scale: above 1 speaks slower.
            generators: source of the noise; one for each text, so that a seed belongs to one request.
        """
        text_mask = length_mask(text.lengths, text.phones.shape[1])
        duration_noise = standard_normal(self.duration_predictor.noise_channels, text_mask, generators)
        prior = self.prior(text, speaker_embedding, duration_noise * for_each_text(duration_noise_scale), for_each_text(length_scale))
        durations = prior.durations.long()
        frame_lengths = durations.sum(1)
        alignment = durations_to_path(prior.durations, int(frame_lengths.max()))
        mask = length_mask(frame_lengths, alignment.shape[-1])
        noise = standard_normal(prior.mean.shape[1], mask, generators) * for_each_text(noise_scale)
        latent = self._drawn(prior.mean @ alignment, prior.log_std @ alignment, noise, mask, speaker_embedding)
        return DrawnLatents(latent, mask, frame_lengths, durations)

    def _drawn(self, mean: Tensor, log_std: Tensor, noise: Tensor, mask: Tensor, speaker_embedding: Tensor) -> Tensor:
        """Latents of a prior that is stretched already: all [B, C, T_frames], the mask [B, 1, T_frames]."""
        return self.flow.inverse((mean + noise * log_std.exp()) * mask, mask, speaker_embedding)

    def prior(self, text: TextBatch, speaker_embedding: Tensor, duration_noise: Tensor, length_scale: float | Tensor) -> Prior:
        """What the texts say in the voices [B, E] before anything of the latents is drawn.

        Args:
            duration_noise: [B, noise_channels of the duration predictor, T_text].
            length_scale: above 1 speaks slower; one for all texts or [B, 1, 1].
        """
        encoding = self.read(text)
        log_durations = self.duration_predictor.predict(encoding.hidden, encoding.mask, speaker_embedding, duration_noise)
        frames = (log_durations.unsqueeze(1).exp() * length_scale).clamp(1.0, MAX_FRAMES_PER_PHONE)
        durations = self.duration_predictor.whole(frames) * encoding.mask
        return Prior(encoding.mean.float(), encoding.log_std.float(), durations.squeeze(1))

    @torch.no_grad()
    def synthesize(
        self,
        text: TextBatch,
        speaker_embedding: Tensor,
        *,
        noise_scale: float | Tensor = NOISE_SCALE,
        duration_noise_scale: float | Tensor = DURATION_NOISE_SCALE,
        length_scale: float | Tensor = 1.0,
        generators: Generators = None,
    ) -> Synthesis:
        """Texts and voices [B, E] -> speech; the arguments are those of :meth:`draw`."""
        drawn = self.draw(
            text,
            speaker_embedding,
            noise_scale=noise_scale,
            duration_noise_scale=duration_noise_scale,
            length_scale=length_scale,
            generators=generators,
        )
        audio = self.decoder(drawn.latent, drawn.mask, speaker_embedding)
        return Synthesis(audio, drawn.frame_lengths * self.hop_length, drawn.durations)

    @torch.no_grad()
    def reconstruct(self, spectrograms: Tensor, frame_lengths: Tensor, speaker_embedding: Tensor) -> Tensor:
        """Log [B, spec_channels, T_frames] through the mean of the posterior and the decoder -> [B, 1, T_frames * hop_length]."""
        mask = length_mask(frame_lengths, spectrograms.shape[-1])
        posterior = self.posterior_encoder(spectrograms, mask, speaker_embedding)
        return self.decoder(posterior.mean, mask, speaker_embedding)

    def infer(
        self,
        phones: Tensor,
        spk_emb: Tensor,
        *,
        noise_scale: float = NOISE_SCALE,
        length_scale: float = 1.0,
        generators: Generators = None,
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
        return self.synthesize(text, spk_emb, noise_scale=noise_scale, length_scale=length_scale, generators=generators).audio

    def _check(self) -> None:
        """Refuses parts that do not fit one another, by the keys that set them."""
        inter = self.text_encoder.inter_channels
        for key, channels in {
            "model.posterior_encoder.inter_channels": self.posterior_encoder.inter_channels,
            "model.flow.channels": self.flow.channels,
            "model.decoder.inter_channels": self.decoder.inter_channels,
        }.items():
            _require_equal(key, channels, "model.text_encoder.inter_channels", inter)
        _require_equal(
            "model.duration_predictor.hidden_channels",
            self.duration_predictor.hidden_channels,
            "model.text_encoder.hidden_channels",
            self.text_encoder.hidden_channels,
        )
        voice = ("model.duration_predictor.speaker_channels", self.embedding_size)
        if self.speaker_encoder is not None:
            voice = ("the speaker encoder's embedding_size", self.speaker_encoder.embedding_size)
        for part in ("posterior_encoder", "flow", "duration_predictor", "decoder"):
            _require_equal(f"model.{part}.speaker_channels", getattr(self, part).speaker_channels, *voice)
        semantic = self.semantic_encoder.channels if self.semantic_encoder is not None else 0
        _require_equal(
            "model.text_encoder.semantic_channels", self.text_encoder.semantic_channels, "the semantic encoder's hidden size", semantic
        )
        if self.segment_frames < 1:
            raise SovitsError(f"model.segment_frames={self.segment_frames} leaves nothing to decode; 32 is usual.")


def _require_equal(key: str, value: int, other_key: str, other: int) -> None:
    if value != other:
        raise SovitsError(f"{key}={value} and {other_key}={other} must be equal; change one of them.")
