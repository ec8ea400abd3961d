"""One process at a time works on a run."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sovits.errors import SovitsError
from sovits.runs.recorded import first_process

FILE_NAME = "run.lock"


@contextmanager
def alone_in(run: Path) -> Iterator[None]:
    """Keeps other commands out of the folder ``run`` until the block ends; the system ends it with the process, however that dies.

    Of the processes that a launcher starts for one run, the first holds the lock.

    Raises:
        SovitsError: another command is at work in the folder.
    """
    if not first_process():
        yield
        return
    run.mkdir(parents=True, exist_ok=True)
    with (run / FILE_NAME).open("a") as file:
        if not _locked(file.fileno()):
            raise SovitsError(f"{run} belongs to a run that is still at work; wait for its end or stop it, or choose another folder.")
        yield


def at_work(run: Path) -> bool:
    """Whether a command works on the run in the folder ``run`` right now, on this machine or over a file system that knows locks."""
    path = run / FILE_NAME
    if not path.is_file():
        return False
    with path.open("a") as file:
        return not _locked(file.fileno())


def _locked(descriptor: int) -> bool:
    try:
        # Not flock, whose lock would live on in the data workers of a killed process for some seconds.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Anything else: a file system without locks, where nobody can tell.
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True
