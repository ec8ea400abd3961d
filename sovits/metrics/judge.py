"""What every judge of speech has in common: what it hears, what it says of one clip, and how it sums that over speakers and ranks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from sovits.errors import SovitsError

REAL = "_real"
"""What the figure of the recording itself is called, behind the name of the synthetic one."""
RECONSTRUCTION = "_reconstruction"
"""Likewise of the recording sent through the posterior encoder and the decoder."""
WORST = "_worst_speaker"
"""Likewise of the speaker who comes off worst."""


@dataclass(frozen=True)
class Figure:
    """A number that a judge gives."""

    name: str
    heading: str
    meaning: str
    higher_is_better: bool | None
    """None: neither, as of a ratio that is best at one."""
    digits: int = 2


@dataclass(frozen=True)
class Recording:
    """A clip of a person."""

    id: str
    speaker: str
    samples: np.ndarray
    """[T_samples] in [-1, 1]."""
    sample_rate: int
    """Hz."""


@dataclass(frozen=True)
class Reading:
    """A held-out sentence as its speaker said it and as the model says it in that voice."""

    recording: Recording
    text: str
    language: str
    """``en``, ``zh`` or ``mixed``."""
    synthesis: np.ndarray
    """From the text alone, [T_samples]."""
    reconstruction: np.ndarray | None = None
    """The recording through the posterior encoder and the decoder, [T_samples]; None where nobody asks for it."""

    @property
    def id(self) -> str:
        return self.recording.id

    @property
    def speaker(self) -> str:
        return self.recording.speaker

    @property
    def sample_rate(self) -> int:
        """Hz, of all three."""
        return self.recording.sample_rate


class Judge(Metric, ABC):
    """Scores readings. A mean over all speakers is the mean of the speakers' means: many clips count as much as few.

    States have one row for each speaker and are summed over ranks, so the figures are the same on one rank and on many.

    Args:
        speakers: every speaker that may be scored, in the same order on every rank.
    """

    figures: tuple[Figure, ...]
    """The figures of synthetic speech. Beside each there may be that of the recording (``REAL``) and of the reconstruction."""
    beside: ClassVar[tuple[str, ...]] = (REAL, RECONSTRUCTION)
    """Endings of the names of figures that are given as well."""
    is_differentiable = False
    full_state_update = False
    totals: Tensor
    counts: Tensor

    def __init__(self, speakers: Sequence[str]) -> None:
        super().__init__()
        self.speakers = list(speakers)
        self._rows = {speaker: row for row, speaker in enumerate(self.speakers)}
        self.latest: dict[str, float] = {}
        self.names = [figure.name + ending for figure in self.figures for ending in ("", *self.beside)]
        for state in ("totals", "counts"):
            self.add_state(state, torch.zeros(len(self.speakers), len(self.names), dtype=torch.float64), dist_reduce_fx="sum")

    def enrol(self, recordings: Iterable[Recording]) -> None:
        """Makes known what the speakers sound like, on every rank alike, before the first reading. Judges that need no model ignore it."""

    @property
    def settings(self) -> dict[str, Any]:
        """What its figures depend on beside the reading, as plain values: figures under other settings must not be compared."""
        return {}

    @abstractmethod
    def score(self, reading: Reading) -> dict[str, float]:
        """The figures of one reading, by name; NaN where one cannot be taken (the language is not known, nothing voiced)."""

    def row(self, speaker: str) -> int:
        """Where ``speaker`` is kept.

        Raises:
            SovitsError: the judge was not made for that speaker.
        """
        if speaker not in self._rows:
            raise SovitsError(
                f"The judge was made for {', '.join(self.speakers)} and was given '{speaker}'; add it to the judge's speakers."
            )
        return self._rows[speaker]

    def update(self, readings: Sequence[Reading]) -> None:
        """Scores readings and adds them up; what was said of the last one stays in ``latest``."""
        for reading in readings:
            row = self.row(reading.speaker)
            self.latest = self.score(reading)
            for column, name in enumerate(self.names):
                if not math.isnan(value := self.latest.get(name, math.nan)):
                    self.totals[row, column] += value
                    self.counts[row, column] += 1

    def compute(self) -> dict[str, Tensor]:
        """``{name: mean over speakers, name/<speaker>: its mean, name_worst_speaker: the worst}``; nothing of what is not known."""
        means = self.totals / self.counts
        told: dict[str, Tensor] = {}
        for column, name in enumerate(self.names):
            known = self.counts[:, column] > 0
            if known.any():
                told[name] = means[known, column].mean()
                told |= {f"{name}/{speaker}": means[row, column] for row, speaker in enumerate(self.speakers) if known[row]}
        for figure in self.figures:
            own = [value for name, value in told.items() if name.startswith(f"{figure.name}/")]
            if own and figure.higher_is_better is not None:
                told[figure.name + WORST] = torch.stack(own).min() if figure.higher_is_better else torch.stack(own).max()
        return told


class SoundJudge(Judge):
    """A judge that needs one sound at a time; what it said of a recording it remembers, because recordings come back unchanged."""

    def __init__(self, speakers: Sequence[str]) -> None:
        super().__init__(speakers)
        self._of_recordings: dict[str, dict[str, float]] = {}

    @abstractmethod
    def hear(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        """Figures of one sound [T_samples] at ``reading.sample_rate``: the synthesis, the recording or the reconstruction of it."""

    def score(self, reading: Reading) -> dict[str, float]:
        """See :class:`Judge`."""
        if reading.id not in self._of_recordings:
            self._of_recordings[reading.id] = self.hear(reading.recording.samples, reading)
        heard = {"": self.hear(reading.synthesis, reading), REAL: self._of_recordings[reading.id]}
        if reading.reconstruction is not None:
            heard[RECONSTRUCTION] = self.hear(reading.reconstruction, reading)
        return {name + ending: value for ending, figures in heard.items() for name, value in figures.items()}


class PairJudge(Judge):
    """A judge that compares a sound with the recording of the same sentence; a recording beside itself would say nothing."""

    beside = (RECONSTRUCTION,)

    @abstractmethod
    def compare(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        """Figures of one sound [T_samples] beside ``reading.recording.samples``: the synthesis or the reconstruction."""

    def score(self, reading: Reading) -> dict[str, float]:
        """See :class:`Judge`."""
        scores = self.compare(reading.synthesis, reading)
        if reading.reconstruction is not None:
            scores |= {name + RECONSTRUCTION: value for name, value in self.compare(reading.reconstruction, reading).items()}
        return scores
