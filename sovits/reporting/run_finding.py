"""Which runs a report is about: folders, patterns and sweeps, with the jobs of a sweep that never began."""

from __future__ import annotations

import glob
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sovits.errors import SovitsError
from sovits.reporting.run_reading import EvaluatedRun, LeftOut, read_run

_RECORD, _HYDRA, _JOBS, _SWEEP = "run.json", ".hydra", "sweep.json", "multirun.yaml"


@dataclass(frozen=True)
class FoundRuns:
    """What lies below the folders that were named."""

    first: Path
    """The first folder of all: where the report goes unless it is told another."""
    runs: tuple[EvaluatedRun, ...]
    left_out: tuple[LeftOut, ...]


def find_runs(places: Sequence[str], include_unfinished: bool) -> FoundRuns:
    """Reads every run in ``places``.

    Args:
        places: runs, sweeps, folders of either, or patterns such as ``outputs/train/2026-*``.
        include_unfinished: takes runs that failed, were stopped or still run, if they were evaluated.

    Raises:
        SovitsError: a place that does not exist, one without a run, a damaged file, or no run that could be compared.
    """
    folders = [folder for place in places for folder in _folders(place)]
    found: dict[Path, str] = {}
    below_each: dict[Path, list[Path]] = {}
    for folder in folders:
        below = below_each[folder] = _runs_below(folder)
        if not below:
            raise SovitsError(f"{folder} holds no run of `sovits train`, neither run.json nor .hydra; give outputs/train/DATE_TIME, say.")
        for run in below:
            name = _name(run, folder, len(folders) > 1)
            found.setdefault(run.resolve(), run.as_posix() if name in found.values() else name)
    read = [read_run(run, name, include_unfinished) for run, name in found.items()]
    runs = tuple(run for run in read if isinstance(run, EvaluatedRun))
    known = {tuple(run.record.overrides) if isinstance(run, EvaluatedRun) else run.overrides for run in read}
    left_out = [run for run in read if isinstance(run, LeftOut)]
    left_out += [job for folder, below in below_each.items() for job in _not_run(folder, below, known)]
    if not runs:
        reasons = " ".join(f"{run.run}: {run.status}. {run.reason}" for run in left_out[:3])
        more = f" And {len(left_out) - 3} more." if len(left_out) > 3 else ""
        raise SovitsError(f"None of the runs in {', '.join(places)} can be compared. {reasons}{more}")
    return FoundRuns(folders[0], runs, tuple(left_out))


def _folders(place: str) -> list[Path]:
    path = Path(place).expanduser()
    if path.is_dir():
        return [path]
    folders = sorted(Path(one) for one in glob.glob(str(path)) if Path(one).is_dir())  # noqa: PTH207
    if not folders:
        raise SovitsError(f"runs={place} is no folder and no pattern that fits one; give a run, a sweep, or a list of them.")
    return folders


def _runs_below(folder: Path) -> list[Path]:
    """The folder itself, or the runs in it; what is inside a run is part of it."""
    if (folder / _RECORD).is_file() or (folder / _HYDRA).is_dir():
        return [folder]
    children = [child for child in folder.iterdir() if child.is_dir() and not child.is_symlink() and not child.name.startswith(".")]
    # Jobs are numbered, and 10 comes after 9.
    children.sort(key=lambda child: (not child.name.isdigit(), int(child.name) if child.name.isdigit() else 0, child.name))
    return [run for child in children for run in _runs_below(child)]


def _name(run: Path, folder: Path, several: bool) -> str:
    inside = run.relative_to(folder).as_posix()
    if inside == ".":
        return folder.resolve().name
    return f"{folder.resolve().name}/{inside}" if several else inside


def _not_run(folder: Path, runs: Sequence[Path], known: set[tuple[str, ...]]) -> list[LeftOut]:
    """Jobs of a sweep that left no folder.

    Args:
        folder: of the sweep.
        runs: the folders of its jobs.
        known: overrides of the jobs that left a record.
    """
    started = {run.name for run in runs if run.parent == folder}
    if not all(name.isdigit() for name in started):
        return []
    reason = "It left no folder: it still waits, or its launcher gave up before it; give the sweep's command again."
    jobs = enumerate(_planned(folder))
    return [LeftOut(str(number), "not run", reason, job) for number, job in jobs if str(number) not in started and job not in known]


def _planned(folder: Path) -> list[tuple[str, ...]]:
    """The overrides of each job of a sweep: from its own list, or worked out from what Hydra wrote; none where neither tells."""
    listed, written = folder / _JOBS, folder / _SWEEP
    if listed.is_file():
        try:
            return [tuple(str(one) for one in job) for job in json.loads(listed.read_text(encoding="utf-8"))["jobs"]]
        except (ValueError, KeyError, TypeError) as error:
            raise SovitsError(f"{listed} is damaged ({error!r}); give the sweep's runs one by one, runs='{folder}/*'.") from error
    if not written.is_file():
        return []
    try:
        config = OmegaConf.load(written)
        params = OmegaConf.select(config, "hydra.sweeper.params") or {}
        overrides = [*(f"{key}={value}" for key, value in params.items()), *(OmegaConf.select(config, "hydra.overrides.task") or ())]
        # Other sweepers choose as they go.
        return _jobs(overrides) if str(OmegaConf.select(config, "hydra.sweeper._target_")).endswith("BasicSweeper") else []
    except (yaml.YAMLError, OmegaConfBaseException, HydraException) as error:
        raise SovitsError(f"{written} is damaged ({' '.join(str(error).split())}); give the sweep's runs one by one.") from error


def _jobs(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """The overrides of each job, in Hydra's order; a key that is given twice has its last value in the place of its first."""
    each: dict[str, list[str]] = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element()
        if override.is_sweep_override():
            each[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            each[key] = [override.input_line or key]
    return list(itertools.product(*each.values()))
