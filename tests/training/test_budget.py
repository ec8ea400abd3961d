"""What each model of a comparison may spend: its numbers, its phases, its clock."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import lightning
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import nn

from sovits.cli import config_directory
from sovits.errors import SovitsError
from sovits.training import budget as budget_module
from sovits.training.budget import EqualSteps, EqualTime, EqualUpdatesPerSpeaker, TimeLimit, shortened
from sovits.training.optimisation import WarmUpCosine
from sovits.verbs.budgeting import keep_within_budget
from tests.builders import batches, tiny_training


class Data:
    """A set of four speakers of which a run chose some."""

    def __init__(self, *chosen: str) -> None:
        self.speakers = list(chosen)
        self.manifest = type("Manifest", (), {"speakers": ["ana", "bo", "cleo", "dan"]})


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        return compose("train", list(overrides))


def test_joint_and_per_speaker_follow_one_recipe() -> None:
    joint, alone = (composed(f"experiment={name}") for name in ("joint", "per_speaker"))
    assert joint.training == alone.training
    assert joint.trainer == alone.trainer
    assert {key for key in joint.data if joint.data[key] != alone.data[key]} == {"balance", "single_speaker"}


def test_equal_steps_leaves_every_model_as_it_is() -> None:
    config = composed("experiment=per_speaker", "data.speaker=ana")
    assert keep_within_budget(config, Data("ana")) == []
    assert (config.training.steps, config.training.adversary_from, config.trainer.val_check_interval) == (20000, 1000, 500)
    assert EqualSteps().allowance(0.25).steps == 1


def test_a_model_of_one_of_four_makes_a_quarter_of_the_updates_and_all_phases_keep_their_share(caplog: pytest.LogCaptureFixture) -> None:
    config = composed("experiment=per_speaker", "data.speaker=ana", "budget=equal_updates_per_speaker")
    with caplog.at_level(logging.INFO):
        assert keep_within_budget(config, Data("ana")) == []
    assert config.training.steps == 5000
    assert config.training.schedule.steps == 5000
    assert (config.training.adversary_from, config.training.mel_only_steps) == (250, 50)
    assert config.training.schedule.warm_up_steps == round(50 / 4)
    assert config.trainer.val_check_interval == 125
    assert config.budget.n_speakers == 4
    assert "1 of 4 speakers: training.steps 20000 -> 5000" in caplog.text


def test_the_joint_model_of_the_same_comparison_makes_all_of_them() -> None:
    config = composed("experiment=joint", "budget=equal_updates_per_speaker")
    keep_within_budget(config, Data("ana", "bo", "cleo", "dan"))
    assert config.training.steps == 20000
    chosen = composed("experiment=joint", "budget=equal_updates_per_speaker", "data.speakers=[ana,bo]")
    keep_within_budget(chosen, Data("ana", "bo"))
    assert (chosen.training.steps, chosen.budget.n_speakers) == (20000, 2)


def test_the_size_of_the_comparison_can_be_given() -> None:
    config = composed("experiment=per_speaker", "data.speaker=ana", "budget=equal_updates_per_speaker", "budget.n_speakers=2")
    keep_within_budget(config, Data("ana"))
    assert config.training.steps == 10000


def test_the_schedule_reaches_its_floor_at_the_end_of_the_smaller_budget() -> None:
    config = composed("experiment=per_speaker", "data.speaker=ana", "budget=equal_updates_per_speaker", "training.steps=400")
    keep_within_budget(config, Data("ana"))
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = config.training.schedule
    rates = WarmUpCosine(optimizer, schedule.warm_up_steps, schedule.steps, schedule.floor)
    for _ in range(config.training.steps):
        optimizer.step()
        rates.step()
    assert rates.get_last_lr()[0] == pytest.approx(schedule.floor)


def test_with_a_time_budget_the_rate_depends_on_no_number_of_steps() -> None:
    config = composed("experiment=per_speaker", "data.speaker=ana", "budget=equal_time", "budget.minutes=60")
    (limit,) = keep_within_budget(config, Data("ana"))
    assert limit.limit == 60 * 60 / 4
    assert config.training.steps == 20000
    assert config.training.adversary_from == 250
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    rates = WarmUpCosine(optimizer, config.training.schedule.warm_up_steps, config.training.schedule.steps, config.training.schedule.floor)
    assert [rates.lr_lambdas[0](step) for step in (20, 5000, 19999)] == [1, 1, 1]


@pytest.mark.parametrize(("steps", "share", "least", "expected"), [(1000, 1 / 3, 0, 333), (1, 0.1, 1, 1), (0, 0.5, 1, 0), (7, 1.0, 0, 7)])
def test_steps_are_rounded_and_never_fall_below_the_least(steps: int, share: float, least: int, expected: int) -> None:
    assert shortened(steps, share, least) == expected


def test_mistakes_name_the_key() -> None:
    with pytest.raises(SovitsError, match="budget.n_speakers=0"):
        EqualSteps(n_speakers=0)
    with pytest.raises(SovitsError, match="budget.minutes=0"):
        EqualTime(minutes=0)
    with pytest.raises(SovitsError, match="budget.n_speakers=2, but this model alone is of 3"):
        EqualUpdatesPerSpeaker(n_speakers=2).share(own=3, known=4)


class Clock:
    """A second passes whenever somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budget_module, "time", clock)
    return clock


def fitted(folder: Path, limit: TimeLimit, steps: int, resume: Path | None = None) -> tuple[lightning.Trainer, Path]:
    training = tiny_training(steps=steps)
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=-1, callbacks=[limit], logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, limit_val_batches=0, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(training, batches(100), ckpt_path=resume, weights_only=resume is not None or None)
    path = folder / "last.ckpt"
    trainer.save_checkpoint(path)
    trainer.generator_steps = training.generator_step
    return trainer, path


@pytest.mark.usefixtures("clock")
def test_the_clock_ends_the_run_and_a_resumed_one_has_only_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, saved = fitted(tmp_path, TimeLimit(minutes=100), steps=3)
    used = torch.load(saved, weights_only=True)["callbacks"]["TimeLimit"]["seconds"]
    assert first.generator_steps == 3
    assert 0 < used < 60
    assert "training.steps=3 ended the run" in caplog.text
    limit = TimeLimit(minutes=(used + 4) / 60)
    second, _ = fitted(tmp_path, limit, steps=50, resume=saved)
    assert 3 < second.generator_steps <= 3 + 4
    assert used + 4 <= limit.seconds <= used + 4 + 2


@pytest.mark.usefixtures("clock")
def test_a_run_that_has_used_its_time_makes_no_step_more(tmp_path: Path) -> None:
    _, saved = fitted(tmp_path, TimeLimit(minutes=100), steps=2)
    again, _ = fitted(tmp_path, TimeLimit(minutes=1 / 600), steps=50, resume=saved)
    assert again.generator_steps == 2


def test_validations_are_not_counted(clock: Clock) -> None:
    limit = TimeLimit(minutes=1)
    limit.on_train_batch_start(None, None, None, 0)
    limit.on_validation_start(None, None)
    used = limit.seconds
    clock.now += 1000
    assert limit.seconds == used
    limit.on_train_batch_start(None, None, None, 0)
    assert limit.seconds == used + 1
    assert limit.state_dict() == {"seconds": used + 2}
    assert math.isfinite(limit.limit)
