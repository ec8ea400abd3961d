"""Several judges who hear the same readings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sovits.errors import SovitsError
from sovits.metrics.judge import Figure, Judge, Reading, Recording
from sovits.metrics.speaker_confusion import Confusion, NearestSpeaker
from sovits.metrics.speaker_similarity import VoiceJudge
from sovits.metrics.voice_encoders import RememberingEncoder, VoiceEncoder

MakeJudge = Callable[..., Judge]


class Panel:
    """Judges by name, made when it is known who speaks.

    Args:
        judges: each made from the list of speakers, and a :class:`VoiceJudge` also from ``encoder``; ``None`` leaves one out.
        encoder: hears who is speaking, for all judges of voices: each clip is embedded once. Not the one that conditions the model.

    Raises:
        SovitsError: two judges give figures of one name, or a judge of voices has no encoder.
    """

    def __init__(self, judges: Mapping[str, MakeJudge | None], encoder: VoiceEncoder | None) -> None:
        self._make = {name: make for name, make in judges.items() if make is not None}
        self._encoder = None if encoder is None else RememberingEncoder(encoder)
        self._seated: dict[str, Judge] = {}
        if self._encoder is None and (deaf := [name for name, make in self._make.items() if _judges_voices(make)]):
            raise SovitsError(f"judges: {deaf[0]} needs a speaker encoder; choose encoder=resemblyzer, or leave it out with null.")

    def seat(self, speakers: Sequence[str]) -> Panel:
        """Makes the judges for these speakers, the same list in the same order on every rank; returns itself."""
        self._seated = {name: self._made(make, speakers) for name, make in self._make.items()}
        names = [figure.name for figure in self.figures]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SovitsError(f"judges: the figure {twice[0]} is given by two judges; leave one of them out with null.")
        return self

    def _made(self, make: MakeJudge, speakers: Sequence[str]) -> Judge:
        return make(speakers=list(speakers), **({"encoder": self._encoder} if _judges_voices(make) else {}))

    @property
    def judges(self) -> dict[str, Judge]:
        """Those seated."""
        return self._seated

    @property
    def figures(self) -> list[Figure]:
        """What the seated judges give, in their order."""
        return [figure for judge in self._seated.values() for figure in judge.figures]

    @property
    def names(self) -> list[str]:
        """Names of all figures of a reading, those of the recording and the reconstruction among them."""
        return [name for judge in self._seated.values() for name in judge.names]

    @property
    def settings(self) -> dict[str, Any]:
        """What the judges' figures depend on, as plain values."""
        return {name: judge.settings for name, judge in self._seated.items()}

    def enrol(self, recordings: Iterable[Recording]) -> None:
        """Lets every judge know the speakers."""
        recordings = list(recordings)
        for judge in self._seated.values():
            judge.enrol(recordings)

    def score(self, reading: Reading) -> dict[str, float]:
        """All figures of one reading, added up for :meth:`compute`."""
        told: dict[str, float] = {}
        for judge in self._seated.values():
            judge.update([reading])
            told |= judge.latest
        return told

    def compute(self) -> dict[str, Tensor]:
        """All figures over speakers and of each speaker, the same on every rank; begins anew afterwards."""
        told: dict[str, Tensor] = {}
        for judge in self._seated.values():
            told |= judge.compute()
            judge.reset()
        return told

    @property
    def confusion(self) -> Confusion | None:
        """Who was taken for whom, as of the last :meth:`compute`; None where no judge tells."""
        told = [judge.computed for judge in self._seated.values() if isinstance(judge, NearestSpeaker)]
        return told[0] if told else None

    def to(self, device: torch.device) -> None:
        """Moves the sums, which ranks can only add up where their network lies."""
        for judge in self._seated.values():
            judge.to(device)


def _judges_voices(make: MakeJudge) -> bool:
    made = make.func if isinstance(make, functools.partial) else make
    return isinstance(made, type) and issubclass(made, VoiceJudge)
