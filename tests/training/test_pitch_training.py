"""Training a decoder that is told the pitch."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from sovits import losses
from sovits.audio.pitch import PitchTracker
from sovits.data.batch import Batch
from sovits.errors import SovitsError
from sovits.modules.decoder import Pitch
from sovits.modules.synthesizer import SynthesizerOutput
from sovits.training.lightning_module import VoiceTraining
from sovits.training.pitch_losses import PITCH_WEIGHT, between_voices, pitch_losses
from tests.builders import HOP, SAMPLE_RATE, tiny_batch, tiny_harmonic_decoder, tiny_synthesizer, tiny_training
from tests.training.test_lightning_module import trainer_in


def told_the_pitch(pitch: float | None = None, melody: float | None = None, **changes) -> VoiceTraining:
    weights = tiny_training().weights | {"pitch": pitch, "melody": melody}
    settings = {"pitch_tracker": PitchTracker(SAMPLE_RATE, HOP), "weights": weights, **changes}
    return tiny_training(synthesizer=tiny_synthesizer(decoder=tiny_harmonic_decoder()), **settings)


def test_the_loss_is_octaves_where_voiced_and_nats_of_where_that_is() -> None:
    hertz = torch.tensor([[100.0, 200.0, 0.0, 400.0]])
    predicted = Pitch(torch.tensor([[100.0, 400.0, 5.0, 1.0]]).log2(), torch.tensor([[9.0, 9.0, 0.0, -9.0]]))
    inside = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]])
    surprise = [torch.tensor(-9.0).exp().log1p(), torch.tensor(-9.0).exp().log1p(), torch.tensor(2.0).log()]
    assert losses.pitch_loss(predicted, hertz, inside).item() == pytest.approx((0 + 1) / 2 + sum(surprise).item() / 3, abs=1e-5)
    assert losses.pitch_loss(predicted, 0 * hertz, inside).isfinite()


def heard(training: VoiceTraining, batch: Batch) -> dict[str, torch.Tensor]:
    """The losses of one forward."""
    output, voices = training._forward(batch)
    return pitch_losses(training.synthesizer, training.weights, batch, output, voices)


def sung_batch() -> Batch:
    """Two clips of harmonics at 120 and 240 Hz; the second ends early."""
    batch = tiny_batch()
    time = torch.arange(24 * HOP) / SAMPLE_RATE
    for row, hertz in enumerate((120.0, 240.0)):
        batch.waveforms[row] = 0.1 * sum(torch.cos(2 * torch.pi * k * hertz * time) for k in range(1, 6))
    batch.waveforms[1, 15 * HOP :] = 0
    return batch


@pytest.mark.parametrize(("loss", "mel_only_steps"), [("pitch", 60), ("melody", 0)])
def test_the_pitch_of_recordings_is_learned(loss: str, mel_only_steps: int, tmp_path: Path) -> None:
    steps = 60
    others = {"melody" if loss == "pitch" else "pitch": 0.0}
    training = told_the_pitch(steps=steps, adversary_from=steps, mel_only_steps=mel_only_steps, **others)
    assert training.weights[loss] == PITCH_WEIGHT
    batch = sung_batch()

    def pitch_loss() -> float:
        torch.manual_seed(0)
        with torch.no_grad():
            terms = heard(training.eval(), batch)
        assert list(terms) == [loss]
        return float(terms[loss])

    before = pitch_loss()
    trainer_in(tmp_path, limit_val_batches=0).fit(training.train(), DataLoader([batch] * steps, batch_size=None))
    assert pitch_loss() < 0.4 * before


def test_melody_is_for_the_pitch_predictor_alone_and_of_told_clips_alone() -> None:
    training, batch = told_the_pitch(), sung_batch()
    heard(training, batch)["melody"].backward()
    taught = {name for name, weight in training.synthesizer.named_parameters() if weight.grad is not None}
    assert taught
    assert all(name.startswith("decoder.pitch_predictor.") for name in taught)
    assert heard(training, replace(batch, told=torch.tensor([False, False])))["melody"] == 0


def test_between_two_voices_a_melody_lies_between_their_heights() -> None:
    voices = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
    hertz = torch.tensor([[100.0, 0.0, 200.0, 0.0], [400.0, 400.0, 400.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    heights = torch.tensor([math.sqrt(100.0 * 200.0), 400.0])
    moved = 0
    for seed in range(20):
        torch.manual_seed(seed)
        mixed, melodies = between_voices(voices, hertz)
        torch.testing.assert_close(mixed.norm(dim=1), torch.ones(3))
        torch.testing.assert_close(mixed[2], voices[2])  # whose height nobody knows
        assert not melodies[2].any()
        assert torch.equal(melodies > 0, hertz > 0)
        assert (melodies[0, 2] / melodies[0, 0]).item() == pytest.approx(2.0, rel=1e-5)
        for own, other in ((0, 1), (1, 0)):
            # The share of the other voice, told from the height, is that of its direction.
            height = (melodies[own][melodies[own] > 0].log2().mean() - heights[own].log2()) / (heights[other] / heights[own]).log2()
            expected = torch.nn.functional.normalize(torch.lerp(voices[own], voices[other], height.clamp(0, 1)), dim=0)
            torch.testing.assert_close(mixed[own], expected, atol=1e-5, rtol=1e-5)
            moved += bool(height > 0.01)
    assert moved > 5


def test_melodies_are_learned_in_voices_that_nobody_has_but_judged_in_those_of_the_clips() -> None:
    training, batch = told_the_pitch(pitch=0.0), sung_batch()
    spoken: list[torch.Tensor] = []
    whole = training.synthesizer.melody

    def melody(output: SynthesizerOutput, voices: torch.Tensor, told: torch.Tensor) -> Pitch | None:
        assert torch.equal(voices, own)
        spoken.append(told)
        return whole(output, voices, told)

    training.synthesizer.melody = melody  # type: ignore[method-assign]
    for mode in (True, False):
        output, own = training.train(mode)._forward(batch)
        torch.manual_seed(1)
        pitch_losses(training.synthesizer, training.weights, batch, output, own)
        assert torch.equal(spoken.pop(), own) is not mode


def test_what_has_no_pitch_to_learn_is_refused() -> None:
    weights = tiny_training().weights
    for name in ("pitch", "melody"):
        with pytest.raises(SovitsError, match=rf"training.weights.{name}=3.0 is for a decoder that is told the pitch.*decoder=harmonic"):
            tiny_training(weights=weights | {name: 3.0})
    with pytest.raises(SovitsError, match=r"training.weights.pitch=15.0 needs training.pitch_tracker"):
        told_the_pitch(pitch_tracker=None)
    assert told_the_pitch(pitch_tracker=None, pitch=0.0, melody=0.0).pitch_tracker is None
