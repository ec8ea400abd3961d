"""A start whose voices have another size: as it was where there is more room, nearly so where voices fit in less."""

import pytest
import torch

from sovits.modules import (
    DurationPredictor,
    EcapaSpeakerEncoder,
    Flow,
    FrameRateDecoder,
    PosteriorEncoder,
    StochasticDurationPredictor,
    Synthesizer,
    TrainedSpeakerEncoder,
)
from sovits.training.lightning_module import VoiceTraining
from sovits.training.voice_size import _basis
from sovits.training.warm_start import warm_start
from tests.builders import HOP, N_MELS, tiny_batch, tiny_mels, tiny_synthesizer, tiny_training


def synthesizer_of(size: int, stochastic: bool = False) -> Synthesizer:
    encoder = EcapaSpeakerEncoder(N_MELS, size, channels=(16, 16, 16, 16, 48), attention_channels=8)
    return tiny_synthesizer(
        posterior_encoder=PosteriorEncoder(N_MELS, 8, 16, 5, 2, size),
        flow=Flow(8, 16, 5, 2, 2, size),
        duration_predictor=StochasticDurationPredictor(16, 16, 3, 0.1, size) if stochastic else DurationPredictor(16, 16, 3, 0.1, size),
        decoder=FrameRateDecoder(8, HOP, [2], 16, 32, 2, size),
        speaker_encoder=TrainedSpeakerEncoder(tiny_mels(), encoder),
    )


def training_of(size: int, stochastic: bool = False) -> VoiceTraining:
    torch.manual_seed(size)
    training = tiny_training(synthesizer=synthesizer_of(size, stochastic)).eval()
    for step in training.synthesizer.flow.steps:
        torch.nn.init.normal_(step.shift.weight, std=0.1)  # type: ignore[union-attr]
    return training


@pytest.mark.parametrize("stochastic", [False, True])
def test_larger_voices_say_the_same(stochastic: bool) -> None:
    source, wide = training_of(192, stochastic), training_of(320, stochastic)
    torch.manual_seed(7)
    batch = tiny_batch()
    told = warm_start(wide, source.state_dict())
    assert told.voices == "voices of 192 numbers become 320, with 100.0% of what they tell"
    assert told.lines()[0] == told.voices
    assert not any(told.reshaped.values())
    for before, after in zip(_outputs(source, batch), _outputs(wide, batch), strict=True):
        torch.testing.assert_close(after[..., : before.shape[-1]], before, atol=1e-5, rtol=1e-4)


def test_smaller_voices_of_few_directions_say_the_same() -> None:
    """The tiny encoder pools 96 numbers, so that 192 directions hold all that 320 of them can tell."""
    source, narrow = training_of(320), training_of(192)
    torch.manual_seed(7)
    batch = tiny_batch()
    told = warm_start(narrow, source.state_dict())
    assert told.voices == "voices of 320 numbers become 192, with 100.0% of what they tell"
    before, after = _outputs(source, batch), _outputs(narrow, batch)
    angles = [voices @ voices.T for voices in (before[0], after[0])]
    torch.testing.assert_close(angles[1], angles[0], atol=1e-4, rtol=0)
    for one, two in zip(before[1:], after[1:], strict=True):
        torch.testing.assert_close(two, one, atol=1e-4, rtol=1e-3)


def test_what_is_lost_is_told_and_is_the_least() -> None:
    source = training_of(256)
    # An encoder that tells all in 200 directions, the last ones faintly.
    last = source.synthesizer.speaker_encoder.encoder.network.fc.conv  # type: ignore[union-attr]
    strengths = torch.cat([torch.ones(80), torch.full((16,), 0.1)])
    with torch.no_grad():
        last.weight.copy_((torch.linalg.qr(torch.randn(256, 96)).Q * strengths)[..., None])
        last.bias.zero_()
    _, told = _resized(source, 192)
    assert "100.0%" in told
    basis, kept = _basis(source.state_dict(), 256, 80)
    assert kept == pytest.approx(80 / (80 + 16 * 0.01), rel=1e-5)
    assert basis.shape == (256, 80)


def _resized(source: VoiceTraining, size: int) -> tuple[VoiceTraining, str]:
    narrow = training_of(size)
    told = warm_start(narrow, source.state_dict()).voices
    assert told is not None
    return narrow, told


def test_equal_sizes_are_left_alone() -> None:
    assert warm_start(training_of(192), training_of(192).state_dict()).voices is None


@torch.no_grad()
def _outputs(training: VoiceTraining, batch) -> tuple[torch.Tensor, ...]:
    synthesizer = training.synthesizer
    voices = synthesizer.embed_speaker(batch.references)
    torch.manual_seed(0)
    output = synthesizer(batch.text, torch.zeros(2, N_MELS, 24), batch.frame_lengths, voices, batch.durations)
    return voices, output.audio, output.prior_mean, output.duration_penalty
