"""One voice for each speaker of the training set, looked up by number."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sovits.errors import SovitsError
from sovits.modules.speaker_conditioning import check_embedding_size


class SpeakerTable(nn.Module):
    """The lookup table of VITS (Kim et al. 2021); see :class:`~sovits.modules.speaker_conditioning.SpeakerConditioning`.

    Args:
        n_speakers: speakers of the training set.
        embedding_size: 192 to 512.

    Raises:
        SovitsError: ``embedding_size`` is outside 192-512, or there is no speaker.
    """

    zero_shot = False

    def __init__(self, n_speakers: int, embedding_size: int) -> None:
        super().__init__()
        check_embedding_size(embedding_size)
        if n_speakers < 1:
            raise SovitsError(f"n_speakers={n_speakers} leaves the speaker table empty; give the number of speakers.")
        self.embedding_size = embedding_size
        self.table = nn.Embedding(n_speakers, embedding_size)

    def forward(self, references: Tensor | None = None, speakers: Tensor | None = None) -> Tensor:
        """Speaker numbers int64 [B] -> voices [B, E] of norm 1; ``references`` have no say.

        Raises:
            SovitsError: there are no numbers, only clips.
        """
        if speakers is None:
            raise SovitsError(
                f"This model looks voices up in a table, which knows only the {self.table.num_embeddings} speakers it was trained with; "
                "choose one of them, or train a model with speaker_encoder=ecapa, which reads a voice from a clip."
            )
        return F.normalize(self.table(speakers).float(), dim=-1)
