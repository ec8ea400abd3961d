from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from sovits.errors import SovitsError
from sovits.training.guards import check_architecture, require_sane
from tests.builders import batches, tiny_training


def trainer(path: str = "") -> SimpleNamespace:
    return SimpleNamespace(checkpoint_callbacks=[SimpleNamespace(last_model_path=path)])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 2e6])
def test_a_bad_loss_names_step_clips_and_the_last_good_checkpoint(value: float) -> None:
    told = {"generator/total": torch.tensor(1.0), "generator/kl": torch.tensor(value)}
    with pytest.raises(SovitsError, match=r"generator/kl is .* at step 7 on the clips a/1, b/2 .*loss_limit=1e\+06.*resume=run/last.ckpt"):
        require_sane(told, 1e6, 7, ["a/1", "b/2"], trainer("run/last.ckpt"))
    with pytest.raises(SovitsError, match="no checkpoint was saved yet"):
        require_sane(told, 1e6, 7, ["a/1"], trainer())


def test_norms_may_be_large_but_must_be_numbers() -> None:
    require_sane({"generator/gradient_norm": torch.tensor(1e9), "generator/total": torch.tensor(9e5)}, 1e6, 1, ["a"], trainer())
    with pytest.raises(SovitsError, match="gradient_norm is nan"):
        require_sane({"generator/gradient_norm": torch.tensor(float("nan"))}, 1e6, 1, ["a"], trainer())


def test_another_architecture_is_told_part_by_part() -> None:
    own = {"synthesizer.flow.a": torch.zeros(2), "synthesizer.decoder.b": torch.zeros(3), "discriminators.c": torch.zeros(1)}
    check_architecture("x.ckpt", own, {name: value + 1 for name, value in own.items()})
    saved = {"synthesizer.flow.a": torch.zeros(4), "synthesizer.decoder.new": torch.zeros(3), "discriminators.c": torch.zeros(1)}
    with pytest.raises(SovitsError) as error:
        check_architecture("x.ckpt", saved, own)
    message = str(error.value)
    assert "synthesizer.flow (synthesizer.flow.a is [4] there and [2] here)" in message
    assert "synthesizer.decoder.b is only in this model" in message
    assert "synthesizer.decoder.new is only in the checkpoint" in message
    assert "discriminators" not in message
    assert "warm_start" in message


class Spoil(Callback):
    """Ruins a loss from a step on."""

    def __init__(self, step: int, weight: float) -> None:
        self.step, self.weight = step, weight

    def on_train_batch_start(self, trainer, pl_module, *_) -> None:
        if pl_module.generator_step == self.step:
            pl_module.weights["kl"] = self.weight


@pytest.mark.parametrize("weight", [float("nan"), 1e12])
def test_a_run_that_goes_wrong_stops_at_once_and_names_a_checkpoint_with_sound_weights(weight: float, tmp_path: Path) -> None:
    keeper = ModelCheckpoint(tmp_path, save_last=True, every_n_train_steps=4, save_on_train_epoch_end=False)
    trainer = Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        limit_val_batches=0, default_root_dir=tmp_path, callbacks=[Spoil(3, weight), keeper],
    )  # fmt: skip
    training = tiny_training(steps=9)
    with pytest.raises(SovitsError, match=r"generator/total is .* at step 4 on the clips ana/1, bo/1 .*resume=.*last\.ckpt") as error:
        trainer.fit(training, batches(4))
    saved = torch.load(str(error.value).split("resume=")[1].split(",")[0], weights_only=True)
    assert saved["sovits"]["generator_step"] == 2
    assert all(value.isfinite().all() for value in saved["state_dict"].values())
