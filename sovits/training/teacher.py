"""A trained model that another one learns from: it is asked, and never learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sovits.audio.spectrogram import LinearSpectrogram, MelSpectrogram, log_compress
from sovits.data.batch import Batch
from sovits.errors import SovitsError
from sovits.modules.alignment import gaussian_log_likelihood, monotonic_alignment
from sovits.modules.layers.masking import length_mask
from sovits.modules.layers.noise import standard_normal
from sovits.modules.layers.slicing import take_slices
from sovits.modules.synthesizer import MAX_FRAMES_PER_PHONE, Synthesizer
from sovits.voice.checkpoint import Checkpoint


@dataclass
class Lesson:
    """What a teacher makes of a batch; nothing of it has a graph. ``C`` are the channels of the teacher's latents."""

    voices: Tensor
    """[B, E]."""
    mask: Tensor
    """[B, 1, T_frames]."""
    posterior_mean: Tensor
    """[B, C, T_frames] of the recording, zero outside the clip."""
    prior_mean: Tensor
    """[B, C, T_frames] of the text, stretched by ``alignment``."""
    alignment: Tensor
    """[B, T_text, T_frames] of zeros and ones."""
    frames: Tensor
    """[B, T_text] how long each phone lasts by the duration predictor: a drawn whole number, or the best guess as it is."""


class Teacher:
    """A frozen synthesizer. No module, so that no checkpoint, optimiser, average or parallel wrapper of the student ever holds it.

    It looks at the mean of its posterior, without noise and without dropout: what it says of a clip is always the same, but for
    durations that a stochastic predictor draws.

    Args:
        synthesizer: is frozen here.
        posterior_spectrogram: what its posterior encoder reads.
        numbers: int64 [N], its own numbers of the student's speakers; None where it reads voices from clips.
    """

    def __init__(
        self, synthesizer: Synthesizer, posterior_spectrogram: MelSpectrogram | LinearSpectrogram, numbers: Tensor | None = None
    ) -> None:
        self.synthesizer = synthesizer.eval().requires_grad_(False)
        self.posterior_spectrogram = posterior_spectrogram.eval()
        self.numbers = numbers

    @classmethod
    def of(cls, checkpoint: Checkpoint, speakers: Sequence[str]) -> Teacher:
        """The model of ``checkpoint`` for a student of ``speakers``.

        Raises:
            SovitsError: it cannot be built or filled, or looks its voices up and lacks one of ``speakers``.
        """
        synthesizer: Synthesizer = checkpoint.build("model")
        checkpoint.fill(synthesizer)
        numbers = None
        if synthesizer.speaker_encoder is None or not synthesizer.speaker_encoder.zero_shot:
            if missing := [name for name in speakers if name not in checkpoint.speakers]:
                raise SovitsError(
                    f"The teacher {checkpoint.path} looks voices up and knows {', '.join(checkpoint.speakers)}, not {', '.join(missing)}; "
                    "choose its speakers with data.speakers, or a teacher with speaker_encoder=ecapa."
                )
            numbers = torch.tensor([checkpoint.speakers.index(name) for name in speakers])
        return cls(synthesizer, checkpoint.build("posterior_spectrogram"), numbers)

    def __deepcopy__(self, memo: dict[int, Any]) -> Teacher:
        """Itself: a moving average of the student's weights copies the student, and needs no second teacher."""
        return self

    def to(self, device: torch.device | str) -> Teacher:
        """Moves it, in place."""
        self.synthesizer.to(device)
        self.posterior_spectrogram.to(device)
        self.numbers = None if self.numbers is None else self.numbers.to(device)
        return self

    @torch.no_grad()
    def teach(self, batch: Batch) -> Lesson:
        """What it makes of the recordings and of the texts."""
        own = self.synthesizer
        voices = own.embed_speaker(batch.references, batch.speakers if self.numbers is None else self.numbers[batch.speakers])
        spectrograms = log_compress(self.posterior_spectrogram(batch.waveforms))
        mask = length_mask(batch.frame_lengths, spectrograms.shape[-1])
        encoding = own.read(batch.text)
        posterior = own.posterior_encoder(spectrograms, mask, voices)
        scores = gaussian_log_likelihood(own.flow(posterior.mean, mask, voices), encoding.mean, encoding.log_std)
        alignment = monotonic_alignment(scores, batch.text.lengths, batch.frame_lengths)
        noise = standard_normal(own.duration_predictor.noise_channels, encoding.mask, None)
        frames = own.duration_predictor.predict(encoding.hidden, encoding.mask, voices, noise).exp() * encoding.mask.squeeze(1)
        return Lesson(voices, mask, posterior.mean, encoding.mean.float() @ alignment, alignment, frames)

    @torch.no_grad()
    def say(self, lesson: Lesson, starts: Tensor, size: int) -> Tensor:
        """Slices of ``size`` frames from ``starts`` [B], reconstructed -> [B, 1, size * hop_length]."""
        decoder = self.synthesizer.decoder
        excited = decoder.excited(lesson.posterior_mean, lesson.mask, lesson.voices)
        return decoder.decode(take_slices(excited, starts, size), None, lesson.voices)

    def whole(self, frames: Tensor) -> Tensor:
        """Predicted durations [B, T_text] as the whole frames that would be spoken; zero stays zero."""
        return self.synthesizer.duration_predictor.whole(frames.clamp(1.0, MAX_FRAMES_PER_PHONE)) * (frames > 0)
