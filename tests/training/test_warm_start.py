import pytest
import torch

from sovits.audio.spectrogram import MelSpectrogram
from sovits.errors import SovitsError
from sovits.modules import FrameRateDecoder, UpsamplingDecoder
from sovits.training.parts import part_name
from sovits.training.warm_start import warm_start
from tests.builders import EMBEDDING, HOP, N_FFT, N_MELS, tiny_synthesizer, tiny_training


def test_all_of_an_equal_model_is_taken() -> None:
    one, two = tiny_training(), tiny_training()
    result = warm_start(two, one.state_dict())
    assert not result.missing or not any(result.missing.values())
    assert all(torch.equal(value, one.state_dict()[name]) for name, value in two.state_dict().items())
    assert "mel_spectrogram" not in result.loaded
    assert all("weights taken" in line and "not in" not in line for line in result.lines())


def test_what_does_not_fit_is_left_and_told() -> None:
    wide = tiny_training(synthesizer=tiny_synthesizer(decoder=FrameRateDecoder(8, HOP, [2], 24, 32, 2, EMBEDDING)))
    other = tiny_training(synthesizer=tiny_synthesizer(decoder=UpsamplingDecoder(8, HOP, [4, 2], 16, [3], [[1]], EMBEDDING)))
    source = tiny_training().state_dict()
    before = {name: value.clone() for name, value in wide.state_dict().items()}
    result = warm_start(wide, source)
    for name in result.reshaped["synthesizer.decoder"]:
        assert torch.equal(wide.state_dict()[name], before[name])
    for name in result.loaded["synthesizer.flow"]:
        assert torch.equal(wide.state_dict()[name], source[name])
    assert result.reshaped["synthesizer.decoder"]
    told = "\n".join(warm_start(other, source).lines())
    assert "synthesizer.decoder: " in told
    assert "not in the checkpoint" in told
    assert "only in the checkpoint" in told


def test_the_figures_that_are_told_are_those_of_the_weights_that_changed() -> None:
    source = {name: torch.randn_like(value) if value.is_floating_point() else value for name, value in tiny_training().state_dict().items()}
    training = tiny_training(synthesizer=tiny_synthesizer(decoder=FrameRateDecoder(8, HOP, [2], 24, 32, 3, EMBEDDING)))
    before = {name: value.clone() for name, value in training.state_dict().items()}
    result = warm_start(training, source)
    after = training.state_dict()
    equal = {
        name for name in after if name in source and after[name].shape == source[name].shape and torch.equal(after[name], source[name])
    }
    for part in ("decoder", "flow", "text_encoder"):
        names = [name for name in after if name.startswith(f"synthesizer.{part}.")]
        taken = sum(name in equal for name in names)
        assert any(line.startswith(f"synthesizer.{part}: {taken} of {len(names)} weights taken") for line in result.lines())
    assert all(torch.equal(after[name], before[name]) for name in after.keys() - equal)
    assert {name.split(".")[3] for name in result.missing["synthesizer.decoder"]} == {"2"}


def test_the_filters_of_another_sample_rate_stay_their_own() -> None:
    training = tiny_training(
        mel_spectrogram=MelSpectrogram(9000, N_FFT, HOP, N_MELS), posterior_spectrogram=MelSpectrogram(9000, N_FFT, HOP, N_MELS)
    )
    own = training.mel_spectrogram.transform.mel_scale.fb.clone()
    source = tiny_training().state_dict()
    assert not torch.equal(own, source["mel_spectrogram.transform.mel_scale.fb"])
    warm_start(training, source)
    assert torch.equal(training.mel_spectrogram.transform.mel_scale.fb, own)


def test_only_chosen_parts_are_taken() -> None:
    training, source = tiny_training(), tiny_training().state_dict()
    result = warm_start(training, source, [part_name(training, "flow"), part_name(training, "discriminators")])
    assert set(result.loaded) == {"synthesizer.flow", "discriminators"}
    assert not torch.equal(training.state_dict()["synthesizer.decoder.input.weight"], source["synthesizer.decoder.input.weight"])


def test_a_part_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(SovitsError, match="names 'vocoder', .* its parts are decoder, discriminators, duration_predictor"):
        part_name(tiny_training(), "vocoder")
    assert part_name(tiny_training(), "text_encoder.layers.0") == "synthesizer.text_encoder.layers.0"
