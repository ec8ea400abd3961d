"""Answers to a listening test, read back: which setting is preferred, and how natural and how alike each was found."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sovits.errors import SovitsError
from sovits.reporting.comparison_sounds import RECORDING
from sovits.reporting.listening_test import FORMAT, KEY_ENDING, MARKS, NATURALNESS, PREFERENCE, PREFIX, SIMILARITY, ListeningTest, Trial
from sovits.reporting.statistics import Estimate, Speakers, Statistics, holm, share, sign_test

QUESTIONS = (NATURALNESS, SIMILARITY)


@dataclass(frozen=True)
class Answer:
    """What one listener said to one question."""

    trial: str
    choice: str | None = None
    """Of a preference: the name of the sound, None for neither."""
    first: str | None = None
    """Of a preference: which was the first of the two."""
    naturalness: int | None = None
    similarity: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Sitting:
    """One listener's answers.

    Args:
        file: where they were read.
        test: id of the test.
        rater: a random id.
        name: as the listener gave it, or empty.
        answers: to those questions that were answered.
        unplayable: questions whose sound did not play.
    """

    file: Path
    test: str
    rater: str
    name: str
    answers: tuple[Answer, ...]
    unplayable: tuple[str, ...]


@dataclass(frozen=True)
class Preference:
    """One pair of settings in all answers."""

    first: str
    second: str
    for_first: int
    for_second: int
    neither: int
    share: Estimate
    """Of those who preferred one: the first's share."""
    p: float
    """Two-sided, of the sign test."""
    p_corrected: float = math.nan
    """By Holm, over the pairs."""


@dataclass(frozen=True)
class Marks:
    """A setting's mean marks, or those of the recordings."""

    setting: str
    answers: int
    naturalness: Estimate
    similarity: Estimate


@dataclass(frozen=True)
class Ratings:
    """All answers to one test."""

    test: ListeningTest
    sittings: tuple[Sitting, ...]
    preferences: tuple[Preference, ...]
    marks: tuple[Marks, ...]
    notes: tuple[str, ...]
    """What is missing, and what so few answers cannot show."""


def rating_files(places: Sequence[str]) -> list[Path]:
    """The JSON files that were named, or that lie in the folders that were named.

    Raises:
        SovitsError: a place does not exist, or a folder holds none.
    """
    files: list[Path] = []
    for place in places:
        path = Path(place).expanduser()
        found = sorted(path.glob("*.json")) if path.is_dir() else [path] if path.is_file() else []
        if not found:
            raise SovitsError(f"ratings={place} is no file and no folder with one; give the answers_*.json that the listening test saved.")
        files += found
    return list(dict.fromkeys(files))


def read_sitting(path: Path) -> Sitting:
    """One file of answers; whether they fit the test is seen later.

    Raises:
        SovitsError: it is not what the listening test saves.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content["format"] != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
        given, broken = [], []
        for one in content["answers"]:
            if one.get("broken"):
                broken.append(str(one["trial"]))
            else:
                given.append(_answer(one))
        return Sitting(path, str(content["test"]), str(content["rater"]), str(content.get("name", "")), tuple(given), tuple(broken))
    except (ValueError, TypeError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise SovitsError(f"{path} does not hold answers as the listening test saves them ({error!r}); ask for the file again.") from error


def find_key(test: str, places: Iterable[Path]) -> Path:
    """The key of a test, in the first place that has it.

    Raises:
        SovitsError: none has.
    """
    name = f"{PREFIX}{test}{KEY_ENDING}"
    places = list(places)
    for place in places:
        if (place / name).is_file():
            return place / name
    # Somebody else's test, or one whose report was removed.
    raise SovitsError(
        f"The answers belong to the listening test {test}, whose key {name} is not in {', '.join(map(str, places)) or 'any report'}; "
        "give the report that made the test with output=FOLDER."
    )


def rate(test: ListeningTest, sittings: Sequence[Sitting], statistics: Statistics) -> Ratings:
    """Counts and compares.

    Raises:
        SovitsError: answers of another test, to questions that it does not have, or twice by one listener.
    """
    for sitting in sittings:
        _require_fitting(test, sitting)
    for one, other in itertools.combinations(sittings, 2):
        if one.rater == other.rater:
            raise SovitsError(f"{one.file} and {other.file} are two files of one listener; keep the later one.")
    notes = list(_notes(test, sittings))
    return Ratings(test, tuple(sittings), _preferences(test, sittings, statistics), _marks(test, sittings, statistics), tuple(notes))


def _answer(one: dict[str, Any]) -> Answer:
    seconds = float(one.get("seconds", 0.0))
    if one["kind"] == PREFERENCE:
        choice = one["choice"]
        return Answer(str(one["trial"]), None if choice is None else str(choice), str(one["left"]), seconds=seconds)
    if one["kind"] != MARKS:
        raise ValueError(f"{one['kind']} is no kind of question")
    marks = {name: one[name] for name in QUESTIONS}
    for name, mark in marks.items():
        if type(mark) is not int or not 1 <= mark <= 5:
            raise ValueError(f"{name}={mark!r} is no mark from 1 to 5")
    return Answer(str(one["trial"]), **marks, seconds=seconds)


def _require_fitting(test: ListeningTest, sitting: Sitting) -> None:
    if sitting.test != test.id:
        raise SovitsError(
            f"{sitting.file} answers the listening test {sitting.test}, not {test.id}; read it with the report that made that one."
        )
    seen: set[str] = set()
    for answer in sitting.answers:
        trial = test.trials.get(answer.trial)
        strange = trial is None or answer.trial in seen or not _fits(answer, trial)
        if strange:
            raise SovitsError(f"{sitting.file} has an answer to {answer.trial} that the test cannot have given; ask for the file again.")
        seen.add(answer.trial)


def _fits(answer: Answer, trial: Trial) -> bool:
    if trial.kind == MARKS:
        return answer.naturalness is not None
    return answer.naturalness is None and answer.first in trial.sounds and answer.choice in (None, *trial.sounds)


def _preferences(test: ListeningTest, sittings: Sequence[Sitting], statistics: Statistics) -> tuple[Preference, ...]:
    order = list(test.settings)
    counts: dict[tuple[str, str], list[int]] = {}
    for trial in test.trials.values():
        if trial.kind == PREFERENCE:
            counts.setdefault(_pair(test, trial, order), [0, 0, 0])
    for sitting in sittings:
        for answer in sitting.answers:
            trial = test.trials[answer.trial]
            if trial.kind == PREFERENCE:
                pair = _pair(test, trial, order)
                chosen = None if answer.choice is None else test.sounds[answer.choice].setting
                counts[pair][2 if chosen is None else pair.index(chosen)] += 1
    pairs = sorted(counts, key=lambda pair: (order.index(pair[0]), order.index(pair[1])))
    p = [sign_test(counts[pair][0], counts[pair][1]) for pair in pairs]
    corrected = holm(p)
    shares = [share(counts[pair][0], counts[pair][0] + counts[pair][1], statistics.confidence) for pair in pairs]
    told = []
    for at, (first, second) in enumerate(pairs):
        for_first, for_second, neither = counts[first, second]
        told.append(Preference(first, second, for_first, for_second, neither, shares[at], p[at], corrected[at]))
    return tuple(told)


def _pair(test: ListeningTest, trial: Trial, order: Sequence[str]) -> tuple[str, str]:
    first, second = sorted((test.sounds[name].setting for name in trial.sounds), key=order.index)
    return first, second


def _marks(test: ListeningTest, sittings: Sequence[Sitting], statistics: Statistics) -> tuple[Marks, ...]:
    """Listeners are resampled as runs are, and the sentences with them; each sentence counts alike."""
    told = []
    asked = [test.sounds[trial.sounds[0]] for trial in test.trials.values() if trial.kind == MARKS]
    for setting in (RECORDING, *test.settings):
        clips = list(dict.fromkeys(sound.clip for sound in asked if sound.setting == setting))
        if not clips:
            continue
        values = {name: np.full((max(len(sittings), 1), len(clips)), np.nan) for name in QUESTIONS}
        for row, sitting in enumerate(sittings):
            for answer in sitting.answers:
                trial = test.trials[answer.trial]
                sound = test.sounds[trial.sounds[0]]
                if trial.kind == MARKS and sound.setting == setting:
                    for name in QUESTIONS:
                        values[name][row, clips.index(sound.clip)] = getattr(answer, name)
        speakers = Speakers.of(["all"] * len(clips))
        means = {name: statistics.estimates(values[name], speakers)[0] for name in QUESTIONS}
        told.append(Marks(setting, int(np.isfinite(values[NATURALNESS]).sum()), means[NATURALNESS], means[SIMILARITY]))
    return tuple(told)


def _notes(test: ListeningTest, sittings: Sequence[Sitting]) -> Iterable[str]:
    count = len(sittings)
    if count == 1:
        yield "One person answered: this is that person's opinion. The intervals tell what other sentences might change, not other ears."
    elif count < 10:
        yield f"{count} people answered: too few to speak for listeners in general."
    yield "Answers of one person, and to one sentence, are not independent, as the sign test takes them to be: its p is too small for that."
    for sitting in sittings:
        missing = len(test.trials) - len(sitting.answers) - len(sitting.unplayable)
        who = sitting.name or sitting.file.name
        if missing:
            yield f"{who} left {missing} of {len(test.trials)} questions without an answer."
        if sitting.unplayable:
            yield f"{len(sitting.unplayable)} sounds did not play for {who}; those questions are left out."
