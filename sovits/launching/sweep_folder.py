"""The folder of a multirun: whose it is, and how its jobs ended."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from sovits.errors import SovitsError
from sovits.runs.lock import at_work
from sovits.runs.record import FAILED, FILE_NAME, FINISHED, RUNNING, STOPPED, RunRecord, now
from sovits.runs.reproduction import Override

SWEEP = "sweep.json"
LOCK = ".sweep.lock"
FORMAT = 1
NOT_COMPARED = ("resume", "dry_run", "launcher")
NOT_RUN = "not run"
ORDER = (FAILED, STOPPED, RUNNING, NOT_RUN, FINISHED)


@dataclass(frozen=True)
class JobState:
    """How one job of a sweep stands."""

    overrides: list[str]
    status: str
    """That of its record, or ``not run``."""
    reason: str | None
    folder: Path | None


@dataclass(frozen=True)
class Summary:
    """How the jobs of a sweep stand."""

    folder: Path
    jobs: list[JobState]

    def count(self, status: str) -> int:
        """Jobs that stand so."""
        return sum(job.status == status for job in self.jobs)

    def tells(self, error: Exception) -> bool:
        """Whether ``error`` is the reason of a failed job."""
        return any(job.status == FAILED and str(error) in str(job.reason) for job in self.jobs)

    @property
    def complete(self) -> bool:
        """Every job came to its end."""
        return self.count(FINISHED) == len(self.jobs)

    def told(self) -> str:
        """A line of counts, then one for each job that is not done."""
        shared = [one for one in self.jobs[0].overrides if all(one in job.overrides for job in self.jobs)] if self.jobs else []
        words = {FINISHED: "done", RUNNING: "running or killed"}
        counts = ", ".join(
            f"{self.count(status)} {words.get(status, status)}"
            for status in reversed(ORDER)
            if self.count(status) or status in (FINISHED, FAILED)
        )
        lines = [f"Sweep {self.folder}: {counts}."]
        for status in ORDER[:-1]:
            for number, job in enumerate(self.jobs):
                if job.status == status:
                    own = " ".join(one for one in job.overrides if one not in shared)
                    told = f"  {words.get(status, status):<8} {job.folder.name if job.folder else number}  {own}"
                    lines.append(told.rstrip() + (f": {job.reason}" if job.reason else ""))
        if not self.complete:
            lines.append("The same command with resume=true does what is left, in the same folder.")
        return "\n".join(lines)


class SweepFolder:
    """The folder of a multirun at work, kept from any other command until this process ends.

    Args:
        folder: ``hydra.sweep.dir``.
        overrides: what the command said and what the sweep adds, before they are taken apart into jobs.
        jobs: the overrides of each; empty where the sweeper chooses them as it goes.
    """

    def __init__(self, folder: Path, overrides: Sequence[str], jobs: Sequence[Sequence[str]]) -> None:
        self.folder, self.overrides = folder, list(overrides)
        self.jobs = [list(job) for job in jobs]
        self._lock: IO[str] | None = None

    def claim(self, resume: bool) -> None:
        """Makes the folder this sweep's.

        Args:
            resume: the command says ``resume=true``.

        Raises:
            SovitsError: another sweep's folder, or a run's; this sweep's own without ``resume``; one that another command works in.
        """
        here = self.folder
        try:
            recorded = self._recorded()
            if recorded is not None:
                self._require_same(recorded, resume)
                self._require_quiet()
            elif here.is_dir() and any(path.name != LOCK for path in here.iterdir()):
                raise SovitsError(
                    f"{here} holds something else than a sweep of this version; choose another folder with hydra.sweep.dir=DIR."
                )
            here.mkdir(parents=True, exist_ok=True)
            self._lock = (here / LOCK).open("w", encoding="utf-8")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if recorded is None:
                self._write()
        except BlockingIOError:
            raise SovitsError(
                f"Another command is working in {here} now; wait until it ends, or choose another folder with hydra.sweep.dir=DIR."
            ) from None
        except FileExistsError:
            raise SovitsError(f"Another sweep began in {here} at this moment; choose another folder with hydra.sweep.dir=DIR.") from None
        except OSError as error:
            raise SovitsError(f"{here} cannot be written ({error.strerror}); choose another folder with hydra.sweep.dir=DIR.") from error

    def summary(self) -> Summary:
        """How all jobs stand, by their records."""
        found = {_identity(record.overrides): (folder, record) for folder, record in _records(self.folder)}
        planned = self.jobs or [record.overrides for _, record in found.values()]
        return Summary(self.folder, [_state(job, *found.get(_identity(job), (None, None))) for job in planned])

    def _require_quiet(self) -> None:
        if busy := [folder.name for folder, _ in _records(self.folder) if at_work(folder)]:
            raise SovitsError(
                f"{self.folder} has jobs that are still at work ({', '.join(busy[:5])}); wait until they end, or end them "
                "(`squeue --me` and `scancel` where Slurm runs them)."
            )

    def _write(self) -> None:
        content = {"format": FORMAT, "began": now(), "directory": str(Path.cwd()), "overrides": self.overrides, "jobs": self.jobs}
        # Exclusive: of two sweeps that begin at once, one is too late.
        with (self.folder / SWEEP).open("x", encoding="utf-8") as file:
            file.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def _recorded(self) -> dict[str, Any] | None:
        path = self.folder / SWEEP
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content["overrides"] = [str(one) for one in content["overrides"]]
        except (ValueError, KeyError, TypeError) as error:
            raise SovitsError(f"{path} is damaged ({error}); choose another folder with hydra.sweep.dir=DIR.") from error
        return content

    def _require_same(self, recorded: dict[str, Any], resume: bool) -> None:
        theirs, own = _compared(recorded["overrides"]), _compared(self.overrides)
        different = sorted(key for key in theirs.keys() | own.keys() if theirs.get(key) != own.get(key))
        if different:
            told = ", ".join(f"{theirs.get(key, f'no {key}')} there and {own.get(key, f'no {key}')} here" for key in different[:3])
            raise SovitsError(f"{self.folder} is the folder of another sweep ({told}); choose another with hydra.sweep.dir=DIR.")
        if not resume:
            raise SovitsError(
                f"{self.folder} holds this sweep already; add resume=true to do what is left of it, or choose another folder with "
                "hydra.sweep.dir=DIR."
            )


def record_failure(run: Path, reason: str, overrides: Sequence[str], known_better: bool = False) -> None:
    """Sees to it that ``run.json`` says why a job failed, whether or not the job came so far as to write it.

    A record that tells how the run ended is left as it is, unless the cause of a failure is now ``known_better``; and so is that of a run
    that another process works on.
    """
    if at_work(run):
        return
    try:
        record = RunRecord.load(run) if (run / FILE_NAME).is_file() else None
    except SovitsError:
        record = None
    if record is not None and record.status != RUNNING and not (known_better and record.status == FAILED):
        return
    if record is None:
        record = RunRecord(FAILED, reason, now(), now(), 1, list(overrides), str(Path.cwd()))
    RunRecord(**asdict(record) | {"status": FAILED, "reason": reason, "updated": now()}).save(run)


def _state(overrides: Sequence[str], folder: Path | None, record: RunRecord | None) -> JobState:
    if record is None:
        return JobState(list(overrides), NOT_RUN, None, None)
    return JobState(list(overrides), record.status, record.reason, folder)


def _records(folder: Path) -> Iterator[tuple[Path, RunRecord]]:
    """The runs below ``folder``; what is inside of one is part of it."""
    for here, below, files in os.walk(folder):
        below.sort(key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
        if FILE_NAME in files:
            below.clear()
            try:
                yield Path(here), RunRecord.load(Path(here))
            except SovitsError as error:
                yield Path(here), RunRecord(FAILED, str(error), "", "", 0, [Path(here).name])
        else:
            below[:] = [name for name in below if not name.startswith(".")]


def _identity(overrides: Sequence[str]) -> frozenset[str]:
    """What tells a job from the others, whether it was sent for the first time or again."""
    return frozenset(_compared(overrides).values())


def _compared(overrides: Sequence[str]) -> dict[str, str]:
    every = {Override.of(text).key: text for text in overrides}
    ignored = ("hydra.", "hydra/", "launcher.")
    return {key: text for key, text in every.items() if key not in NOT_COMPARED and not key.startswith(ignored)}
