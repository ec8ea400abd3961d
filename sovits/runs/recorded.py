"""Keeps ``run.json`` true while a run works: running, and then how it ended."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.utilities.exceptions import SIGTERMException

from sovits.errors import mistake_behind
from sovits.runs.provenance import commit, hardware, versions
from sovits.runs.record import FAILED, FILE_NAME, FINISHED, RUNNING, STOPPED, RunRecord, now

log = logging.getLogger(__name__)

LONGEST_REASON = 500
"""Characters; some libraries put whole tables into an error."""


class Stopped(Exception):
    """The run gave way before its end, as a scheduler asked; its message says why. It goes on with ``resume=true``."""


class OpenRecord:
    """The record of the run at work. Only the first of several processes writes it."""

    def __init__(self, run: Path, record: RunRecord) -> None:
        self.run, self.record = run, record
        self._stopped: str | None = None

    @property
    def finished(self) -> bool:
        """The run came to its end."""
        return self.record.status == FINISHED

    def note(self, **known: Any) -> None:
        """Fields of ``RunRecord`` as they become known; written at once."""
        self.record = replace(self.record, **known, updated=now())
        if first_process():
            self.record.save(self.run)

    def stop(self, reason: str) -> None:
        """The run gives way and will end without an error: it is recorded as stopped. For those who cannot raise ``Stopped``."""
        self._stopped = reason

    def end(self) -> None:
        """The work is over, and nothing was raised."""
        if self._stopped is None:
            self.note(status=FINISHED, reason=None)
        else:
            self.note(status=STOPPED, reason=self._stopped)


@contextmanager
def recorded_run(run: Path, reproduces: str | None = None) -> Iterator[OpenRecord]:
    """Writes ``<run>/run.json``: running now, and at the end ``finished``, ``failed`` or ``stopped``. Whatever is raised goes on unchanged.

    In a folder that has a record already the run is a resumed one: the time of its first start stays, and an attempt is counted.

    Args:
        run: its folder.
        reproduces: the run that this one repeats.

    Raises:
        SovitsError: the folder has a damaged record.
    """
    earlier = RunRecord.load(run) if (run / FILE_NAME).is_file() else None
    time = now()
    record = OpenRecord(
        run,
        RunRecord(
            status=RUNNING,
            reason=None,
            started=earlier.started if earlier else time,
            updated=time,
            attempts=earlier.attempts + 1 if earlier else 1,
            overrides=task_overrides(),
            directory=str(Path.cwd()),
            generator_step=earlier.generator_step if earlier else 0,
            commit=commit(),
            versions=versions(),
            hardware=hardware(),
            reproduces=reproduces,
            wandb_id=earlier.wandb_id if earlier else None,
        ),
    )
    record.note()
    try:
        yield record
    except BaseException as error:
        try:
            record.note(status=STOPPED if _gave_way(error) else FAILED, reason=_sentence(error))
        except OSError as lost:
            # A full disk is often why the run failed: what it says of that matters more than the record.
            log.warning("%s could not be brought up to date (%s).", run / FILE_NAME, lost.strerror)
        raise
    record.end()


def first_process() -> bool:
    """Whether this is the only process of the run or the first of several, by what launchers tell their processes."""
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "NODE_RANK"))


def task_overrides() -> list[str]:
    """What the command said behind the verb; nothing where Hydra's command line did not start the run."""
    return [str(override) for override in HydraConfig.get().overrides.task] if HydraConfig.initialized() else []


def _gave_way(error: BaseException) -> bool:
    # Lightning turns an interrupt into an exit.
    interrupted = isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt)
    return interrupted or isinstance(error, Stopped | KeyboardInterrupt | SIGTERMException)


def _sentence(error: BaseException) -> str:
    if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
        return "interrupted from the keyboard"
    if isinstance(error, KeyboardInterrupt | SIGTERMException):
        return "interrupted from the keyboard" if isinstance(error, KeyboardInterrupt) else "asked to end by SIGTERM"
    if isinstance(error, Stopped):
        return str(error)
    mistake = mistake_behind(error)
    told = str(mistake) if mistake else f"{type(error).__name__}: {error}"
    return " ".join(told.split())[:LONGEST_REASON]
