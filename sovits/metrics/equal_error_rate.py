"""How well an encoder tells speakers apart, as speaker verification measures it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from sovits.errors import SovitsError


class EqualErrorRate(Metric):
    """The rate at which as many pairs of one speaker are refused as pairs of two are accepted, over all pairs of voices.

    A pair is accepted where its cosine is above a threshold; between two thresholds the rate is taken on the line between them. 0 is an
    encoder that never errs, 0.5 one that knows nothing. Voices of one clip are no pair: they share its room and microphone.
    """

    full_state_update = False
    voices: list[Tensor]
    speakers: list[Tensor]
    clips: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("voices", "speakers", "clips"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, voices: Tensor, speakers: Tensor, clips: Tensor) -> None:
        """Voices [B, E] of any norm, the numbers of their speakers [B] and of the clips they were read from [B], equal on all ranks."""
        self.voices.append(F.normalize(voices.detach().float(), dim=-1))
        self.speakers.append(speakers)
        self.clips.append(clips)

    def compute(self) -> Tensor:
        """The rate, 0-1.

        Raises:
            SovitsError: there is no pair of one speaker, or none of two.
        """
        voices, speakers, clips = (dim_zero_cat(state) if state else torch.zeros(0) for state in (self.voices, self.speakers, self.clips))
        first, second = torch.triu_indices(len(speakers), len(speakers), offset=1)
        pairs = clips[first] != clips[second]
        first, second = first[pairs], second[pairs]
        same = speakers[first] == speakers[second]
        if not same.any() or same.all():
            lacking = "two clips of one speaker" if not same.any() else "clips of two speakers"
            raise SovitsError(f"An equal error rate needs pairs of one speaker and of two, but there are no {lacking}; judge more clips.")
        cosines = (voices[first] * voices[second]).sum(-1)
        return equal_error_rate(cosines[same], cosines[~same])


def equal_error_rate(same: Tensor, different: Tensor) -> Tensor:
    """Where both kinds of error are equally frequent, of the scores of pairs of one speaker and of two, higher for more alike."""
    thresholds = torch.cat([same, different]).unique()
    refused = torch.searchsorted(same.sort().values, thresholds) / len(same)
    accepted = 1 - torch.searchsorted(different.sort().values, thresholds) / len(different)
    # Above every score all are refused.
    refused, accepted = F.pad(refused, (0, 1), value=1.0), F.pad(accepted, (0, 1), value=0.0)
    after = int((refused >= accepted).nonzero()[0])
    before = max(after - 1, 0)
    gaps = accepted[before] - refused[before], refused[after] - accepted[after]
    share = gaps[0] / (gaps[0] + gaps[1]) if gaps[0] + gaps[1] > 0 else torch.tensor(1.0)
    return refused[before] + share * (refused[after] - refused[before])
