"""One more voice for a trained synthesizer, free to be learned by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.modules.speaker_conditioning import SpeakerConditioning


class AddedVoice(nn.Module):
    """The model's own way to voices, and beside it one vector that is learned; see :class:`SpeakerConditioning`.

    Args:
        own: what tells the voices of everybody else; it is used, never taught.
        number: of the new speaker.
        start: a voice [E] to begin at.
    """

    def __init__(self, own: SpeakerConditioning, number: int, start: Tensor) -> None:
        super().__init__()
        self.own = own
        self.number = number
        self.embedding_size = own.embedding_size
        self.vector = nn.Parameter(F.normalize(start.detach().float(), dim=0))

    @property
    def zero_shot(self) -> bool:
        """Whether ``own`` reads voices from clips."""
        return self.own.zero_shot

    def forward(self, references: Tensor | None, speakers: Tensor | None = None) -> Tensor:
        """Voices [B, E] of norm 1: the learned one where ``speakers`` [B] is its number, those of ``own`` elsewhere."""
        if speakers is None:
            return self.own(references)
        voice = F.normalize(self.vector, dim=0)
        new = speakers == self.number
        if bool(new.all()):
            return voice.expand(len(speakers), -1)
        with torch.no_grad():
            # A table has no row for the new number.
            others = self.own(references, speakers.masked_fill(new, 0))
        return torch.where(new.unsqueeze(1), voice, others)
