"""Stopping and resuming at any batch gives the batches of the run that was never stopped, under Lightning's own loops."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from sovits.data.augmentation import Augmentation, Gain, Noise, Room
from sovits.data.batch import Batch
from sovits.data.sampler import Draw
from sovits.data.tempo import Speed


class Recorder(lightning.LightningModule):
    """Two optimisers stepped by hand, as in training, and a note of every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weights = torch.nn.ParameterList([torch.zeros(1), torch.zeros(1)])
        self.seen: list[tuple] = []

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        assert batch.text.phones.device == batch.waveforms.device == self.device
        self.seen.append((self.current_epoch, batch_idx, *batch.ids, float(batch.references.sum())))
        for optimizer in self.optimizers():
            optimizer.step()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        assert len(batch) > 0

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD([weight], 0.1) for weight in self.weights]


@pytest.fixture
def fit(make_data):
    """Trains over the small set (5 batches an epoch), with checkpoints if wanted, and gives what was seen."""

    def run(*callbacks, checkpoint=None, workers=0, loader_options=None, **trainer_options) -> list[tuple]:
        data = make_data(num_workers=workers, frame_budget=450, **(loader_options or {}))
        trainer = lightning.Trainer(
            accelerator="cpu",
            callbacks=list(callbacks),
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **({"max_epochs": 3, "enable_checkpointing": bool(callbacks)} | trainer_options),
        )
        module = Recorder()
        trainer.fit(module, data, ckpt_path=checkpoint)
        return module.seen

    return run


def checkpoints(folder: Path) -> dict[int, Path]:
    """Batches done -> checkpoint; Lightning counts two optimiser steps each."""
    found = {int(path.stem.split("step=")[1]) // 2: path for path in folder.glob("*.ckpt")}
    return dict(sorted(found.items()))


@pytest.mark.parametrize("length", [{"max_epochs": 3}, {"max_epochs": -1, "max_steps": 30}], ids=["epochs", "steps"])
@pytest.mark.parametrize("validation", [{}, {"limit_val_batches": 0}, {"val_check_interval": 2}], ids=["val", "no val", "val inside"])
def test_a_run_resumed_after_any_batch_sees_the_same_batches(fit, tmp_path, length, validation):
    saving = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=2, save_top_k=-1)
    whole = fit(saving, **length, **validation)
    assert len(whole) == 15
    assert [entry[:2] for entry in whole] == [(epoch, index) for epoch in range(3) for index in range(5)]
    assert len({tuple(entry[2:] for entry in whole[first : first + 5]) for first in (0, 5, 10)}) == 3, "every epoch has its own batches"
    saved = checkpoints(tmp_path)
    assert list(saved) == list(range(1, 16))
    for done, path in saved.items():
        assert fit(checkpoint=path, **length, **validation) == whole[done:], f"resumed after {done} batches"


@pytest.mark.parametrize("length", [{"max_epochs": 3}, {"max_epochs": -1, "max_steps": 30}], ids=["epochs", "steps"])
@pytest.mark.parametrize("at_epoch_end", [True, False])
def test_a_run_resumed_between_epochs_sees_the_same_batches(fit, tmp_path, length, at_epoch_end):
    saving = ModelCheckpoint(tmp_path / "first", filename="{step}", every_n_epochs=1, save_on_train_epoch_end=at_epoch_end, save_top_k=-1)
    whole = fit(saving, **length)
    saved = checkpoints(tmp_path / "first")
    assert list(saved) == [5, 10, 15]
    for done, path in saved.items():
        again = ModelCheckpoint(tmp_path / f"again{done}", filename="{step}", every_n_train_steps=2, save_top_k=-1)
        assert fit(again, checkpoint=path, **length) == whole[done:]
    for done, path in checkpoints(tmp_path / "again5").items():
        # The epoch's number is Lightning's, and with max_steps wrong from the second resumption on; the batches are what counts.
        assert [entry[1:] for entry in fit(checkpoint=path, **length)] == [entry[1:] for entry in whole[done:]]


def test_a_run_counted_in_steps_alone_resumes_from_its_validations(fit, tmp_path):
    """As `conf/trainer` and `conf/callbacks` have it: no last epoch, validation every so many batches, a checkpoint at each."""

    class Stop(lightning.Callback):
        def on_train_batch_end(self, trainer, *_) -> None:
            trainer.should_stop = trainer.global_step >= 30

    counted = {"max_epochs": -1, "check_val_every_n_epoch": None, "val_check_interval": 5}
    whole = fit(ModelCheckpoint(tmp_path, filename="{step}", save_on_train_epoch_end=False, save_top_k=-1), Stop(), **counted)
    assert len(whole) == 15
    for done, path in checkpoints(tmp_path).items():
        seen = fit(Stop(), checkpoint=path, enable_checkpointing=False, **counted) if done < 15 else []
        assert seen == whole[done:], f"resumed after {done} batches"


def test_workers_change_nothing(fit, tmp_path):
    saving = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=6, save_top_k=-1)
    whole = fit(saving, workers=2)
    assert whole == fit(workers=0)
    assert fit(checkpoint=checkpoints(tmp_path)[3], workers=2) == whole[3:], "what workers had read ahead is not counted"
    assert fit(checkpoint=checkpoints(tmp_path)[12], workers=0) == whole[12:]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_worker_count_gives_the_same_tensors_to_the_last_bit(make_data, workers):
    augmentation = Augmentation(speed=Speed(), room=Room(probability=0.7), noise=Noise(probability=0.7), gain=Gain(), references=True)
    plain, varied = ({"augmentation": None}, {"augmentation": augmentation})
    for options in (plain, varied):
        expected = list(make_data(**options).train_dataloader())
        seen = list(make_data(num_workers=workers, **options).train_dataloader())
        assert [batch.ids for batch in seen] == [batch.ids for batch in expected]
        for one, other in zip(seen, expected, strict=True):
            assert torch.equal(one.waveforms, other.waveforms)
            assert torch.equal(one.references, other.references)
            assert torch.equal(one.frame_lengths, other.frame_lengths)
            assert torch.equal(one.text.phones, other.text.phones)


def test_workers_started_afresh_map_the_audio_instead_of_receiving_it(make_data):
    # As on systems that cannot fork: the data set goes to the workers as a message.
    dataset = make_data().train_dataloader().dataset
    message = pickle.dumps(dataset)
    assert len(message) < 0.1 * sum(2 * clip.frames * 80 for clip in dataset.clips)
    for number in range(len(dataset)):
        one, other = dataset[Draw(number, 0, 0)], pickle.loads(message)[Draw(number, 0, 0)]
        assert np.array_equal(one.waveform, other.waveform)
        assert np.array_equal(one.reference, other.reference)


def test_resumed_at_any_batch_by_any_number_of_workers_with_augmentation(make_data):
    options = {"augmentation": Augmentation(speed=Speed(0.8, 1.2), noise=Noise(probability=1.0)), "balance": 0.3}
    loader = make_data(**options).train_dataloader()
    for epoch in (0, 3):
        loader.batch_sampler.sampler.set_epoch(epoch)
        states, whole = [loader.state_dict() | {"epoch": epoch, "consumed": 0}], []
        for batch in loader:
            whole.append(batch)
            states.append(loader.state_dict())
        for done in range(0, len(whole), 2):
            other = make_data(num_workers=done % 3, **options).train_dataloader()
            other.load_state_dict(states[done])
            rest = list(other)
            assert [batch.ids for batch in rest] == [batch.ids for batch in whole[done:]]
            assert all(torch.equal(one.waveforms, two.waveforms) for one, two in zip(rest, whole[done:], strict=True))


def test_other_data_settings_begin_the_epoch_anew_and_say_so(fit, tmp_path, caplog):
    fit(ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=2, save_top_k=-1))
    with caplog.at_level(logging.WARNING, logger="sovits"):
        seen = fit(checkpoint=checkpoints(tmp_path)[7], loader_options={"seed": 6})
    assert "epoch 1 begins anew instead of at batch 2" in caplog.text
    other = fit(loader_options={"seed": 6})
    assert seen[0][2:] == other[5][2:], "its first batch"


def test_an_epoch_of_its_own_generator_leaves_the_global_one_alone(make_data):
    loader = make_data().train_dataloader()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    next(iter(loader))
    assert torch.equal(torch.rand(3), expected)


def test_the_state_of_a_plain_loop(make_data):
    loader, other = make_data().train_dataloader(), make_data().train_dataloader()
    loader.batch_sampler.sampler.set_epoch(4)
    batches = [batch.ids for batch in loader]
    assert len(batches) == len(loader)
    passing = iter(loader)
    for _ in range(3):
        next(passing)
    assert loader.state_dict()["consumed"] == 3
    assert loader.state_dict()["epoch"] == 4
    other.load_state_dict(loader.state_dict())
    assert [batch.ids for batch in other] == batches[3:]
    assert [batch.ids for batch in other] == batches, "the next pass is whole"
