import copy
from pathlib import Path

import pytest
import torch
from lightning import Callback, LightningModule, Trainer

from sovits.audio.spectrogram import MelSpectrogram
from sovits.errors import SovitsError
from sovits.training.optimisation import RandomState, WarmEma, WarmUpCosine
from tests.builders import HOP, batches, tiny_batch, tiny_synthesizer, tiny_training


def trainer_in(folder: Path, **settings) -> Trainer:
    return Trainer(
        accelerator="cpu", devices=1, max_epochs=-1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, default_root_dir=folder, enable_checkpointing=False, **settings,
    )  # fmt: skip


def fit(training: LightningModule, folder: Path, n_batches: int = 4, callbacks=(), **settings) -> Trainer:
    trainer = trainer_in(folder, callbacks=list(callbacks), limit_val_batches=0, **settings)
    trainer.fit(training, batches(n_batches))
    return trainer


def moved(before: dict, after: dict) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def trainable(module: torch.nn.Module) -> set[str]:
    return {name for name, weight in module.named_parameters() if weight.requires_grad}


def test_one_adversarial_step_moves_both_players_whole(tmp_path: Path) -> None:
    training = tiny_training(steps=1)
    # The couplings start as the identity, so that nothing behind them could move on the very first step.
    for step in training.synthesizer.flow.steps:
        torch.nn.init.normal_(step.shift.weight, std=0.1)
    before = copy.deepcopy(training.state_dict())
    fit(training, tmp_path)
    changed = moved(before, training.state_dict())
    # Word embeddings of words that were not in the batch are all one tensor with those that were.
    assert trainable(training) - changed == set()
    assert training.generator_step == 1


def test_the_warm_up_leaves_the_adversary_alone(tmp_path: Path) -> None:
    training = tiny_training(steps=2, adversary_from=2)
    before = copy.deepcopy(training.discriminators.state_dict())
    generator = copy.deepcopy(training.synthesizer.state_dict())
    fit(training, tmp_path)
    assert moved(before, training.discriminators.state_dict()) == set()
    assert moved(generator, training.synthesizer.state_dict())


def test_each_player_only_moves_its_own_weights() -> None:
    training, batch = tiny_training(), tiny_batch()
    output, voices = training._forward(batch)
    real = training._real_slices(batch, output)
    discriminator_loss = sum(logits.sum() for logits, _ in training.discriminators(output.audio.detach()))
    gradients = torch.autograd.grad(discriminator_loss, list(training.synthesizer.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)
    training.discriminators.requires_grad_(False)
    terms = training._generator_losses(batch, output, voices, real, adversary=True)
    training._weighted(terms).backward()
    assert all(weight.grad is None for weight in training.discriminators.parameters())
    assert set(terms) == set(training.weights)


def test_trains_in_bfloat16_with_weights_in_float32(tmp_path: Path) -> None:
    training = tiny_training(steps=2)
    before = copy.deepcopy(training.state_dict())
    fit(training, tmp_path, precision="bf16-mixed")
    assert all(weight.dtype == torch.float32 and weight.isfinite().all() for weight in training.parameters())
    assert len(moved(before, training.state_dict())) > 0.9 * len(trainable(training))


def test_a_frozen_language_model_stays_put_and_everything_else_moves(tmp_path: Path) -> None:
    synthesizer = tiny_synthesizer()
    synthesizer.semantic_encoder.trainable = False
    synthesizer.semantic_encoder.model.requires_grad_(False)
    training = tiny_training(steps=1, synthesizer=synthesizer)
    before = copy.deepcopy(training.state_dict())
    fit(training, tmp_path)
    changed = moved(before, training.state_dict())
    assert not any("semantic_encoder.model" in name for name in changed)
    assert any("text_encoder.semantic" in name for name in changed)


def test_the_slice_of_audio_lies_under_the_slice_of_latents() -> None:
    training, batch = tiny_training(), tiny_batch()
    output, _ = training._forward(batch)
    real = training._real_slices(batch, output)
    start = int(output.slice_starts[0]) * HOP
    assert torch.equal(real[0, 0], batch.waveforms[0, start : start + 8 * HOP])


def test_training_lowers_the_reconstruction_loss(tmp_path: Path) -> None:
    training, batch = tiny_training(steps=100, adversary_from=1000, clip_norm=100.0), tiny_batch()

    def loss() -> float:
        with torch.no_grad():
            torch.manual_seed(7)
            output, _ = training._forward(batch)
            return float(training.mel_loss(output.audio, training._real_slices(batch, output)))

    before = loss()
    fit(training, tmp_path, n_batches=20)
    assert loss() < 0.6 * before
    assert training.generator_step == 100


def test_steps_are_generator_steps_whatever_lightning_counts(tmp_path: Path) -> None:
    training = tiny_training(steps=5, adversary_from=2)
    trainer = fit(training, tmp_path)
    assert training.generator_step == 5
    assert trainer.global_step == 2 + 2 * 3


class SaveAt(Callback):
    """Saves a checkpoint after a step that ends an epoch: when training ends, averaged weights replace the current ones."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        if pl_module.generator_step == self.step:
            trainer.save_checkpoint(self.path)


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, resumed = tiny_training(steps=8), tiny_training(steps=8)
    loader, saved = batches(4), tmp_path / "half.ckpt"

    def run(training, *extra: Callback, ckpt_path: Path | None = None) -> None:
        trainer = trainer_in(tmp_path, callbacks=[RandomState(), WarmEma(0.9), *extra], limit_val_batches=0)
        trainer.fit(training, loader, ckpt_path=ckpt_path, weights_only=True)

    torch.manual_seed(3)
    run(whole, SaveAt(4, saved))
    torch.manual_seed(99)
    run(resumed, ckpt_path=saved)
    assert resumed.generator_step == 8
    assert moved(whole.state_dict(), resumed.state_dict()) == set()


def test_a_checkpoint_of_other_speakers_is_refused(tmp_path: Path) -> None:
    training = tiny_training(steps=1)
    trainer = fit(training, tmp_path)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    other = tiny_training(steps=2, speakers=["ana", "carl"])
    with pytest.raises(SovitsError, match="ana, bo.*ana, carl"):
        trainer_in(tmp_path).fit(other, batches(2), ckpt_path=tmp_path / "a.ckpt", weights_only=True)


def test_validation_is_repeatable_and_leaves_the_random_state_alone(tmp_path: Path) -> None:
    training, trainer, loader = tiny_training(), trainer_in(tmp_path), batches(2)
    first = trainer.validate(training, loader, verbose=False)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert trainer.validate(training, loader, verbose=False) == first
    assert torch.equal(state, torch.get_rng_state())
    assert set(first[0]) == {"val/mel", "val/kl", "val/duration"}


def test_the_moving_average_moves_and_warms_up(tmp_path: Path) -> None:
    training, ema = tiny_training(steps=6), WarmEma(0.999)
    start = training.synthesizer.text_encoder.prior.weight.detach().clone()
    current: dict[str, torch.Tensor] = {}

    class Watch(Callback):
        def on_train_batch_end(self, trainer, pl_module, *_) -> None:
            current["weight"] = pl_module.synthesizer.text_encoder.prior.weight.detach().clone()

    fit(training, tmp_path, callbacks=[Watch(), ema])
    averaged = training.synthesizer.text_encoder.prior.weight
    total = (current["weight"] - start).norm()
    # With decay 0.999 throughout, six updates would have gone under 1 % of the way.
    assert 0.3 * total < (averaged - start).norm() < total
    assert not torch.equal(averaged, current["weight"])


def test_an_exploding_loss_names_the_step_and_the_clips(tmp_path: Path) -> None:
    training = tiny_training(steps=3, adversary_from=10)
    training.weights["kl"] = float("nan")
    with pytest.raises(SovitsError, match=r"nan at step 1 on the clips ana/1, bo/1"):
        fit(training, tmp_path)


def test_settings_that_contradict_are_refused_before_the_first_step() -> None:
    with pytest.raises(SovitsError, match=r"hop_length=64 and audio.hop_length=128"):
        tiny_training(mel_spectrogram=MelSpectrogram(8000, 256, 128, 20))
    with pytest.raises(SovitsError, match=r"spec_channels=20 and the 21 channels"):
        tiny_training(posterior_spectrogram=MelSpectrogram(8000, 256, 64, 21))
    with pytest.raises(SovitsError, match="training.weights"):
        tiny_training(weights={"mel": 1.0})


def test_the_schedule_warms_up_peaks_and_falls_to_its_floor() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = WarmUpCosine(optimizer, warm_up_steps=4, steps=24, floor=0.1)
    rates = []
    for _ in range(30):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[14] == pytest.approx(0.55)
    assert rates[24:] == pytest.approx([0.1] * 6)
