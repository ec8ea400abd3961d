"""A run that was interrupted anywhere ends bit for bit as the one that was not: weights, averages, optimisers, figures."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from sovits.training.rounds import Rounds
from tests.training.interruptions import EVERYTHING, KillAt, Killed, TinyRun, differences, write_set

HOOKS = (
    "on_train_start", "on_train_epoch_start", "on_train_batch_start", "on_before_zero_grad", "on_train_batch_end", "on_validation_start",
    "on_validation_batch_end", "on_validation_epoch_end", "on_validation_end", "on_save_checkpoint", "on_train_epoch_end", "on_train_end",
)  # fmt: skip
"""Every kind of moment in which a process can end."""


@pytest.fixture(scope="module")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


def assert_same(run: TinyRun, whole: TinyRun) -> None:
    """Both checkpoints and the table of figures."""
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (torch.load(each.folder / "checkpoints" / name, weights_only=True) for each in (run, whole))
        assert differences({key: one[key] for key in EVERYTHING}, {key: other[key] for key in EVERYTHING}) == [], name
    assert run.table() == whole.table()


def kill(run: TinyRun, hook: str, count: int = 1) -> None:
    with pytest.raises(Killed):
        run.attempt(KillAt(hook, count))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"validate_every": 3}, id="epochs end between validations", marks=pytest.mark.slow),
        pytest.param(
            {"validate_every": 4, "changes": {"rounds": Rounds(1, 2)}, "steps": 5},
            id="several batches a step, epochs end at validations",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_killed_again_and_again_a_step_after_each_checkpoint(options: dict[str, Any], tiny_set: Path, tmp_path: Path) -> None:
    options = {"every_steps": 1, **options}
    whole, run = (TinyRun(tiny_set, tmp_path / name, **options) for name in ("whole", "killed"))
    whole.attempt()
    # Four batches an epoch: within it, before its last batch, at its end.
    assert whole.trainer.num_training_batches == 4
    batches_each_step = whole.trainer.lightning_module.rounds.batches_each_step()
    reached = []
    for _ in range(whole.steps):
        try:
            run.attempt(KillAt("on_train_batch_end", batches_each_step + 1))
        except Killed:
            reached.append(run.last()["sovits"]["generator_step"])
    assert len(reached) >= whole.steps - 2
    assert reached == sorted(set(reached))
    assert_same(run, whole)


@pytest.mark.slow
def test_killed_between_validations_at_epoch_ends_and_while_saving(tiny_set: Path, tmp_path: Path) -> None:
    """Only validations save, and the fourth batch ends an epoch as well as preceding one."""
    whole, run = (TinyRun(tiny_set, tmp_path / name, steps=6, validate_every=2) for name in ("whole", "killed"))
    whole.attempt()
    kill(run, "on_train_batch_end")
    assert not (run.folder / "checkpoints" / "last.ckpt").exists(), "killed before there was any"
    kill(run, "on_validation_end")
    kill(run, "on_train_epoch_end")
    kill(run, "on_train_epoch_start")
    assert run.last()["sovits"]["generator_step"] == 4
    kill(run, "on_save_checkpoint")
    kill(run, "on_train_end")
    assert run.last()["sovits"]["generator_step"] == 6
    # All steps are in the checkpoint; there is nothing to train.
    training = run.attempt()
    assert_same(run, whole)
    assert differences(dict(training.state_dict()), dict(run.last()["state_dict"])) == []


@pytest.mark.slow
def test_a_longer_run_goes_on_from_the_end_of_a_shorter_one_without_a_batch_twice_or_left_out(tiny_set: Path, tmp_path: Path) -> None:
    """The shorter one ends where no validation was due, one time at an epoch's end."""
    seen: list[tuple[str, ...]] = []

    class Note(KillAt):
        def __init__(self) -> None:
            pass

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            seen.append((str(trainer.current_epoch), str(batch_idx), *batch.ids))

    TinyRun(tiny_set, tmp_path / "whole", steps=9, validate_every=5).attempt(Note())
    whole, seen = seen, []
    for steps in (3, 8, 9):
        run = TinyRun(tiny_set, tmp_path / "longer", steps=steps, validate_every=5)
        run.attempt(Note(), resume=str(run.folder / "checkpoints" / "last.ckpt") if steps > 3 else None)
    assert seen == whole
    rows = [line.split(",") for line in run.table().splitlines()]
    trained = [row[rows[0].index("step")] for row in rows[1:] if row[rows[0].index("train/generator/mel")]]
    assert trained == [str(step) for step in range(9)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_under_any_rhythm(seed: int, tiny_set: Path, tmp_path: Path) -> None:
    chance = random.Random(seed)
    options: dict[str, Any] = {
        "steps": chance.choice([5, 7, 8]),
        "validate_every": chance.choice([1, 2, 3, 4, 5, 6]),
        "every_steps": chance.choice([None, 1, 2, 3]),
        "frame_budget": chance.choice([300, 450, 1200]),
        "changes": {"rounds": Rounds(chance.choice([1, 2]), chance.choice([1, 2, 0.5]))} if chance.random() < 0.4 else {},
        "trainer_options": chance.choice([{}, {}, {"check_val_every_n_epoch": 1, "val_check_interval": 1.0}, {"max_steps": 1000}]),
    }
    whole, run = (TinyRun(tiny_set, tmp_path / name, **options) for name in ("whole", "killed"))
    whole.attempt()
    for _ in range(8):
        try:
            run.attempt(KillAt(chance.choice(HOOKS), chance.choice([1, 1, 2, 3, 4])))
            break
        except Killed:
            continue
    run.attempt()
    assert_same(run, whole)
