"""Runs that were made alike, seed aside, as one setting; and whether settings may be compared at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sovits.errors import SovitsError
from sovits.reporting.run_config import SPEAKER, chosen_keys, differing_keys, shown_value, value_of
from sovits.reporting.run_reading import ClipRow, EvaluatedRun, LeftOut

EACH_ALONE = "each alone"
"""What ``data.speaker`` is called in a setting of one model for each speaker."""


@dataclass(frozen=True)
class Setting:
    """One way to make a voice, with all its runs.

    Args:
        key: a letter or two, what pictures and tables call it.
        label: what sets it apart, as overrides.
        values: of the keys and groups that set it apart.
        replicates: its runs for each seed: one, or one for each speaker where every speaker has a model of its own.
    """

    key: str
    label: str
    values: Mapping[str, Any]
    replicates: tuple[tuple[EvaluatedRun, ...], ...]

    @property
    def runs(self) -> list[EvaluatedRun]:
        return [run for replicate in self.replicates for run in replicate]

    @property
    def seeds(self) -> list[str]:
        return [shown_value(replicate[0].config.seed) for replicate in self.replicates]

    @property
    def clips(self) -> dict[str, ClipRow]:
        """Its test sentences, as its first runs tell them."""
        return {id_: clip for run in reversed(self.runs) for id_, clip in run.clips.items()}

    @property
    def minutes(self) -> float | None:
        """Of speech to train on, all speakers together; None where it is not recorded."""
        seconds = [run.data_seconds for run in self.replicates[0]]
        known = [one for one in seconds if one is not None]
        return sum(known) / 60 if len(known) == len(seconds) else None

    @property
    def generator_steps(self) -> int:
        """Of a run, the most of any."""
        return max(run.generator_step for run in self.runs)

    def values_of(self, figure: str, clips: Sequence[str]) -> np.ndarray:
        """[R, N]: the figure of each replicate and clip; NaN where it is not known."""
        values = np.full((len(self.replicates), len(clips)), np.nan)
        for row, replicate in enumerate(self.replicates):
            for run in replicate:
                for column, clip in enumerate(clips):
                    if clip in run.clips:
                        values[row, column] = run.clips[clip].figures.get(figure, np.nan)
        return values

    def run_of(self, clip: str, number: int) -> EvaluatedRun | None:
        """A run that spoke the clip, another one for each ``number`` where there are several seeds."""
        own = [run for replicate in self.replicates for run in replicate if clip in run.clips]
        return own[number % len(own)] if own else None


@dataclass(frozen=True)
class Settings:
    """All settings of a report, in the order of their runs."""

    settings: tuple[Setting, ...]
    chosen: tuple[str, ...]
    """Keys and groups that set them apart, as commands named them."""
    differing: tuple[str, ...]
    """All keys of the composed configurations that differ."""
    left_out: tuple[LeftOut, ...]
    """Runs that only repeat another."""


def group_runs(runs: Sequence[EvaluatedRun], ignored: Sequence[str]) -> Settings:
    """Puts runs together that differ in their seed alone, and models of one speaker each into one setting of all speakers.

    Args:
        runs: in the order they are to be told.
        ignored: keys that do not make another setting, with all below them.
    """
    configs = [run.config for run in runs]
    differing = differing_keys(configs, ignored)
    groups: dict[tuple[str, ...], list[EvaluatedRun]] = defaultdict(list)
    for run in runs:
        alone = run.config.speaker is not None
        values = (EACH_ALONE if alone and key == SPEAKER else repr(run.config.resolved.get(key)) for key in differing)
        groups[tuple(values)].append(run)
    parts = [part for group in groups.values() for part in _parts(group)]
    left_out: list[LeftOut] = []
    replicated = [_replicates(part, left_out) for part in parts]
    chosen = chosen_keys(configs, ignored)
    told = [{key: _told(replicates, key) for key in chosen} for replicates in replicated]
    labels = _labels(told, [{key: _told(replicates, key) for key in differing} for replicates in replicated])
    settings = tuple(Setting(_letter(n), labels[n], told[n], replicates) for n, replicates in enumerate(replicated))
    return Settings(settings, tuple(chosen), tuple(differing), tuple(left_out))


def _parts(group: list[EvaluatedRun]) -> list[list[EvaluatedRun]]:
    """A group whose runs of one seed share sentences though their speaker differs is none: each speaker is a setting then."""
    if not any(run.config.speaker for run in group):
        return [group]
    ids = [(shown_value(run.config.seed), run.config.speaker, set(run.clips)) for run in group]
    shared = any(one[0] == other[0] and one[1] != other[1] and one[2] & other[2] for at, one in enumerate(ids) for other in ids[at + 1 :])
    if not shared:
        return [group]
    apart: dict[str | None, list[EvaluatedRun]] = defaultdict(list)
    for run in group:
        apart[run.config.speaker].append(run)
    return list(apart.values())


def _replicates(group: list[EvaluatedRun], left_out: list[LeftOut]) -> tuple[tuple[EvaluatedRun, ...], ...]:
    """Runs by seed; a second run of one seed counts by itself, unless it says the very same."""
    replicates: list[list[EvaluatedRun]] = []
    for run in group:
        same_seed = [one for one in replicates if one[0].config.seed == run.config.seed]
        twin = next((other for one in same_seed for other in one if _equal(other, run)), None)
        room = next((one for one in same_seed if not any(set(other.clips) & set(run.clips) for other in one)), None)
        if twin is not None:
            reason = f"It repeats {twin.name} with the same seed and the same figures, which says nothing new."
            left_out.append(LeftOut(run.name, "a repetition", reason, tuple(run.record.overrides)))
        elif room is not None:
            room.append(run)
        else:
            replicates.append([run])
    return tuple(tuple(one) for one in replicates)


def _equal(first: EvaluatedRun, second: EvaluatedRun) -> bool:
    if first.clips.keys() != second.clips.keys():
        return False
    # How fast a machine was that day is no matter of the model.
    names = {name for clip in first.clips.values() for name in clip.figures if "real_time" not in name}
    one, other = (
        np.array([[run.clips[id_].figures.get(name, np.nan) for name in names] for id_ in first.clips]) for run in (first, second)
    )
    return bool(names) and np.array_equal(one, other, equal_nan=True)


def _told(replicates: Sequence[Sequence[EvaluatedRun]], key: str) -> Any:
    runs = [run for replicate in replicates for run in replicate]
    if key == SPEAKER and len({run.config.speaker for run in runs}) > 1:
        return EACH_ALONE
    return value_of(runs[0].config, key)


def _labels(chosen: Sequence[Mapping[str, Any]], differing: Sequence[Mapping[str, Any]]) -> list[str]:
    """Short names that tell settings apart: by what was chosen, and where that is not enough by more of what differs."""
    if len(chosen) == 1:
        return ["this setting"]
    keys = [key for key in chosen[0] if len({repr(one[key]) for one in chosen}) > 1]
    named = [{key: one[key] for key in keys} for one in chosen]
    for key in differing[0]:
        longer = [{**one, key: values[key]} for one, values in zip(named, differing, strict=True)]
        if len({repr(one) for one in longer}) > len({repr(one) for one in named}):
            named = longer
    labels = [", ".join(f"{key}={shown_value(value)}" for key, value in one.items()) or "as composed" for one in named]
    return [label if labels.count(label) == 1 else f"{label} ({labels[:at].count(label) + 1})" for at, label in enumerate(labels)]


def _letter(number: int) -> str:
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def require_comparable(settings: Sequence[Setting], common_sentences: bool) -> tuple[str, ...]:
    """The ids of the test sentences that all settings are compared on.

    Args:
        settings: two or more, or one alone.
        common_sentences: where settings have different sentences, takes those that all have.

    Raises:
        SovitsError: another split, prepared set, judge's setting or sentence somewhere; it says which and how they differ.
    """
    runs = [run for setting in settings for run in setting.runs]
    for run in runs[1:]:
        _require_same_conditions(runs[0], run)
    _require_same_sentences(runs)
    first = settings[0].clips
    ids = list(first)
    for setting in settings[1:]:
        own = setting.clips
        if own.keys() != first.keys() and not common_sentences:
            raise SovitsError(_other_sentences(settings[0], setting))
        ids = [id_ for id_ in ids if id_ in own]
    for setting in settings:
        _require_whole_replicates(setting, ids, common_sentences)
    if common_sentences:
        ids = [id_ for id_ in ids if all(any(id_ in run.clips for run in one) for setting in settings for one in setting.replicates)]
    if not ids:
        raise SovitsError("The runs have no test sentence in common; evaluate them on the same split of the same prepared set.")
    return tuple(ids)


def _require_same_conditions(first: EvaluatedRun, other: EvaluatedRun) -> None:
    pair = f"{first.name} and {other.name} cannot be compared"
    splits = [str(run.summary.get("split")) for run in (first, other)]
    if splits[0] != splits[1]:
        raise SovitsError(f"{pair}: one was judged on the split {splits[0]}, the other on {splits[1]}; evaluate both on one split.")
    prints = [run.record.data.get("fingerprint") for run in (first, other)]
    # The same content in another place is the same set.
    if first.judged_set != other.judged_set and (None in prints or prints[0] != prints[1]):
        sets = f"{first.judged_set} and {other.judged_set}"
        raise SovitsError(f"{pair}: they were judged on two prepared sets, {sets}; evaluate both on one with data.root=.")
    for name in [name for name in first.summary["judges"] if name in other.summary["judges"]]:
        different = _differences(first.summary["judges"][name], other.summary["judges"][name], name)
        if different:
            raise SovitsError(f"{pair}: the judge's {different}; evaluate both with the same judges.")


def _require_same_sentences(runs: Sequence[EvaluatedRun]) -> None:
    known: dict[str, EvaluatedRun] = {}
    for run in runs:
        for id_, two in run.clips.items():
            first = known.setdefault(id_, run)
            one, pair = first.clips[id_], f"{first.name} and {run.name} cannot be compared"
            if one.text != two.text or one.speaker != two.speaker:
                raise SovitsError(
                    f"{pair}: the test sentence {id_} is '{one.text}' in one and '{two.text}' in the other; evaluate both on one set."
                )
            # Recordings are cut to whole frames: hop lengths may differ, recordings may not.
            if abs(one.seconds - two.seconds) > 0.1:
                raise SovitsError(
                    f"{pair}: the recording of {id_} lasts {one.seconds:.2f} s in one and {two.seconds:.2f} s in the other; evaluate both "
                    "on one set."
                )


def _differences(first: Any, second: Any, path: str) -> str | None:
    """The first setting that differs, with both values."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in dict.fromkeys([*first, *second]):
            if found := _differences(first.get(key), second.get(key), f"{path}.{key}"):
                return found
        return None
    return None if first == second else f"{path} is {first!r} in one and {second!r} in the other"


def _other_sentences(first: Setting, other: Setting) -> str:
    missing = [[id_ for id_ in one.clips if id_ not in two.clips] for one, two in ((first, other), (other, first))]
    told = " and ".join(
        f"{len(ids)} of {setting.runs[0].name} are not in the other ({', '.join(ids[:3])}{', …' if len(ids) > 3 else ''})"
        for ids, setting in zip(missing, (first, other), strict=True)
        if ids
    )
    return (
        f"{first.runs[0].name} and {other.runs[0].name} cannot be compared: they were judged on different test sentences: {told}; "
        "evaluate them on the same ones, or give common_sentences=true to compare on those that all have."
    )


def _require_whole_replicates(setting: Setting, ids: Sequence[str], common_sentences: bool) -> None:
    for replicate, seed in zip(setting.replicates, setting.seeds, strict=True):
        spoken = {id_ for run in replicate for id_ in run.clips}
        missing = [id_ for id_ in ids if id_ not in spoken]
        if missing and not common_sentences:
            raise SovitsError(
                f"{setting.label}, seed {seed} ({', '.join(run.name for run in replicate)}), was not judged on {len(missing)} test "
                f"sentences that its other seeds have ({', '.join(missing[:3])}); evaluate it on all, or give common_sentences=true."
            )
