"""How to say it: a clip -> a fixed-size, L2-normalised voice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier
from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.audio.spectrogram import log_compress
from sovits.errors import SovitsError

SMALLEST, LARGEST = 192, 512
MIN_FRAMES = 16
"""Shorter clips are repeated up to this length: ECAPA's dilated convolutions mirror up to 8 frames at the edges."""


class EcapaSpeakerEncoder(nn.Module):
    """ECAPA-TDNN (Desplanques et al. 2020; speechbrain's network) with an additive-angular-margin head (Deng et al. 2019).

    Args:
        n_mels: mel bands of the input.
        n_speakers: classes of the training head.
        embedding_size: 192 to 512; larger ones memorise the few clips of a few-shot set.
        channels: widths of the five blocks; the last is a multiple of 3 x the others' in the paper.
        attention_channels: width of the attentive statistics pooling.
        margin: angle in radians added to the right class.
        scale: of the cosines before the softmax.

    Raises:
        SovitsError: ``embedding_size`` is outside 192-512.
    """

    def __init__(
        self,
        n_mels: int,
        n_speakers: int,
        embedding_size: int = 256,
        channels: Sequence[int] = (512, 512, 512, 512, 1536),
        attention_channels: int = 128,
        margin: float = 0.2,
        scale: float = 30.0,
    ) -> None:
        super().__init__()
        if not SMALLEST <= embedding_size <= LARGEST:
            raise SovitsError(
                f"model.speaker_encoder.embedding_size={embedding_size} is outside {SMALLEST}-{LARGEST}: "
                "smaller ones blur voices, larger ones memorise the few training clips; choose one inside."
            )
        self.n_mels = n_mels
        self.embedding_size = embedding_size
        self.network = ECAPA_TDNN(
            n_mels,
            lin_neurons=embedding_size,
            channels=list(channels),
            attention_channels=attention_channels,
            se_channels=attention_channels,
        )
        self.classifier = Classifier(embedding_size, out_neurons=n_speakers)
        self.margin_loss = LogSoftmaxWrapper(AdditiveAngularMargin(margin=margin, scale=scale))

    def forward(self, mels: Tensor) -> Tensor:
        """Power mel spectrograms [B, n_mels, T] or [B, 1, n_mels, T], all of one length -> [B, embedding_size] of norm 1.

        The logarithm and the mean normalisation over time happen inside, so loudness and channel colour do not matter.

        Raises:
            SovitsError: another number of dimensions or mel bands.
        """
        if mels.dim() == 4 and mels.shape[1] == 1:
            mels = mels.squeeze(1)
        if mels.dim() != 3 or mels.shape[1] != self.n_mels:
            raise SovitsError(f"The speaker encoder takes mels [B, {self.n_mels}, T] or [B, 1, {self.n_mels}, T], not {list(mels.shape)}.")
        if self.training and len(mels) == 1:
            # Batch statistics need two clips: a lone one is read as its two halves.
            return F.normalize(self._embed(torch.cat(_halves(mels))).mean(0, keepdim=True), dim=-1)
        return F.normalize(self._embed(mels), dim=-1)

    def _embed(self, mels: Tensor) -> Tensor:
        repeats = -(-MIN_FRAMES // mels.shape[-1])
        log_mels = log_compress(mels.repeat(1, 1, repeats))
        centred = log_mels - log_mels.mean(-1, keepdim=True)
        return self.network(centred.transpose(1, 2)).squeeze(1).float()

    def classification_loss(self, embeddings: Tensor, speakers: Tensor) -> Tensor:
        """AAM-softmax loss of [B, embedding_size] against speaker ids [B] -> scalar."""
        cosines = self.classifier(embeddings.unsqueeze(1))
        return self.margin_loss(cosines, speakers.unsqueeze(1))


def _halves(mels: Tensor) -> tuple[Tensor, Tensor]:
    half = mels.shape[-1] // 2
    return (mels[..., :half], mels[..., -half:]) if half else (mels, mels)


class SpeakerEncoder(EcapaSpeakerEncoder):
    """:class:`EcapaSpeakerEncoder` at the paper's size, with its argument called ``out_channels``."""

    def __init__(self, n_mels: int = 80, n_speakers: int = 10_000, out_channels: int = 256) -> None:
        super().__init__(n_mels, n_speakers, out_channels)
