"""Which speakers and how much of each a run trains on and is judged on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from sovits.data.clips import MOST_NAMED
from sovits.data.corpora.recording import some
from sovits.data.manifest import QUARANTINE_NAME, Manifest, Utterance
from sovits.errors import SovitsError


@dataclass(frozen=True)
class Choice:
    """What is wanted of a set; every field is the data module's option of that name.

    Raises:
        SovitsError: ``speaker`` and ``speakers`` together, or ``speakers`` that is no list or an empty one.
    """

    speakers: list[str] | None = None
    speaker: str | None = None
    single_speaker: bool = False
    limit_utterances: int | None = None
    seconds_per_speaker: float | None = None
    evaluate_on_train: bool = False

    def __post_init__(self) -> None:
        if self.speaker is not None and self.speakers is not None:
            raise SovitsError(
                f"data.speaker={self.speaker} and data.speakers={self.speakers} are both set; give one of them and leave the other null."
            )
        if isinstance(self.speakers, str):
            raise SovitsError(
                f"data.speakers={self.speakers} is not a list; write data.speakers=[{self.speakers}], or data.speaker={self.speakers} "
                "for one."
            )
        if self.speakers is not None and not self.speakers:
            raise SovitsError("data.speakers=[] chooses nobody; name at least one speaker, or null for all.")

    def names(self, known: Sequence[str], root: Path) -> list[str]:
        """The wanted ones among the ``known`` speakers of the set at ``root``, sorted.

        Raises:
            SovitsError: a wanted speaker that the set does not have.
        """
        wanted = self.speakers if self.speaker is None else [self.speaker]
        if wanted is None:
            return sorted(known)
        # Hydra reads a name of digits as a number.
        names = sorted({str(name) for name in wanted})
        if unknown := [name for name in names if name not in known]:
            raise SovitsError(f"data.root={root} has no speaker {', '.join(unknown)}; it has {some(sorted(known), MOST_NAMED)}.")
        return names

    def require_single(self, names: Sequence[str], root: Path) -> None:
        """Raises a ``SovitsError`` where one speaker is wanted and there are more."""
        if self.single_speaker and len(names) > 1:
            raise SovitsError(
                f"data.single_speaker=true trains a model of one speaker, and data.root={root} has {', '.join(names)}; "
                "choose one with data.speaker=NAME."
            )

    def utterances(self, known: Sequence[Utterance], names: Sequence[str], split: str) -> list[Utterance]:
        """Those of ``known`` that are wanted of ``names`` for ``train``, ``val`` or ``test``, in their order."""
        if self.evaluate_on_train:
            split = "train"
        seconds = self.seconds_per_speaker if split == "train" else None
        clips_left = dict.fromkeys(names, math.inf if self.limit_utterances is None else self.limit_utterances)
        seconds_left = dict.fromkeys(names, math.inf if seconds is None else seconds)
        chosen = []
        for utterance in known:
            name = utterance.speaker
            if utterance.split != split or not clips_left.get(name) or utterance.duration > seconds_left[name]:
                continue
            chosen.append(utterance)
            clips_left[name] -= 1
            seconds_left[name] -= utterance.duration
        return chosen


def groups(shares: Mapping[str, float], names: Sequence[str]) -> list[tuple[set[int], float]]:
    """The speakers, by their places in ``names``, that each pattern of ``shares`` means, and their share.

    Raises:
        SovitsError: shares outside 0-1, or more than 1 in all, or less while nobody is left for the rest; a pattern that means nobody, or
            somebody of another.
    """
    told = "data.shares={" + ", ".join(f"{pattern}: {share:g}" for pattern, share in shares.items()) + "}"
    found, taken = [], set[int]()
    for pattern, share in shares.items():
        members = {place for place, name in enumerate(names) if fnmatchcase(name, pattern)}
        if not members:
            raise SovitsError(f"{told}: no speaker is called {pattern}; the set has {', '.join(names[:5])} and others.")
        if both := members & taken:
            raise SovitsError(f"{told}: {names[min(both)]} belongs to {pattern} and to a pattern before it; let each mean others.")
        if not 0 < share <= 1:
            raise SovitsError(f"{told}: {pattern} has {share:g}, which is no share; give more than 0 and at most 1.")
        taken |= members
        found.append((members, float(share)))
    total, everybody = sum(shares.values()), len(taken) == len(names)
    if shares and (total > 1 + 1e-6 or (everybody and total < 1 - 1e-6) or (not everybody and total > 1 - 1e-6)):
        rest = "nobody is" if everybody else f"{len(names) - len(taken)} speaker(s) are"
        raise SovitsError(f"{told} come to {total:g}, and {rest} left for the rest; choose shares that leave it to them.")
    return found


def quarantined_for_training(root: Path) -> tuple[Utterance, ...]:
    """The clips of the set at ``root`` that its quality gate refused, as training clips; none where nothing was quarantined."""
    if not (root / QUARANTINE_NAME).is_file():
        return ()
    return tuple(replace(utterance, split="train") for utterance in Manifest.load(root, QUARANTINE_NAME).utterances)


def in_order_of_recording(utterances: Sequence[Utterance]) -> list[Utterance]:
    """As if nothing had been quarantined, so that the first minute of a speaker is the first that was recorded."""
    return sorted(utterances, key=lambda utterance: (utterance.recording, utterance.start))
