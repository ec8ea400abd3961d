"""Which training speaker a voice belongs to: the head that teaches a speaker encoder, of no use after training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SpeakerClassifier(nn.Module):
    """Additive-angular-margin softmax (ArcFace; Deng et al. 2019).

    Each speaker has a direction; a voice must be nearer to its own speaker's than to any other's by an angle.

    Args:
        embedding_size: E.
        n_speakers: classes.
        margin: angle in radians, added to the one between a voice and its own speaker.
        scale: of the cosines before the softmax.
    """

    def __init__(self, embedding_size: int, n_speakers: int, margin: float = 0.2, scale: float = 30.0) -> None:
        super().__init__()
        self.margin = margin
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(n_speakers, embedding_size))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, embeddings: Tensor, speakers: Tensor) -> Tensor:
        """Voices [B, E] of any norm, speaker numbers int64 [B] -> mean loss, a scalar in nats."""
        # Half precision cannot tell the small angles near a cosine of 1 apart.
        with torch.autocast(embeddings.device.type, enabled=False):
            cosines = F.linear(F.normalize(embeddings.float(), dim=-1), F.normalize(self.weight.float(), dim=-1))
            own = F.one_hot(speakers, cosines.shape[1]).bool()
            return F.cross_entropy(self.scale * torch.where(own, self._with_margin(cosines), cosines), speakers)

    def _with_margin(self, cosines: Tensor) -> Tensor:
        """The cosine of an angle that is larger by the margin."""
        # The root has an infinite slope at 0, where a voice lies on its speaker's direction.
        sines = (1 - cosines**2).clamp_min(1e-7).sqrt()
        turned = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        # Past pi - margin the cosine would rise again; the straight line goes on falling.
        return torch.where(cosines > -math.cos(self.margin), turned, cosines - self.margin * math.sin(self.margin))
