"""A small model that learns from a larger one: what it is taught, by whom, and what stays out of its checkpoints."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import nn

from sovits import losses
from sovits.errors import SovitsError
from sovits.modules import (
    DurationPredictor,
    Flow,
    FrameRateDecoder,
    PosteriorEncoder,
    SpeakerTable,
    StochasticDurationPredictor,
    Synthesizer,
    TextEncoder,
)
from sovits.training.distillation import TEACHER_LOSSES, HeardOutput, VoiceDistillation
from sovits.training.optimisation import WarmEma
from sovits.training.teacher import Teacher
from tests.builders import EMBEDDING, HOP, N_MELS, batches, tiny_batch, tiny_mels, tiny_synthesizer, tiny_training
from tests.training import interruptions
from tests.training.interruptions import EVERYTHING, KillAt, Killed, TinyRun, differences, write_set

HASH = "0123456789abcdef" * 4


def narrow_synthesizer(**changes: Any) -> Synthesizer:
    """Fewer channels everywhere than :func:`tiny_synthesizer` has, in its latents too."""
    parts: dict[str, Any] = {
        "text_encoder": TextEncoder(50, 6, 3, 4, 8, 16, 2, 1, 3, 0.1, 8),
        "posterior_encoder": PosteriorEncoder(N_MELS, 4, 8, 5, 1, EMBEDDING),
        "flow": Flow(4, 8, 5, 1, 2, EMBEDDING),
        "duration_predictor": DurationPredictor(8, 8, 3, 0.1, EMBEDDING),
        "decoder": FrameRateDecoder(4, HOP, [2], 8, 16, 1, EMBEDDING),
    }
    return tiny_synthesizer(**parts | changes)


def teacher_of(synthesizer: Synthesizer | None = None) -> Teacher:
    return Teacher(synthesizer or tiny_synthesizer(), tiny_mels())


def distilled(teacher: Teacher | None = None, share_alignment: bool = True, **settings: Any) -> VoiceDistillation:
    training = tiny_training(kind=VoiceDistillation, **{"synthesizer": narrow_synthesizer(), **settings})
    training.learn_from(teacher or teacher_of(), HASH, share_alignment)
    return training


def without_noise(synthesizer: Synthesizer) -> Synthesizer:
    """Its posterior is all but sure, so that a sample is the mean."""
    half = synthesizer.posterior_encoder.inter_channels
    with torch.no_grad():
        synthesizer.posterior_encoder.output.weight[half:] = 0
        synthesizer.posterior_encoder.output.bias[half:] = -40
    return synthesizer


def terms_of(training: VoiceDistillation, batch: Any, adversary: bool = False) -> dict[str, torch.Tensor]:
    output, voices = training._forward(batch)
    return training._generator_losses(batch, output, voices, training._real_slices(batch, output), adversary)


@pytest.mark.parametrize("durations", ["deterministic", "stochastic"])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(durations: str) -> None:
    changes = {"duration_predictor": StochasticDurationPredictor(16, 16, 3, 0.1, EMBEDDING)} if durations == "stochastic" else {}
    network = without_noise(tiny_synthesizer(**changes))
    training = distilled(teacher_of(copy.deepcopy(network)), synthesizer=network).eval()
    assert not list(training.projections.parameters())
    terms = terms_of(training, tiny_batch())
    if durations == "stochastic":
        # A likelihood of what was drawn is no distance, and has no zero.
        assert terms.pop("teacher_duration").isfinite()
    for name in TEACHER_LOSSES:
        assert terms.get(name, torch.zeros(())).item() == pytest.approx(0, abs=1e-5), name
    alone = tiny_training(synthesizer=network).eval()
    output, voices = alone._forward(batch := tiny_batch())
    torch.testing.assert_close(
        terms_of(training, batch)["kl"], alone._generator_losses(batch, output, voices, output.audio, False)["kl"], rtol=1e-4, atol=1e-4
    )


def test_another_teacher_leaves_something_to_learn_of_every_kind() -> None:
    terms = terms_of(distilled(), tiny_batch(), adversary=True)
    assert set(terms) == set(VoiceDistillation.known_losses) - {"pitch", "melody"}
    assert all(terms[name].isfinite() and terms[name] > 1e-3 for name in TEACHER_LOSSES)


@pytest.mark.parametrize(
    ("loss", "taught"),
    [
        ("teacher_mel", {"synthesizer.posterior_encoder", "synthesizer.decoder", "synthesizer.speaker_encoder"}),
        ("teacher_posterior", {"synthesizer.posterior_encoder", "synthesizer.speaker_encoder", "projections.posterior"}),
        ("teacher_prior", {"synthesizer.text_encoder", "synthesizer.semantic_encoder", "projections.prior"}),
        ("teacher_duration", {"synthesizer.duration_predictor", "synthesizer.speaker_encoder"}),
        ("teacher_voice", {"synthesizer.speaker_encoder"}),
    ],
)
def test_each_loss_teaches_its_part_and_none_the_teacher(loss: str, taught: set[str]) -> None:
    training = distilled()
    terms_of(training, tiny_batch())[loss].backward()
    reached = {".".join(name.split(".")[:2]) for name, weight in training.named_parameters() if weight.grad is not None}
    assert reached == taught
    assert training.teacher is not None
    assert all(weight.grad is None and not weight.requires_grad for weight in training.teacher.synthesizer.parameters())


def test_a_loss_of_weight_0_is_not_computed() -> None:
    training = distilled()
    training.weights |= {"teacher_mel": 0.0, "teacher_voice": 0.0}
    training.teacher.say = None  # type: ignore[union-attr, method-assign, assignment]
    assert set(TEACHER_LOSSES) - set(terms_of(training, tiny_batch())) == {"teacher_mel", "teacher_voice"}


def test_a_hint_is_the_share_of_variance_that_it_misses() -> None:
    generator = np.random.default_rng(0)
    target, hint = generator.normal(3.0, 2.0, (2, 3, 7)), generator.normal(size=(2, 3, 7))
    mask = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]], dtype=bool)
    inside, told = (values.transpose(0, 2, 1)[mask] for values in (target, hint))
    expected = ((told - inside) ** 2).sum() / ((inside - inside.mean(0)) ** 2).sum()
    tensors = [torch.from_numpy(values).float() for values in (hint, target, mask[:, None].astype(np.float32))]
    assert losses.hint_loss(*tensors).item() == pytest.approx(expected, rel=1e-5)
    # Scale and place of the teacher's numbers have no say.
    moved = losses.hint_loss(10 * tensors[0] + 5, 10 * tensors[1] + 5, tensors[2])
    assert moved.item() == pytest.approx(expected, rel=1e-4)
    assert losses.hint_loss(tensors[1], tensors[1], tensors[2]) == 0


def test_a_teacher_whose_latents_say_nothing_does_not_blow_the_hint_up() -> None:
    constant, mask = torch.full((2, 3, 5), 0.7), torch.ones(2, 1, 5)
    assert losses.hint_loss(constant + 0.01, constant, mask).item() == pytest.approx(1.0, rel=1e-3)


def test_the_student_takes_the_teachers_alignment() -> None:
    training, batch = distilled(), tiny_batch()
    output, voices = training._forward(batch)
    assert isinstance(output, HeardOutput)
    alignment = training.teacher.teach(batch).alignment  # type: ignore[union-attr]
    assert not torch.equal(alignment, output.alignment)
    aligned = training._aligned(output, alignment, voices)
    # Where in the clip a phone is heard decides whose prior a frame meets.
    phone = int(alignment[1, :, 7].argmax())
    torch.testing.assert_close(aligned.prior_mean[1, :, 7], output.encoding.mean[1, :, phone])
    torch.testing.assert_close(aligned.prior_log_std[1, :, 7], output.encoding.log_std[1, :, phone])
    torch.testing.assert_close(losses.kl_loss(aligned), _terms(training, batch, output, voices)["kl"])
    own = distilled(training.teacher, share_alignment=False, synthesizer=training.synthesizer)
    torch.testing.assert_close(losses.kl_loss(output), _terms(own, batch, output, voices)["kl"])


def _terms(training: VoiceDistillation, batch: Any, output: HeardOutput, voices: torch.Tensor) -> dict[str, torch.Tensor]:
    return training._generator_losses(batch, output, voices, output.audio.detach(), False)


def test_a_best_guess_is_taken_over_as_it_is_and_a_distribution_in_whole_frames() -> None:
    batch, teacher = tiny_batch(), teacher_of()
    text_mask = (torch.arange(9) < batch.text.lengths[:, None]).float()
    frames = teacher.teach(batch).frames
    assert torch.equal(frames > 0, text_mask.bool())
    seen = []

    class Student(VoiceDistillation):
        def _duration_penalty(self, encoding: Any, voices: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
            seen.append(frames)
            return super()._duration_penalty(encoding, voices, frames)

    for predictor in (DurationPredictor(8, 8, 3, 0.1, EMBEDDING), StochasticDurationPredictor(8, 8, 3, 0.1, EMBEDDING)):
        training = tiny_training(kind=Student, synthesizer=narrow_synthesizer(duration_predictor=predictor))
        training.learn_from(teacher, HASH, share_alignment=False)
        assert terms_of(training, batch)["teacher_duration"].isfinite()
    torch.testing.assert_close(seen[0], frames)
    torch.testing.assert_close(seen[1], frames.clamp(min=1).round() * text_mask)


def test_a_teacher_with_a_table_is_asked_by_its_own_numbers() -> None:
    network = tiny_synthesizer(speaker_encoder=SpeakerTable(3, EMBEDDING))
    voices = Teacher(network, tiny_mels(), torch.tensor([2, 0])).teach(tiny_batch()).voices
    torch.testing.assert_close(voices, network.embed_speaker(None, torch.tensor([2, 0])))


def test_only_the_sound_and_the_voice_are_taught_while_the_latents_awake() -> None:
    training = distilled(adversary_from=3, mel_only_steps=2)
    terms = dict.fromkeys(training.known_losses, torch.ones(()))
    training.weights = dict.fromkeys(terms, 1.0)
    assert training._weighted(terms) == 4
    training.generator_step = 2
    assert training._weighted(terms) == len(terms)


class Saved(Callback):
    """Keeps what a checkpoint would hold, averages and all."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.save_checkpoint(Path(trainer.default_root_dir) / "end.ckpt")


def test_only_the_student_moves_and_the_teacher_is_in_no_checkpoint(tmp_path: Path) -> None:
    teacher = teacher_of()
    before = copy.deepcopy(teacher.synthesizer.state_dict())
    training = distilled(teacher, steps=3)
    start = {name: value.clone() for name, value in training.state_dict().items()}
    average = WarmEma(0.9)
    trainer = Trainer(
        accelerator="cpu", devices=1, max_epochs=-1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path, enable_checkpointing=False, limit_val_batches=0, callbacks=[Saved(), average],
    )  # fmt: skip
    trainer.fit(training, batches(3))
    assert all(torch.equal(weight, before[name]) for name, weight in teacher.synthesizer.state_dict().items())
    assert not any(part.training for part in teacher.synthesizer.modules())
    moved = {name.split(".")[1] for name, value in training.state_dict().items() if not torch.equal(value, start[name])}
    assert {"text_encoder", "posterior_encoder", "flow", "duration_predictor", "decoder", "posterior", "prior"} <= moved
    assert average._average_model.module.teacher is teacher  # type: ignore[union-attr]
    saved = torch.load(tmp_path / "end.ckpt", weights_only=True)
    maps = {f"projections.{part}.{kind}" for part in ("posterior", "prior") for kind in ("weight", "bias")}
    plain = set(tiny_training(synthesizer=narrow_synthesizer()).state_dict())
    assert set(saved["state_dict"]) == plain | maps
    assert saved["distillation"] == {"sha256": HASH}


def test_what_the_student_draws_does_not_depend_on_its_teacher() -> None:
    batch = tiny_batch()
    teacher = teacher_of()
    state = torch.get_rng_state()
    lesson = teacher.teach(batch)
    teacher.say(lesson, torch.tensor([0, 3]), 8)
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(vars(lesson).values(), vars(teacher.teach(batch)).values(), strict=True):
        assert torch.equal(one, other)


def test_a_killed_run_ends_bit_for_bit_as_the_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    weights = {name: value.clone() for name, value in tiny_synthesizer().state_dict().items()}

    def fresh(*arguments: Any, **settings: Any) -> VoiceDistillation:
        network = tiny_synthesizer()
        network.load_state_dict(weights)
        training = tiny_training(*arguments, kind=VoiceDistillation, synthesizer=narrow_synthesizer(), **settings)
        training.learn_from(teacher_of(network), HASH)
        return training

    monkeypatch.setattr(interruptions, "tiny_training", fresh)
    root = write_set(tmp_path / "set")
    whole, run = (TinyRun(root, tmp_path / name, steps=3, validate_every=2, every_steps=1) for name in ("whole", "killed"))
    whole.attempt()
    with pytest.raises(Killed):
        run.attempt(KillAt("on_train_batch_end", 3))
    run.attempt()
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (torch.load(each.folder / "checkpoints" / name, weights_only=True) for each in (run, whole))
        kept = (*EVERYTHING, "distillation")
        assert differences({key: one[key] for key in kept}, {key: other[key] for key in kept}) == [], name
    assert run.table() == whole.table()
    header = whole.table().splitlines()[0].split(",")
    assert {f"train/generator/{name}" for name in TEACHER_LOSSES} <= set(header)


def test_resuming_without_or_with_another_teacher_is_refused() -> None:
    training = distilled()
    checkpoint: dict[str, Any] = {"state_dict": training.state_dict()}
    training.on_save_checkpoint(checkpoint)
    training.on_load_checkpoint(checkpoint)
    with pytest.raises(SovitsError, match=r"had another teacher \(SHA-256 ffffffffffff\) than distillation.teacher names now"):
        training.on_load_checkpoint({**checkpoint, "distillation": {"sha256": "f" * 64}})
    del checkpoint["distillation"]
    with pytest.raises(SovitsError, match="was not written with a teacher"):
        training.on_load_checkpoint(checkpoint)


def test_a_student_without_a_teacher_says_what_is_missing() -> None:
    training = tiny_training(kind=VoiceDistillation)
    with pytest.raises(SovitsError, match="distillation.teacher=FILE"):
        terms_of(training, tiny_batch())


def test_a_weight_that_is_no_loss_is_refused() -> None:
    with pytest.raises(SovitsError, match="teacher_voice"):
        tiny_training(kind=VoiceDistillation, weights={"mel": 1.0})


def test_a_student_of_equal_latents_needs_no_map() -> None:
    assert all(isinstance(part, nn.Identity) for part in distilled(synthesizer=tiny_synthesizer()).projections.values())
    assert distilled().projections["prior"].weight.shape == (8, 4, 1)
