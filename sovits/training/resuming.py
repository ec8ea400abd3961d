"""``resume=``: where a run goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from sovits.errors import SovitsError
from sovits.runs.finding import same_command
from sovits.runs.record import FILE_NAME, FINISHED, RunRecord
from sovits.runs.recorded import task_overrides
from sovits.training.checkpoint_files import LAST, damage, last_good, search, steps_in
from sovits.training.lightning_module import VoiceTraining

log = logging.getLogger(__name__)

FOLDER = "checkpoints"


def resume_from(asked: str | bool | None, run: Path) -> Path | None:
    """The checkpoint to continue from; None to begin anew.

    Args:
        asked: the value of ``resume``: a file, True for the newest whole checkpoint of this run, or None.
        run: the run's folder.

    Raises:
        SovitsError: no such file, a damaged one, a folder whose checkpoints are all damaged, or one with checkpoints of an earlier run
            that nobody asked to continue.
    """
    if asked is True:
        return _newest(run / FOLDER)
    if asked is None or asked is False:
        _require_unused(run)
        return None
    path = Path(str(asked))
    if not path.is_file():
        raise SovitsError(
            f"resume={asked} is not a file; give a checkpoint such as outputs/train/.../checkpoints/last.ckpt, or resume=true."
        )
    if reason := damage(path):
        raise SovitsError(f"resume={path} cannot be used ({reason}); {last_good(path.parent)}.")
    return path


def finished_checkpoint(run: Path, steps: int) -> Path | None:
    """``last.ckpt`` of a run that came to its end under the same command; None where something is left to do.

    Args:
        run: its folder.
        steps: generator steps asked for now, which count where no command line started the run.
    """
    path = run / FOLDER / LAST
    if not (run / FILE_NAME).is_file() or not path.is_file():
        return None
    record = RunRecord.load(run)
    if record.status != FINISHED or damage(path) is not None:
        return None
    same = same_command(record.overrides, task_overrides()) and (record.overrides or steps_in(path) >= steps)
    return path if same else None


def load_finished(path: Path, training: VoiceTraining) -> bool:
    """Whether all of the run's steps are in a checkpoint; if so ``training`` gets what they ended with: there is nothing to fit.

    Raises:
        SovitsError: a checkpoint of other speakers or another architecture.
    """
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if content["sovits"]["generator_step"] < training.steps:
        return False
    training.on_load_checkpoint(content)
    training.load_state_dict(content["state_dict"])
    log.info("%s has all %d steps already; what follows the training is done again.", path, training.generator_step)
    return True


@contextmanager
def named_losses(run: Path) -> Iterator[None]:
    """Tells an error of the file system, a full disk say, together with the last good checkpoint of ``run``.

    Raises:
        SovitsError: in place of an ``OSError`` of the system.
    """
    try:
        yield
    except OSError as error:
        # Libraries raise some of their own, without a number, about models that they cannot find.
        if error.errno is None:
            raise
        where = error.filename if isinstance(error.filename, str) else str(run)
        raise SovitsError(f"{where} could not be written or read ({error.strerror or error}); {last_good(run / FOLDER)}.") from error


def _newest(folder: Path) -> Path | None:
    found = search(folder)
    for name, reason in found.damaged.items():
        log.warning("%s is damaged (%s) and not used.", folder / name, reason)
    if found.path is None:
        if found.damaged:
            raise SovitsError(
                f"No checkpoint in {folder} is whole ({', '.join(found.damaged)} are damaged); delete the folder to begin the run anew."
            )
        log.info("resume=true: no checkpoint in %s yet, so the run begins anew.", folder)
        return None
    log.info("resume=true: going on from %s, step %d.", found.path, found.generator_step)
    return found.path


def _require_unused(run: Path) -> None:
    if (run / FOLDER / LAST).is_file():
        raise SovitsError(
            f"{run} holds a run already, whose {FOLDER}/{LAST} would be overwritten; go on with it by resume=true, or choose another "
            "folder with hydra.run.dir=DIR."
        )
