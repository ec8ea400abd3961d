from pathlib import Path

import pytest
import torch
from speechbrain.inference.speaker import EncoderClassifier
from torch.nn import functional as F
from torchaudio.functional import resample

from sovits.errors import SovitsError
from sovits.modules.pretrained_speaker_encoder import PretrainedSpeakerEncoder
from tests.published_encoders import EMBEDDING, write_published_encoder

RATE = 22050


@pytest.fixture
def source(tmp_path: Path) -> str:
    return str(write_published_encoder(tmp_path))


def clips(count: int = 2, seconds: float = 1.0) -> torch.Tensor:
    return 0.1 * torch.randn(count, int(seconds * RATE))


def test_reads_as_speechbrain_does(source: str) -> None:
    encoder = PretrainedSpeakerEncoder(source, None, RATE, EMBEDDING)
    waveforms = clips(3)
    published = EncoderClassifier.from_hparams(
        source=source, savedir=source, overrides={"pretrained_path": source}, overrides_must_match=False
    )
    expected = F.normalize(published.encode_batch(resample(waveforms, RATE, 16000)).squeeze(1), dim=-1)
    assert encoder.zero_shot
    assert encoder.embedding_size == EMBEDDING
    torch.testing.assert_close(encoder(waveforms), expected, atol=1e-5, rtol=1e-5)


def test_its_architecture_rebuilds_it_without_the_source(tmp_path: Path, source: str) -> None:
    encoder = PretrainedSpeakerEncoder(source, None, RATE, EMBEDDING)
    assert encoder.architecture["network"] == {
        "lin_neurons": 12, "channels": [8, 8, 8, 8, 24], "kernel_sizes": [5, 3, 3, 3, 1], "dilations": [1, 2, 3, 4, 1],
        "groups": [1, 1, 1, 1, 1], "attention_channels": 8, "res2net_scale": 4, "se_channels": 8, "global_context": True,
    }  # fmt: skip
    assert encoder.architecture["features"] == {
        "sample_rate": 16000, "n_fft": 400, "win_length": 25.0, "hop_length": 10.0, "n_mels": 20,
        "f_min": 0, "f_max": 8000, "filter_shape": "triangular",
    }  # fmt: skip
    torch.save(encoder.architecture, tmp_path / "architecture.pt")
    carried = torch.load(tmp_path / "architecture.pt", weights_only=True)
    rebuilt = PretrainedSpeakerEncoder(None, carried, RATE, EMBEDDING)
    waveforms = clips()
    assert list(rebuilt.state_dict()) == list(encoder.state_dict())
    assert not torch.equal(rebuilt(waveforms), encoder(waveforms)), "its weights are random until others are loaded"
    rebuilt.load_state_dict(encoder.state_dict())
    assert torch.equal(rebuilt(waveforms), encoder(waveforms))
    assert rebuilt.architecture == encoder.architecture


def test_every_size_is_read_off_the_published_network(tmp_path: Path) -> None:
    changed = {
        "n_mels: 20": "n_mels: 20\n    n_fft: 512\n    win_length: 32\n    hop_length: 12\n    f_min: 50\n    f_max: 7000",
        "dilations: [1, 2, 3, 4, 1]": "dilations: [2, 3, 1, 2, 1]",
    }
    encoder = PretrainedSpeakerEncoder(str(write_published_encoder(tmp_path, changed)), None, 16000, EMBEDDING)
    features = encoder.architecture["features"]
    assert (features["n_fft"], features["win_length"], features["hop_length"]) == (512, 32.0, 12.0)
    assert (features["f_min"], features["f_max"]) == (50, 7000)
    assert encoder.architecture["network"]["dilations"] == [2, 3, 1, 2, 1]


def test_gradients_reach_the_waveform_and_no_weight(source: str) -> None:
    encoder = PretrainedSpeakerEncoder(source, None, RATE, EMBEDDING)
    waveforms = clips().requires_grad_()
    (encoder(waveforms) * torch.randn(2, EMBEDDING)).sum().backward()
    assert waveforms.grad is not None
    assert waveforms.grad.isfinite().all()
    assert (waveforms.grad != 0).any(dim=1).all()
    assert all(weight.grad is None and not weight.requires_grad for weight in encoder.parameters())


def test_training_leaves_its_statistics_alone(source: str) -> None:
    encoder = PretrainedSpeakerEncoder(source, None, RATE, EMBEDDING)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    waveforms = clips(4)
    voices = encoder(waveforms)
    torch.nn.ModuleList([encoder]).train()
    assert not any(part.training for part in encoder.modules())
    assert torch.equal(encoder(waveforms), voices)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_half_precision_around_it_does_not_change_a_voice(source: str) -> None:
    encoder, waveforms = PretrainedSpeakerEncoder(source, None, RATE, EMBEDDING), clips()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = encoder(waveforms)
    assert torch.equal(inside, encoder(waveforms))


@pytest.mark.parametrize("samples", [1, 100, 4000])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
def test_short_and_silent_clips_have_a_finite_voice(source: str, samples: int, sample_rate: int) -> None:
    encoder = PretrainedSpeakerEncoder(source, None, sample_rate, EMBEDDING)
    voices = encoder(torch.stack([0.1 * torch.randn(samples), torch.zeros(samples)]))
    torch.testing.assert_close(voices.norm(dim=1), torch.ones(2))


def test_clips_are_needed_whatever_the_speaker(source: str) -> None:
    encoder = PretrainedSpeakerEncoder(source, None, RATE, EMBEDDING)
    with pytest.raises(SovitsError, match="but got none"):
        encoder(None, torch.tensor([0]))


def test_another_embedding_size_is_refused_with_both_numbers(source: str) -> None:
    with pytest.raises(SovitsError, match=r"embedding_size=192 differs from the 12 values .* embedding_size=12\."):
        PretrainedSpeakerEncoder(source, None, RATE)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"std_norm: False": "std_norm: True"}, "reads clips in another way"),
        ({"res2net_scale: 4": "res2net_scale: 4\n    activation: !name:torch.nn.Tanh"}, "reads clips in another way"),
        ({"lobes.features.Fbank": "lobes.features.MFCC"}, "ECAPA_TDNN on MFCC, not ECAPA_TDNN on Fbank"),
    ],
)
def test_an_encoder_of_another_recipe_is_refused(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    with pytest.raises(SovitsError, match=told):
        PretrainedSpeakerEncoder(str(write_published_encoder(tmp_path, changes)), None, RATE, EMBEDDING)


def test_what_cannot_be_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"model.speaker_encoder.source='.*nowhere' could not be loaded"):
        PretrainedSpeakerEncoder(str(tmp_path / "nowhere"), None, RATE)
    for architecture in (None, {"features": {}}):
        with pytest.raises(SovitsError, match="needs a source"):
            PretrainedSpeakerEncoder(None, architecture, RATE)
