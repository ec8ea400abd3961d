"""Which checkpoints are kept, and that a file is whole or not there, whatever happens while it is written."""

from __future__ import annotations

import errno
import logging
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback

from sovits.errors import SovitsError
from sovits.training import checkpoint_files
from sovits.training.checkpoint_files import copy_durably, damage, remove_partial, search, steps_in, write_durably
from sovits.training.checkpointing import KeepCheckpoints
from sovits.training.csv_table import CsvTable
from sovits.training.resuming import resume_from
from tests.training.interruptions import KillAt, Killed, TinyRun, differences, write_set


def content(step: int, size: int = 1000) -> dict[str, Any]:
    return {"state_dict": {"w": torch.full((size,), float(step))}, "sovits": {"generator_step": step}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints of three steps."""
    found = tmp_path / "checkpoints"
    found.mkdir()
    for name, step in (("last.ckpt", 9), ("previous.ckpt", 6), ("best.ckpt", 3)):
        write_durably(content(step), found / name)
    return found


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow over 100 kB, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = bytes(data).index(torch.full((4,), float(steps_in(path))).numpy().tobytes())
    data[place + 100] ^= 1
    path.write_bytes(data)


def test_the_newest_whole_checkpoint_is_found(folder: Path) -> None:
    assert search(folder) == checkpoint_files.Search(folder / "last.ckpt", 9, {})
    assert search(folder / "nowhere").path is None


@pytest.mark.parametrize("harm", [cut, flip_a_bit, lambda path: path.write_bytes(b""), lambda path: torch.save({"a": 1}, path)])
def test_a_damaged_one_is_left_out_and_said(harm: Any, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = folder.parent
    harm(run / "checkpoints" / "last.ckpt")
    with caplog.at_level(logging.INFO):
        assert resume_from(True, run) == run / "checkpoints" / "previous.ckpt"
    assert "last.ckpt is damaged" in caplog.text
    assert "going on from" in caplog.text
    with pytest.raises(SovitsError, match=r"last.ckpt cannot be used .* last good checkpoint is .*previous.ckpt of step 6"):
        resume_from(str(run / "checkpoints" / "last.ckpt"), run)
    for name in ("previous.ckpt", "best.ckpt"):
        harm(run / "checkpoints" / name)
    with pytest.raises(SovitsError, match="No checkpoint in .* is whole"):
        resume_from(True, run)


def test_where_to_go_on(folder: Path) -> None:
    run, empty = folder.parent, folder / "empty"
    assert resume_from(None, empty) is None
    assert resume_from(True, empty) is None
    assert resume_from(str(run / "checkpoints" / "best.ckpt"), empty) == run / "checkpoints" / "best.ckpt"
    with pytest.raises(SovitsError, match=r"holds a run already, .*resume=true, or choose another folder"):
        resume_from(None, run)
    with pytest.raises(SovitsError, match="resume=nowhere.ckpt is not a file"):
        resume_from("nowhere.ckpt", run)


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_leaves_the_old_file_and_names_it(folder: Path) -> None:
    with pytest.raises(SovitsError, match=r"last.ckpt could not be written \(File too large\); the last good .*of step 9.*resume="):
        write_durably(content(12, 100_000), folder / "last.ckpt")
    assert steps_in(folder / "last.ckpt") == 9
    assert list(folder.glob("*.partial")) == []


def test_a_lost_folder_is_named(folder: Path) -> None:
    with pytest.raises(SovitsError, match=r"gone/last.ckpt could not be written \(No such file or directory\); no whole checkpoint"):
        write_durably(content(1), folder / "gone" / "last.ckpt")
    with pytest.raises(SovitsError, match="last good checkpoint is"):
        copy_durably(folder / "gone.ckpt", folder / "last.ckpt")
    assert steps_in(folder / "last.ckpt") == 9


def test_a_file_is_there_whole_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    system_sync = os.fsync

    def watched(descriptor: int) -> None:
        seen.append(steps_in(folder / "last.ckpt"))
        system_sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_durably(content(12), folder / "last.ckpt")
    assert seen == [9, 12], "the bytes are safe before the name is, and then the name"
    assert damage(folder / "last.ckpt") is None


def test_two_names_share_a_file_where_that_is_possible(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_durably(folder / "best.ckpt", folder / "last.ckpt")
    assert (folder / "last.ckpt").samefile(folder / "best.ckpt")

    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    copy_durably(folder / "best.ckpt", folder / "previous.ckpt")
    assert not (folder / "previous.ckpt").samefile(folder / "best.ckpt")
    assert steps_in(folder / "previous.ckpt") == 3


def test_half_written_files_are_removed_and_nothing_else(folder: Path) -> None:
    (folder / "last.ckpt.partial").write_bytes(b"half")
    (folder / "notes.partial").write_bytes(b"mine")
    remove_partial(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt", "notes.partial", "previous.ckpt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mode": "lowest"}, "mode=lowest"), ({"every_steps": 0}, "every_steps=0"), ({"keep_every": -1}, "keep_every=-1")],
)
def test_mistakes_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=message):
        KeepCheckpoints(str(tmp_path), "val/mel", **options)


@pytest.fixture(scope="module")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"), clips=3)


NOBODY = r"monitor=val/loudness is logged by nothing .* one of val/duration, val/kl, val/mel, or null"


def test_a_name_that_nobody_logs_is_an_error_before_the_first_step(tiny_set: Path, tmp_path: Path) -> None:
    run = TinyRun(tiny_set, tmp_path, steps=4, validate_every=1, monitor="val/loudness")
    with pytest.raises(SovitsError, match=NOBODY):
        run.attempt()
    assert not (tmp_path / "csv" / "metrics.csv").exists()


class Own(Callback):
    """Somebody's callback, which may log anything."""


def test_beside_callbacks_of_ones_own_the_first_validation_tells(tiny_set: Path, tmp_path: Path) -> None:
    run = TinyRun(tiny_set, tmp_path, steps=4, validate_every=1, monitor="val/loudness")
    with pytest.raises(SovitsError, match=NOBODY):
        run.attempt(Own())
    assert "train/generator/mel" in run.table()


def test_a_full_disk_ends_a_run_with_the_last_good_checkpoint(tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = TinyRun(tiny_set, tmp_path, steps=3, validate_every=1)
    save, saved = torch.save, []

    def full(checkpoint: dict[str, Any], file: Any) -> None:
        saved.append(checkpoint["sovits"]["generator_step"])
        if saved[-1] == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(checkpoint, file)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(SovitsError, match=r"\.ckpt could not be written \(No space left on device\); the last good .*last.ckpt of step 1"):
        run.attempt()
    monkeypatch.setattr(torch, "save", save)
    run.attempt()
    assert run.last()["sovits"]["generator_step"] == 3


def test_the_best_is_kept_by_its_score(tiny_set: Path, tmp_path: Path) -> None:
    scores = iter([3.0, 1.0, float("nan"), 2.0, 0.5])

    class Figure(KillAt):
        """Logs the next score at every validation."""

        def __init__(self) -> None:
            pass

        def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            pl_module.log("val/figure", next(scores))

    run = TinyRun(tiny_set, tmp_path, steps=4, validate_every=1, monitor="val/figure")
    run.attempt(Figure())
    folder = tmp_path / "checkpoints"
    assert [steps_in(folder / name) for name in ("last.ckpt", "previous.ckpt", "best.ckpt")] == [4, 3, 2]
    assert (run.keeper.best_score, run.keeper.best_step) == (1.0, 2)
    assert run.keeper.best_model_path == str(folder / "best.ckpt")


def test_some_checkpoints_stay(tiny_set: Path, tmp_path: Path) -> None:
    whole, run = (TinyRun(tiny_set, tmp_path / name, steps=7, validate_every=2, keep_every=2) for name in ("whole", "killed"))
    whole.attempt()
    kept = {path.name: torch.load(path, weights_only=True) for path in (tmp_path / "whole" / "checkpoints").glob("step_*.ckpt")}
    assert {name: checkpoint["sovits"]["generator_step"] for name, checkpoint in kept.items()} == {
        f"step_{step}.ckpt": step for step in (2, 4, 6)
    }

    with pytest.raises(Killed):
        # Right after a validation, before the next batch, at whose start a checkpoint is kept.
        run.attempt(KillAt("on_train_batch_start", 3))
    run.attempt()
    folder = tmp_path / "killed" / "checkpoints"
    for name, checkpoint in kept.items():
        again = torch.load(folder / name, weights_only=True)
        # Lightning counts an epoch that is about to begin in one of them.
        assert differences({**checkpoint, "loops": None, "epoch": None}, {**again, "loops": None, "epoch": None}) == []
    assert differences(whole.last(), run.last()) == []


def test_a_table_goes_on_where_the_checkpoint_was(tmp_path: Path) -> None:
    first = CsvTable(str(tmp_path / "csv"), 1)
    for step in range(4):
        first.log_metrics({"a": step / 3}, step)
    first.log_metrics({"val": 1.0}, 3)
    first.save()
    whole = first.path.read_text()
    with first.path.open("a", newline="") as file:
        file.write("0.1,")
    second = CsvTable(str(tmp_path / "csv"), 1)
    second.cut_off(2)
    assert second.path.read_text().splitlines() == ["a,step", "0.0,0", "0.3333333333333333,1"]
    for step in (2, 3):
        second.log_metrics({"a": step / 3}, step)
    second.log_metrics({"val": 1.0}, 3)
    second.to_disk()
    assert second.path.read_text() == whole
    third = CsvTable(str(tmp_path / "csv"), 1)
    third.cut_off(0)
    assert not third.path.exists()


def test_a_damaged_table_is_told_not_mended(tmp_path: Path) -> None:
    table = CsvTable(str(tmp_path / "csv"))
    table.path.parent.mkdir(exist_ok=True)
    table.path.write_text("a,step\n1.0,0\n1.0\n1.0,2\n")
    with pytest.raises(SovitsError, match=r"metrics.csv, line 3 is damaged"):
        table.cut_off(3)
