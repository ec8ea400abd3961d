"""A prepared set as its page shows it: every speaker's clips, what was left out, and what to record again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sovits.data.manifest import QUARANTINE_NAME, Manifest, Utterance
from sovits.data.preparation.outcome import Note, Omission
from sovits.errors import SovitsError
from sovits.reporting.measures import Measure

REPORT_NAME = "report.json"


@dataclass(frozen=True)
class SpeakerContents:
    """One speaker's part of the set."""

    name: str
    kept: tuple[Utterance, ...]
    quarantined: tuple[Utterance, ...]
    """The one with most reasons first."""
    left_out: tuple[Omission, ...]
    notes: tuple[Note, ...]
    enough: bool
    """For few-shot training."""
    advice: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Of the kept clips."""
        return seconds_of(self.kept)

    @property
    def quarantined_seconds(self) -> float:
        """Of the quarantined clips."""
        return seconds_of(self.quarantined)


@dataclass(frozen=True)
class SetContents:
    """All speakers, and the limits of the quality gate."""

    name: str
    sample_rate: int
    gate_limits: Mapping[str, Mapping[str, float]]
    """As in the report, in the units of ``Quality``."""
    speakers: tuple[SpeakerContents, ...]

    @classmethod
    def load(cls, root: Path) -> SetContents:
        """Reads the manifest, the quarantine and the report in ``root``.

        Raises:
            SovitsError: one of them is missing, of another version, or not as it was written.
        """
        manifest, quarantine = Manifest.load(root), Manifest.load(root, QUARANTINE_NAME)
        report = _read_report(root / REPORT_NAME)
        kept, quarantined = _by_speaker(manifest.utterances), _by_speaker(quarantine.utterances)
        try:
            left_out = _by_speaker(Omission(**row) for row in report["left_out"])
            notes = _by_speaker(Note(**row) for row in report["notes"])
            advice = {row["speaker"]: (bool(row["enough"]), tuple(row["advice"])) for row in report["speakers"]}
            limits = report["limits"]
        except (KeyError, TypeError) as error:
            raise SovitsError(f"{root / REPORT_NAME} is of another version ({error}); run `sovits prepare` again.") from error
        names = sorted({*advice, *kept, *quarantined, *left_out})
        speakers = tuple(
            SpeakerContents(
                name,
                tuple(kept[name]),
                tuple(sorted(quarantined[name], key=lambda utterance: (-len(utterance.reasons), utterance.id))),
                tuple(left_out[name]),
                tuple(notes[name]),
                *advice.get(name, (False, ())),
            )
            for name in names
        )
        return cls(root.resolve().name, manifest.sample_rate, limits, speakers)

    @property
    def kept(self) -> list[Utterance]:
        """Of all speakers."""
        return [utterance for speaker in self.speakers for utterance in speaker.kept]

    @property
    def quarantined(self) -> list[Utterance]:
        """Of all speakers."""
        return [utterance for speaker in self.speakers for utterance in speaker.quarantined]

    @property
    def left_out(self) -> list[Omission]:
        """Of all speakers."""
        return [omission for speaker in self.speakers for omission in speaker.left_out]

    def limits(self, measure: Measure) -> dict[str, float]:
        """The gate's ``min`` and ``max`` of a measure in its unit, as far as it has them."""
        return {kind: value * measure.scale for kind, value in self.gate_limits.get(measure.name, {}).items() if kind in ("min", "max")}


def seconds_of(utterances: Iterable[Utterance]) -> float:
    """How long they are together."""
    return sum(utterance.duration for utterance in utterances)


def _read_report(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SovitsError(f"{path} is missing; run `sovits prepare` again, which writes it.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SovitsError(f"{path} is not JSON ({error}); run `sovits prepare` again to rewrite it.") from error


def _by_speaker(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.speaker].append(row)
    return found
