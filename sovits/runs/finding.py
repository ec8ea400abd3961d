"""Finds the run that ``sovits train ... resume=true`` means, where its folder is not given: the one of the same command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from yaml import YAMLError

from sovits.errors import SovitsError
from sovits.runs.lock import at_work
from sovits.runs.record import FILE_NAME, FINISHED, RunRecord
from sovits.runs.reproduction import Override

OUTPUTS = "outputs"
NOT_COMPARED = ("resume", "paths.run", "launcher", "dry_run")
"""Nor how it was sent to a cluster."""
MULTIRUN = ("-m", "--multirun")
NOTHING_RUNS = ("-c", "--cfg", "-h", "--help", "--hydra-help", "--info", "-i", "--version")


@dataclass(frozen=True)
class Continued:
    """The command of a run to continue, and what to tell about it."""

    arguments: list[str]
    told: str | None


def continue_newest(arguments: Sequence[str]) -> Continued:
    """Gives ``resume=true`` the folder of the newest unfinished run of the same command.

    Args:
        arguments: behind ``sovits train``, as Hydra reads them.

    Returns:
        the arguments, with ``hydra.run.dir=`` (``hydra.sweep.dir=`` of a multirun) behind them where such a run was found; unchanged and
        with nothing to tell where ``resume=true`` is not among them, or a folder is.
    """
    unchanged = Continued(list(arguments), None)
    # Flags, and what stands behind one as in `--config-dir DIR`, are no overrides.
    overrides = [argument for argument in arguments if not argument.startswith("-") and ("=" in argument or argument.startswith("~"))]
    values = {override.key: override.value for override in map(Override.of, overrides)}
    if (values.get("resume") or "").lower() != "true" or any(argument.split("=")[0] in NOTHING_RUNS for argument in arguments):
        return unchanged
    multirun = any(argument in MULTIRUN for argument in arguments)
    place = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    if place in values:
        return unchanged
    outputs = Path((values.get("paths.outputs") or OUTPUTS).strip("'\"")) / "train"
    wanted = _command(overrides)
    find = _newest_sweep if multirun else _newest_run
    found = find(outputs, wanted)
    if found is None:
        what = "sweep" if multirun else "unfinished run"
        return Continued(list(arguments), f"resume=true: {outputs} holds no {what} of this command; a new one begins.")
    return Continued([*arguments, f"{place}={_quoted(found.folder)}"], f"resume=true: going on in {found.folder} ({found.state}).")


def same_command(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two lists of overrides make the same run, but for where it lies and where it goes on."""
    return _command(one) == _command(other)


@dataclass(frozen=True)
class _Found:
    folder: Path
    state: str


def _newest_run(outputs: Path, wanted: dict[str, str | None]) -> _Found | None:
    """The newest with a checkpoint; without any, the newest."""
    hardly_begun = None
    for folder in _newest_first(outputs, ".hydra/overrides.yaml"):
        if _recorded(folder / ".hydra" / "overrides.yaml") != wanted:
            continue
        if at_work(folder):
            raise SovitsError(
                f"resume=true: the newest run of this command, {folder}, is still at work; wait for its end or stop it, or give the new "
                "one a folder with hydra.run.dir=DIR."
            )
        record = RunRecord.load(folder) if (folder / FILE_NAME).is_file() else None
        if record is not None and record.status == FINISHED:
            continue
        if any((folder / "checkpoints").glob("*.ckpt")):
            return _Found(folder, f"{record.status} at {record.updated}" if record else "its record is lost")
        hardly_begun = hardly_begun or _Found(folder, "it has no checkpoint yet")
    return hardly_begun


def _newest_sweep(outputs: Path, wanted: dict[str, str | None]) -> _Found | None:
    for folder in _newest_first(outputs, "multirun.yaml"):
        if _recorded(folder / "multirun.yaml") == wanted:
            jobs = [RunRecord.load(path.parent) for path in sorted(folder.glob(f"*/{FILE_NAME}"))]
            done = sum(job.status == FINISHED for job in jobs)
            return _Found(folder, f"{done} of the {len(jobs)} jobs begun so far are finished and will be skipped")
    return None


def _newest_first(outputs: Path, marker: str) -> list[Path]:
    """Folders are named by date and time; where somebody named one otherwise, the time of its marker decides."""
    found = list(outputs.glob(f"*/{marker}"))
    folders = {path: outputs / path.relative_to(outputs).parts[0] for path in found}
    return [folders[path] for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, str(path)), reverse=True)]


def _recorded(path: Path) -> dict[str, str | None] | None:
    """The command that made a folder; None where its record cannot be read, as of one killed at its start."""
    try:
        content: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (YAMLError, OSError, ValueError):
        return None
    if isinstance(content, dict):
        content = content.get("hydra", {}).get("overrides", {}).get("task", [])
    return _command(str(text) for text in content) if isinstance(content, list) else None


def _command(overrides: Iterable[str]) -> dict[str, str | None]:
    """What makes two commands the same, whatever their order."""
    every = [Override.of(text) for text in overrides]
    return {
        override.sign + override.key: override.value
        for override in every
        if override.key not in NOT_COMPARED and not override.key.startswith(("hydra.", "hydra/", "launcher."))
    }


def _quoted(folder: Path) -> str:
    return "'" + str(folder).replace("\\", "\\\\").replace("'", "\\'") + "'"
