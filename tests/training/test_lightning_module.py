import copy
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader

from sovits import losses
from sovits.audio.spectrogram import MelSpectrogram
from sovits.data.batch import Batch
from sovits.errors import SovitsError
from sovits.modules import DurationPredictor, FrameRateDecoder, SpeakerTable, StochasticDurationPredictor, TextEncoder
from sovits.training.lightning_module import GENERATOR_LOSSES, VoiceTraining
from sovits.training.optimisation import RandomState, WarmEma, WarmUpCosine
from sovits.training.rounds import Rounds
from tests.builders import EMBEDDING, HOP, batches, tiny_batch, tiny_synthesizer, tiny_text, tiny_training


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
    assert set(terms) == set(training.weights) - {"pitch", "melody"}


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


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_moving_average_is_the_formula_of_every_update(accumulate: int, tmp_path: Path) -> None:
    training = tiny_training(steps=5, adversary_from=2, rounds=Rounds(accumulate=accumulate))
    average: dict[str, torch.Tensor] = {}

    class Follow(Callback):
        """Before WarmEma, so that it sees the weights as they are."""

        updates = 0

        def on_train_batch_end(self, trainer, pl_module, *_) -> None:
            if pl_module.batches_since_step:
                return
            decay = min(0.3, (1 + self.updates) / (10 + self.updates)) if self.updates else 0.0
            self.updates += 1
            for name, weight in pl_module.named_parameters():
                average[name] = decay * average.get(name, 0.0) + (1 - decay) * weight.detach()

    follow = Follow()
    fit(training, tmp_path, callbacks=[follow, WarmEma(0.3)])
    assert follow.updates == 5
    for name, weight in training.named_parameters():
        torch.testing.assert_close(weight, average[name], rtol=1e-5, atol=1e-7)


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


def gradients(training: LightningModule, loader, folder: Path) -> dict[str, torch.Tensor]:
    """What both players' first update saw; the optimisers stand still."""
    trainer_in(folder, limit_val_batches=0).fit(training, loader)
    return {name: weight.grad for name, weight in training.named_parameters() if weight.grad is not None}


def test_accumulated_batches_have_the_gradient_of_the_joined_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.zeros(shape))
    batch = tiny_batch()
    batch.waveforms, batch.frame_lengths = batch.waveforms[:, : 15 * HOP], torch.tensor([15, 15])
    batch.text.lengths[:] = 6
    still = partial(torch.optim.SGD, lr=0.0)
    settings = {"steps": 1, "clip_norm": 1e9, "generator_optimizer": still, "discriminator_optimizer": still}

    def training(accumulate: int, adversary_from: int) -> VoiceTraining:
        torch.manual_seed(0)
        # A table: batch norm would see one clip in place of two.
        synthesizer = tiny_synthesizer(
            text_encoder=TextEncoder(50, 6, 3, 8, 16, 32, 2, 1, 3, 0.0, 8),
            duration_predictor=DurationPredictor(16, 16, 3, 0.0, EMBEDDING),
            speaker_encoder=SpeakerTable(2, EMBEDDING),
        )
        weights = {**dict.fromkeys(GENERATOR_LOSSES, 1.0), "pitch": 0.0, "melody": 0.0, "consistency": 0.0}
        rounds = Rounds(accumulate=accumulate)
        return tiny_training(synthesizer=synthesizer, weights=weights, rounds=rounds, adversary_from=adversary_from, **settings)

    fields = ("waveforms", "frame_lengths", "references", "speakers", "ids", "texts")
    texts = [replace(batch.text, **{name: value[row : row + 1] for name, value in vars(batch.text).items()}) for row in range(2)]
    rows = [replace(batch, text=texts[row], **{name: getattr(batch, name)[row : row + 1] for name in fields}) for row in range(2)]
    # Feature matching is relative to the features of the whole batch: with an adversary only the discriminators' gradients are sums.
    for adversary_from, player in ((5, "synthesizer"), (0, "discriminators")):
        joined = gradients(training(1, adversary_from), DataLoader([batch], batch_size=None), tmp_path)
        halves = gradients(training(2, adversary_from), DataLoader(rows, batch_size=None), tmp_path)
        assert joined.keys() == halves.keys()
        compared = {name: value for name, value in joined.items() if name.startswith(player) and value.any()}
        assert len(compared) > 20
        for name, value in compared.items():
            assert (halves[name] - value).norm() <= 3e-6 * value.norm() + 1e-7, name


class Seeded(Callback):
    """Every batch draws from a seed of its own."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        torch.manual_seed(batch_idx)


def usual_steps(training: VoiceTraining, loader, learning_rate: float) -> None:
    """Alternating updates as a textbook has them: each player's own passes, nothing frozen, shared or remembered."""
    generator = [*training.synthesizer.parameters(), *training.speaker_classifier.parameters()]
    players = [torch.optim.SGD(weights, learning_rate) for weights in (training.discriminators.parameters(), generator)]

    def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], training.clip_norm)
        optimizer.step()

    for number, batch in enumerate(loader):
        torch.manual_seed(number)
        output, voices = training.train()._forward(batch)
        places = (output.slice_starts * HOP).tolist()
        real = torch.stack([samples[None, at : at + 8 * HOP] for samples, at in zip(batch.waveforms, places, strict=True)])
        judges = training.discriminators.judges
        verdicts = [(judge(real)[0], judge(output.audio.detach())[0]) for judge in judges]
        update(players[0], sum(((1 - r) ** 2).mean() + (s**2).mean() for r, s in verdicts) / len(judges))

        judge_of_voices = copy.deepcopy(training.synthesizer.speaker_encoder).eval().requires_grad_(False)
        heard = [judge_of_voices(audio.squeeze(1)) for audio in (output.audio, real)]
        verdicts = [(judge(real), judge(output.audio)) for judge in judges]
        pairs = [pair for r, s in verdicts for pair in zip(r[1], s[1], strict=True)]
        terms = {
            "mel": training.mel_loss(output.audio, real),
            "kl": losses.kl_loss(output),
            "duration": losses.duration_loss(output),
            "speaker": training.speaker_classifier(voices, batch.speakers),
            "consistency": 1 - (heard[0] * heard[1]).sum(1).mean(),
            "adversarial": sum(((1 - s[0]) ** 2).mean() for _, s in verdicts) / len(judges),
            "feature_matching": sum((r.detach() - s).abs().mean() / r.detach().abs().mean() for r, s in pairs) / len(pairs),
        }
        update(players[1], sum(training.weights[name] * term for name, term in terms.items()))


@pytest.mark.parametrize("clip_norm", [1e9, 0.5])
def test_three_steps_are_those_of_the_usual_order_of_updates(clip_norm: float, tmp_path: Path) -> None:
    descent = partial(torch.optim.SGD, lr=0.002)
    weights = {
        "mel": 2.0,
        "kl": 0.5,
        "duration": 0.7,
        "pitch": 0.0,
        "melody": 0.0,
        "speaker": 0.3,
        "consistency": 1.5,
        "adversarial": 1.2,
        "feature_matching": 0.9,
    }
    settings = {"weights": weights, "clip_norm": clip_norm, "generator_optimizer": descent, "discriminator_optimizer": descent}
    ours = tiny_training(steps=3, schedule=partial(torch.optim.lr_scheduler.ConstantLR, factor=1.0), **settings)
    usual, before, loader = copy.deepcopy(ours), copy.deepcopy(ours.state_dict()), batches(3)
    trainer_in(tmp_path, callbacks=[Seeded()], limit_val_batches=0).fit(ours, loader)
    usual_steps(usual, loader, 0.002)
    assert len(moved(before, ours.state_dict())) > 0.9 * len(trainable(ours))
    for name, value in usual.state_dict().items():
        # What is compared is the way gone: weights hardly change in three steps. A leaky corner may turn rounding into a thousandth of it.
        way = (value - before[name]).float().norm()
        assert (ours.state_dict()[name] - value).float().norm() <= 5e-3 * way + 3e-7, name


def test_at_first_only_the_mel_loss_counts(tmp_path: Path) -> None:
    training = tiny_training(steps=2, adversary_from=2, mel_only_steps=2)
    before = copy.deepcopy(training.state_dict())
    fit(training, tmp_path)
    changed = moved(before, training.state_dict())
    assert any(name.startswith("synthesizer.decoder") for name in changed)
    assert any(name.startswith("synthesizer.posterior_encoder") for name in changed)
    assert not any(name.startswith(("synthesizer.text_encoder", "synthesizer.duration_predictor", "synthesizer.flow")) for name in changed)
    assert tiny_training(adversary_from=2, mel_only_steps=3).mel_only_steps == 2


def test_the_ratio_of_updates_is_kept(tmp_path: Path) -> None:
    for ratio, expected in ((2, (3, 6)), (0.5, (4, 2))):
        training = tiny_training(steps=expected[0], rounds=Rounds(discriminator_ratio=ratio))
        trainer = fit(training, tmp_path, n_batches=3)
        steps = [int(next(iter(optimizer.state.values()))["step"]) for optimizer in trainer.optimizers]
        assert (training.generator_step, *steps) == (expected[0], *expected)


def test_frozen_parts_keep_their_weights_and_drop_nothing(tmp_path: Path) -> None:
    training = tiny_training(steps=2, freeze=["text_encoder", "discriminators.judges.0"])
    before = copy.deepcopy(training.state_dict())
    fit(training, tmp_path)
    changed = moved(before, training.state_dict())
    assert not any(name.startswith(("synthesizer.text_encoder", "discriminators.judges.0")) for name in changed)
    assert any(name.startswith("discriminators.judges.1") for name in changed)
    training.train()
    assert not training.synthesizer.text_encoder.training
    assert training.synthesizer.flow.training


def test_the_same_seed_gives_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        training = tiny_training(steps=3, adversary_from=1, synthesizer=tiny_synthesizer(
            duration_predictor=StochasticDurationPredictor(16, 16, 3, 0.1, EMBEDDING)
        ))  # fmt: skip
        fit(training, tmp_path)
        return training.state_dict()

    first = weights(1)
    assert moved(first, weights(1)) == set()
    assert moved(first, weights(2))


@pytest.mark.parametrize(("phones", "frames"), [(1, 1), (1, 40), (30, 30), (600, 2500)])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_losses_of_extreme_clips_are_numbers(phones: int, frames: int, precision: str, tmp_path: Path) -> None:
    synthesizer = tiny_synthesizer(duration_predictor=StochasticDurationPredictor(16, 16, 3, 0.1, EMBEDDING))
    training = tiny_training(steps=2, synthesizer=synthesizer)
    waveforms = 0.3 * torch.randn(1, frames * HOP)
    one = torch.tensor([0])
    facts = one, one == 0, one[:, None], torch.tensor([torch.inf])
    batch = Batch(tiny_text(phones), waveforms, torch.tensor([frames]), waveforms, *facts, ["ana/1"], ["x"])
    trainer_in(tmp_path, limit_val_batches=0, precision=precision).fit(training, DataLoader([batch] * 2, batch_size=None))
    assert training.generator_step == 2
    assert all(weight.isfinite().all() for weight in training.parameters())


def test_averaged_weights_in_a_checkpoint_speak_as_the_module_does(tmp_path: Path) -> None:
    training = tiny_training(steps=4)
    trainer = fit(training, tmp_path, callbacks=[WarmEma(0.9)])
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    saved = torch.load(tmp_path / "a.ckpt", weights_only=True)["state_dict"]
    other = tiny_training()
    other.load_state_dict(saved)
    text, voice = tiny_text(7), torch.nn.functional.normalize(torch.randn(1, EMBEDDING), dim=1)
    spoken = [
        module.synthesizer.eval().synthesize(text, voice, generators=torch.Generator().manual_seed(0)).audio for module in (training, other)
    ]
    torch.testing.assert_close(*spoken, rtol=1e-6, atol=1e-6)


def test_a_checkpoint_of_another_architecture_names_what_differs(tmp_path: Path) -> None:
    training = tiny_training(steps=1)
    fit(training, tmp_path).save_checkpoint(tmp_path / "a.ckpt")
    wider = tiny_training(steps=2, synthesizer=tiny_synthesizer(decoder=FrameRateDecoder(8, HOP, [2], 24, 32, 2, EMBEDDING)))
    with pytest.raises(SovitsError, match=r"another architecture; what differs: synthesizer.decoder \(.*there and .*here.*warm_start"):
        trainer_in(tmp_path).fit(wider, batches(2), ckpt_path=tmp_path / "a.ckpt", weights_only=True)


def test_a_clip_without_a_text_teaches_sound_alone(tmp_path: Path) -> None:
    weights = dict.fromkeys(GENERATOR_LOSSES, 0.0) | {"mel": 1.0, "kl": 1.0, "duration": 1.0}
    batch = replace(tiny_batch(), told=torch.tensor([False, False]))
    training = tiny_training(steps=1, adversary_from=1, weights=weights)
    before = copy.deepcopy(training.state_dict())
    trainer_in(tmp_path, limit_val_batches=0).fit(training, DataLoader([batch], batch_size=None))
    # Weight decay moves a weight without a gradient too, but in proportion.
    learned = {name.split(".")[1] for name in moved(before, training.state_dict()) if name.startswith("synthesizer.")}
    unscaled = {
        part.split(".")[1]
        for part, value in training.state_dict().items()
        if part.startswith("synthesizer.text_encoder") and not torch.allclose(value, before[part] * (1 - 1e-3 * 0.01), atol=1e-7)
    }
    assert {"decoder", "posterior_encoder"} <= learned
    assert unscaled == set()


def test_what_a_told_clip_teaches_does_not_depend_on_an_untold_one_beside_it() -> None:
    training = tiny_training().eval()
    both = tiny_batch()
    torch.manual_seed(0)
    output, _ = training._forward(replace(both, told=torch.tensor([True, False])))
    shares = [losses.kl_loss(output).item(), losses.duration_loss(output).item()]
    masked = replace(output, duration_penalty=torch.stack([output.duration_penalty[0], torch.tensor(1e3)]))
    assert losses.duration_loss(masked).item() == shares[1]
    assert output.frame_mask.sum() == both.frame_lengths[0]
    assert output.text_mask.sum() == both.text.lengths[0]
    first = replace(
        output,
        **{name: getattr(output, name)[:1] for name in ("prior_latent", "prior_mean", "prior_log_std", "frame_mask", "text_mask")},
        duration_penalty=output.duration_penalty[:1],
        posterior=type(output.posterior)(output.posterior.mean[:1], output.posterior.log_std[:1]),
    )
    assert [losses.kl_loss(first).item(), losses.duration_loss(first).item()] == pytest.approx(shares)


def test_at_first_phones_have_the_frames_that_the_batch_says() -> None:
    guided, batch = tiny_training(steps=2, guided_steps=1), tiny_batch()

    def frames() -> torch.Tensor:
        return guided._forward(batch)[0].alignment.sum(-1).long()

    assert torch.equal(frames(), batch.durations)
    guided.generator_step = 1
    assert not torch.equal(frames(), batch.durations)
    guided.generator_step = 0
    guided.eval()
    assert not torch.equal(frames(), batch.durations), "validation always lets the model find out"


def high_and_low(gradient: torch.Tensor) -> tuple[float, float]:
    """Energy above and below a quarter of the sample rate."""
    power = torch.fft.rfft(gradient).abs().square()
    return power[..., power.shape[-1] // 2 :].sum().item(), power[..., : power.shape[-1] // 2].sum().item()


@pytest.mark.parametrize("loss", ["mel", "adversarial", "feature_matching", "consistency"])
@pytest.mark.parametrize("band_limited", [True, False])
def test_what_a_recording_cannot_hold_is_not_learned_from_it(loss: str, band_limited: bool) -> None:
    training = tiny_training(band_limited=band_limited).eval()
    told = []
    training.synthesizer.decoder.head.register_forward_hook(lambda *call: told.append(call[-1]) or call[-1].retain_grad())
    batch = replace(tiny_batch(), bandwidths=torch.tensor([1000.0, torch.inf]))
    torch.manual_seed(0)
    output, voices = training._forward(batch)
    terms = training._generator_losses(batch, output, voices, training._real_slices(batch, output), adversary=True)
    terms[loss].backward()
    [of_narrow, of_wide] = told[0].grad
    high, low = high_and_low(of_narrow)
    assert low > 0
    assert (high < 1e-6 * low) == band_limited
    high, low = high_and_low(of_wide)
    assert high > 1e-3 * low


def test_the_players_compare_what_both_can_hold() -> None:
    training, batch = tiny_training(band_limited=True), replace(tiny_batch(), bandwidths=torch.tensor([1000.0, torch.inf]))
    output, _ = training._forward(batch)
    for audio in (output.audio, training._real_slices(batch, output)):
        high, low = high_and_low(audio[0])
        assert high < 1e-6 * low
        high, low = high_and_low(audio[1])
        assert high > 1e-3 * low
