"""Checkpoints on disk: complete or not there, found again after a crash, and never trusted where they are damaged."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from sovits.errors import SovitsError

log = logging.getLogger(__name__)

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
PARTIAL = ".partial"


@dataclass(frozen=True)
class Search:
    """What a folder of checkpoints has to go on from."""

    path: Path | None
    """The whole checkpoint with the most steps; None where there is none."""
    generator_step: int
    damaged: dict[str, str]
    """Why each checkpoint that cannot be used is not, by file name."""


class DurableCheckpoints(TorchCheckpointIO):
    """Lightning's way to files, with :func:`write_durably`."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Path | str, storage_options: Any = None) -> None:
        """See :func:`write_durably`; there are no ``storage_options``."""
        if storage_options is not None:
            raise TypeError(f"{type(self).__name__} takes no storage_options.")
        write_durably(checkpoint, Path(path))


def write_durably(checkpoint: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint so that ``path`` holds the old file or the whole new one, even after a power cut.

    Raises:
        SovitsError: a full disk, a lost folder: the path, the reason and the last good checkpoint. The old file stays as it was.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        _rename(partial, path)
    except (OSError, RuntimeError) as error:
        # torch hides the system's error behind one of its own.
        cause = _of_the_system(error)
        if cause is None:
            raise
        _remove(partial)
        raise SovitsError(f"The checkpoint {path} could not be written ({cause.strerror or cause}); {last_good(path.parent)}.") from error


def copy_durably(source: Path, path: Path) -> None:
    """Lets ``path`` hold what ``source`` holds, in one step; without a second copy of the bytes where the file system can.

    Raises:
        SovitsError: as :func:`write_durably`.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        partial.unlink(missing_ok=True)
        try:
            os.link(source, partial)
        except OSError:
            # Some network and removable disks know no second name for a file.
            shutil.copyfile(source, partial)
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
        _rename(partial, path)
    except OSError as error:
        _remove(partial)
        raise SovitsError(f"The checkpoint {path} could not be written ({error.strerror or error}); {last_good(path.parent)}.") from error


def remove_partial(folder: Path) -> None:
    """Removes what a killed run left half-written."""
    for partial in sorted(folder.glob(f"*.ckpt{PARTIAL}")):
        log.info("Removed %s, which a stopped run left half-written.", partial)
        partial.unlink(missing_ok=True)


def damage(path: Path) -> str | None:
    """Why the checkpoint cannot be used, by the checksums of all that is in it; None where it is whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            return f"{broken} in it does not fit its checksum"
        steps_in(path)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        return f"it was cut off or overwritten: {error}"
    except (RuntimeError, pickle.UnpicklingError, KeyError, TypeError) as error:
        return f"it is no checkpoint of `sovits train`: {type(error).__name__}"
    return None


def steps_in(path: Path) -> int:
    """The generator steps of a checkpoint, without reading its weights."""
    return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["sovits"]["generator_step"])


def search(folder: Path) -> Search:
    """Looks through a run's ``checkpoints``. Of two whole ones of the same step ``last.ckpt`` comes first."""
    damaged: dict[str, str] = {}
    whole: list[tuple[int, Path]] = []
    for path in (folder / name for name in (LAST, PREVIOUS, BEST)):
        if not path.is_file():
            continue
        reason = damage(path)
        if reason is None:
            whole.append((steps_in(path), path))
        else:
            damaged[path.name] = reason
    if not whole:
        return Search(None, 0, damaged)
    step, newest = max(whole, key=lambda one: one[0])
    return Search(newest, step, damaged)


def last_good(folder: Path) -> str:
    """What is left and what to do, as the end of a sentence about something that went wrong."""
    found = search(folder)
    if found.path is None:
        return "no whole checkpoint is there: mend that and start again"
    return f"the last good checkpoint is {found.path} of step {found.generator_step}: mend that and go on with resume={found.path}"


def _rename(partial: Path, path: Path) -> None:
    partial.replace(path)
    # Without this the name may be lost in a power cut, though the bytes are there.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s could not be removed (%s).", partial, error.strerror)


def _of_the_system(error: BaseException | None) -> OSError | None:
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
