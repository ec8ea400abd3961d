"""Who to sound like: a clip -> a fixed-size, L2-normalised voice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.audio.spectrogram import MelSpectrogram, log_compress
from sovits.errors import SovitsError
from sovits.modules.speaker_classifier import SpeakerClassifier
from sovits.modules.speaker_conditioning import check_embedding_size, readable_clips

MIN_FRAMES = 16
"""Shorter clips are repeated up to this length: ECAPA's dilated convolutions mirror up to 8 frames at the edges."""


class EcapaSpeakerEncoder(nn.Module):
    """ECAPA-TDNN (Desplanques et al. 2020; speechbrain's network) on mel spectrograms.

    Args:
        n_mels: mel bands of the input.
        embedding_size: 192 to 512; larger ones memorise the few clips of a few-shot set.
        channels: widths of the five blocks; the last is a multiple of 3 x the others' in the paper.
        attention_channels: width of the attentive statistics pooling.

    Raises:
        SovitsError: ``embedding_size`` is outside 192-512.
    """

    def __init__(
        self,
        n_mels: int,
        embedding_size: int = 256,
        channels: Sequence[int] = (512, 512, 512, 512, 1536),
        attention_channels: int = 128,
    ) -> None:
        super().__init__()
        check_embedding_size(embedding_size)
        self.n_mels = n_mels
        self.embedding_size = embedding_size
        self.network = ECAPA_TDNN(
            n_mels,
            lin_neurons=embedding_size,
            channels=list(channels),
            attention_channels=attention_channels,
            se_channels=attention_channels,
        )

    def forward(self, mels: Tensor) -> Tensor:
        """Power mel spectrograms [B, n_mels, T_frames] or [B, 1, n_mels, T_frames], all of one length -> [B, E] of norm 1.

        The logarithm and the mean normalisation over time happen inside, so loudness and channel colour do not matter.

        Raises:
            SovitsError: another number of dimensions or mel bands, or no frames.
        """
        if mels.dim() == 4 and mels.shape[1] == 1:
            mels = mels.squeeze(1)
        if mels.dim() != 3 or mels.shape[1] != self.n_mels or not mels.shape[2]:
            raise SovitsError(f"The speaker encoder takes mels [B, {self.n_mels}, T] or [B, 1, {self.n_mels}, T], not {list(mels.shape)}.")
        if self.training and len(mels) == 1:
            # Batch statistics need two clips: a lone one is read as its two halves.
            return F.normalize(self._embed(torch.cat(_halves(mels))).mean(0, keepdim=True), dim=-1)
        return F.normalize(self._embed(mels), dim=-1)

    def _embed(self, mels: Tensor) -> Tensor:
        if mels.shape[-1] < MIN_FRAMES:
            mels = mels.repeat(1, 1, -(-MIN_FRAMES // mels.shape[-1]))
        log_mels = log_compress(mels)
        centred = log_mels - log_mels.mean(-1, keepdim=True)
        return self.network(centred.transpose(1, 2)).squeeze(1).float()


def _halves(mels: Tensor) -> tuple[Tensor, Tensor]:
    half = mels.shape[-1] // 2
    return (mels[..., :half], mels[..., -half:]) if half else (mels, mels)


class SpeakerEncoder(EcapaSpeakerEncoder):
    """:class:`EcapaSpeakerEncoder` at the paper's size, with its argument called ``out_channels`` and its training head inside."""

    def __init__(self, n_mels: int = 80, n_speakers: int = 10_000, out_channels: int = 256) -> None:
        super().__init__(n_mels, out_channels)
        self.classifier = SpeakerClassifier(out_channels, n_speakers)


class TrainedSpeakerEncoder(nn.Module):
    """Reads a voice from a waveform with an encoder that is trained together with the synthesizer.

    See :class:`~sovits.modules.speaker_conditioning.SpeakerConditioning`; differentiable in the waveform.

    Args:
        spectrogram: waveforms -> power mels.
        encoder: power mels -> voices.

    Raises:
        SovitsError: the two differ in their number of mel bands.
    """

    zero_shot = True

    def __init__(self, spectrogram: MelSpectrogram, encoder: EcapaSpeakerEncoder) -> None:
        super().__init__()
        if spectrogram.n_mels != encoder.n_mels:
            raise SovitsError(
                f"model.speaker_encoder reads {encoder.n_mels} mel bands, but its spectrogram makes {spectrogram.n_mels}; "
                "set both n_mels to one number."
            )
        self.spectrogram = spectrogram
        self.encoder = encoder
        self.embedding_size = encoder.embedding_size

    def forward(self, references: Tensor | None, speakers: Tensor | None = None) -> Tensor:
        """Waveforms [B, T_samples] in [-1, 1] at the spectrogram's rate -> voices [B, E] of norm 1; ``speakers`` have no say.

        Raises:
            SovitsError: there are no waveforms, or they have another shape.
        """
        return self.encoder(self.spectrogram(readable_clips(references, shortest=self.spectrogram.hop_length)))
