"""What the old speakers of a model lost when it changed, and the new one gained: the same sentences, judges and seeds."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sovits.audio.waveform import read_waveform
from sovits.data.manifest import SPLITS, Manifest, Utterance
from sovits.errors import SovitsError
from sovits.metrics import REAL, Figure, Panel, Reading, Recording
from sovits.voice import Voice

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldOut:
    """Sentences of a prepared set that nobody was trained on."""

    root: Path
    sentences: tuple[Utterance, ...]
    references: tuple[Utterance, ...]
    """Training clips that voices are compared with as well."""


@dataclass(frozen=True)
class Change:
    """What happened to one speaker; figures by name, of those that are known."""

    speaker: str
    is_new: bool
    clips: int
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    real: dict[str, float] = field(default_factory=dict)
    """Of the recordings themselves."""

    def of(self, name: str) -> float:
        """After less before; NaN where one is not known."""
        return self.after.get(name, math.nan) - self.before.get(name, math.nan)


class ForgettingCheck:
    """Lets two models say the same held-out sentences.

    Args:
        panel: who listens.
        root: the old speakers' prepared set; None for the one that the checkpoint names.
        splits: where sentences are taken from, the first before the next; not ``train``.
        max_clips_per_speaker: most sentences of a speaker.
        references_per_speaker: training clips that voices are compared with as well.
        seed: of all synthesis.
    """

    def __init__(
        self,
        panel: Panel,
        root: str | None = None,
        splits: Sequence[str] = ("test", "val"),
        max_clips_per_speaker: int = 4,
        references_per_speaker: int = 5,
        seed: int = 0,
    ) -> None:
        if unknown := [split for split in splits if split not in SPLITS[1:]]:
            raise SovitsError(f"forgetting.splits={list(splits)}: {unknown[0]} is none of {', '.join(SPLITS[1:])}; choose among them.")
        self.panel, self.root, self.splits, self.seed = panel, root, list(splits), seed
        self.max_clips_per_speaker, self.references_per_speaker = max_clips_per_speaker, references_per_speaker

    def held_out(self, root: Path, speakers: Sequence[str], sample_rate: int) -> HeldOut:
        """The sentences of those of ``speakers`` that the set at ``root`` has.

        Raises:
            SovitsError: no set, or one at another rate than the model's.
        """
        manifest = Manifest.load(root)
        if manifest.sample_rate != sample_rate:
            raise SovitsError(
                f"forgetting.root={root} was prepared at {manifest.sample_rate} Hz and the model speaks at {sample_rate} Hz; give a set at "
                f"{sample_rate} Hz, or forgetting=null."
            )
        sentences: list[Utterance] = []
        references: list[Utterance] = []
        for speaker in speakers:
            own = [utterance for utterance in manifest.utterances if utterance.speaker == speaker]
            unheard = [utterance for split in self.splits for utterance in own if utterance.split == split]
            sentences += unheard[: self.max_clips_per_speaker]
            references += [utterance for utterance in own if utterance.split == "train"][: self.references_per_speaker]
        return HeldOut(root, tuple(sentences), tuple(references))

    def compare(self, before: Voice, after: Voice, sets: Sequence[HeldOut], new: str, start: np.ndarray | None) -> list[Change]:
        """The changes of every speaker who has a sentence, the new one last.

        Args:
            before: the model as it was.
            after: the model with the new voice.
            sets: of the old speakers and of the new one.
            new: who was added.
            start: the new speaker's voice [E] in the old model, where it has no other; None: it could not speak so.
        """
        speakers = sorted({sentence.speaker for one in sets for sentence in one.sentences}, key=lambda name: (name == new, name))
        self.panel.seat(speakers)
        clips = self._clips(sets, after.sample_rate)
        readable = {sentence.id for one in sets for sentence in one.sentences if _can_say(after, sentence)}
        self.panel.enrol(clips.values())
        told = []
        for voice in (before, after):
            for one in sets:
                for sentence in one.sentences:
                    speaker = sentence.speaker if sentence.speaker in voice.bank else start
                    if speaker is None or sentence.id not in readable:
                        continue
                    speech = voice.speak(sentence.text, speaker, language=sentence.language, seed=self.seed)
                    self.panel.score(Reading(clips[sentence.id], sentence.text, sentence.language, speech.samples))
            told.append({name: float(value) for name, value in self.panel.compute().items()})
        counts = {speaker: sum(s.speaker == speaker and s.id in readable for one in sets for s in one.sentences) for speaker in speakers}
        names = [figure.name for figure in self.panel.figures]

        def of(figures: dict[str, float], speaker: str, ending: str = "") -> dict[str, float]:
            return {name: figures[key] for name in names if (key := f"{name}{ending}/{speaker}") in figures}

        return [
            Change(speaker, speaker == new, counts[speaker], of(told[0], speaker), of(told[1], speaker), of(told[1], speaker, REAL))
            for speaker in speakers
        ]

    def _clips(self, sets: Sequence[HeldOut], sample_rate: int) -> dict[str, Recording]:
        every = [(one.root, utterance) for one in sets for utterance in (*one.sentences, *one.references)]
        return {
            utterance.id: Recording(utterance.id, utterance.speaker, read_waveform(root / utterance.path, sample_rate), sample_rate)
            for root, utterance in every
        }


def _can_say(voice: Voice, sentence: Utterance) -> bool:
    """Whether the model can read the text; says so where it cannot."""
    try:
        voice.front_end(sentence.text, sentence.language)
    except SovitsError as error:
        log.warning("Forgetting is measured without %s: %s", sentence.id, error)
        return False
    return True


def write_changes(changes: Sequence[Change], figures: Sequence[Figure], path: Path) -> Path:
    """One row a speaker, the old ones' mean and the new one last: each figure before, after, the change, and of the recordings."""
    endings = ("before", "after", "change", "real")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["speaker", "is", "clips", *(f"{figure.name}_{ending}" for figure in figures for ending in endings)])
        for change in with_mean(changes):
            kinds = [[one.get(f.name, math.nan) for f in figures] for one in (change.before, change.after, change.real)]
            cells = [v for old, new, real in zip(*kinds, strict=True) for v in (old, new, new - old, real)]
            kind = "new" if change.is_new else "old"
            writer.writerow([change.speaker, kind, change.clips, *("" if math.isnan(value) else f"{value:.6g}" for value in cells)])
    return path


def with_mean(changes: Sequence[Change]) -> list[Change]:
    """``changes`` with the mean over the old speakers before the new one."""
    old, new = [c for c in changes if not c.is_new], [c for c in changes if c.is_new]
    if len(old) < 2:
        return [*old, *new]

    def mean(kind: str) -> dict[str, float]:
        every = [getattr(change, kind) for change in old]
        shared = [name for name in every[0] if all(name in one for one in every)]
        return {name: sum(one[name] for one in every) / len(every) for name in shared}

    total = Change("(mean of the old)", False, sum(change.clips for change in old), mean("before"), mean("after"), mean("real"))
    return [*old, total, *new]
