"""A run that was interrupted anywhere ends bit for bit as the one that was not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.training.interruptions import EVERYTHING, Killed, KillAt, TinyRun, differences, write_set


@pytest.fixture(scope="module")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


def assert_same(run: TinyRun, whole: TinyRun) -> None:
    one, other = run.last(), whole.last()
    assert differences({key: one[key] for key in EVERYTHING}, {key: other[key] for key in EVERYTHING}) == []
    assert run.table() == whole.table()
    best = [(one.folder / "checkpoints" / "best.ckpt").stat().st_size for one in (run, whole)]
    assert best[0] == best[1]


def test_debug(tiny_set, tmp_path):
    whole = TinyRun(tiny_set, tmp_path / "whole")
    whole.attempt()
    print(whole.table())
    print(whole.trainer.num_training_batches)
    again = TinyRun(tiny_set, tmp_path / "again")
    again.attempt()
    assert_same(again, whole)
    for k in range(1, 9):
        run = TinyRun(tiny_set, tmp_path / f"killed{k}")
        with pytest.raises(Killed):
            run.attempt(KillAt("on_train_batch_end", k))
        run.attempt()
        print(k)
        assert_same(run, whole)
