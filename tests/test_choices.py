"""Every choice of the generator composes by config alone, takes a real adversarial step, and teaches what it should."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from transformers import GPTNeoConfig, GPTNeoModel

from sovits.cli import config_directory
from sovits.data.batch import Batch
from sovits.errors import SovitsError, mistake_behind
from sovits.modules.semantic_encoder import SemanticEncoder
from sovits.training.lightning_module import VoiceTraining
from sovits.verbs.train import build_training
from tests.builders import NARROW, tiny_text
from tests.published_encoders import EMBEDDING, write_published_encoder


def training_of(*overrides: str) -> VoiceTraining:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        settings = [*NARROW, "training.adversary_from=0", *overrides, "hydra.runtime.output_dir=outputs/x"]
        config = compose("train", settings, return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    torch.manual_seed(0)
    return build_training(config, ["ana", "bo"])


def batch_for(training: VoiceTraining) -> Batch:
    hop = training.synthesizer.hop_length
    waveforms = 0.3 * torch.randn(2, 14 * hop)
    waveforms[1, 11 * hop :] = 0
    speakers, names = torch.tensor([0, 1]), ["ana/1", "bo/1"]
    told, durations, wide = torch.ones(2).bool(), torch.zeros(2, 6).long(), torch.full((2,), torch.inf)
    references = 0.3 * torch.randn(2, 20 * hop)
    return Batch(tiny_text(6, 5), waveforms, torch.tensor([14, 11]), references, speakers, told, durations, wide, names, names)


def step(training: VoiceTraining, batch: Batch | None = None) -> None:
    """One batch as Lightning would give it, without Lightning."""
    optimizers, schedules = training.configure_optimizers()
    training.optimizers = lambda: optimizers  # type: ignore[method-assign]
    training.lr_schedulers = lambda: [schedule["scheduler"] for schedule in schedules]  # type: ignore[method-assign]
    training.manual_backward = lambda loss, **settings: loss.backward(**settings)  # type: ignore[method-assign]
    training.log_dict = lambda values, **_: told.update(values)  # type: ignore[method-assign]
    training._trainer = SimpleNamespace(checkpoint_callbacks=[])  # type: ignore[assignment]
    told: dict[str, torch.Tensor] = {}
    training.train().training_step(batch or batch_for(training), 0)
    assert all(value.isfinite() for value in told.values())
    assert all(weight.grad is None for weight in training.parameters() if not weight.requires_grad)
    assert {"train/generator/total", "train/discriminator/total"} <= told.keys()


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("language_model")
    sizes = {"hidden_size": 12, "intermediate_size": 16, "num_layers": 1, "num_heads": 2, "attention_types": [[["global"], 1]]}
    GPTNeoModel(GPTNeoConfig(vocab_size=50, max_position_embeddings=128, **sizes)).save_pretrained(folder)
    return f"model.semantic_encoder.source={folder}"


@pytest.fixture(scope="module")
def speaker_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"model.speaker_encoder.source={write_published_encoder(tmp_path_factory.mktemp('speaker_model'))}"


@pytest.mark.parametrize(
    "overrides",
    [
        "", "decoder=upsampling", "decoder=hifigan", "decoder=harmonic", "audio=16k decoder=harmonic",
        "discriminators=multi_scale", "discriminators=multi_scale discriminators.scales=3",
        "discriminators.use_spectral_norm=true", "duration=stochastic", "posterior=linear", "semantic=none",
        "model.text_encoder.semantic_layers=[2]", "model.text_encoder.semantic_layers=[0,1,2]", "speaker_encoder=table",
        "speaker_loss=none", "speaker_loss=consistency", "speaker_loss=both", "text=characters", "text=bpe", "audio=hop256",
        "audio=hop256 decoder=hifigan", "audio=16k", "audio=16k decoder=hifigan", "audio=24k",
        "audio=24k decoder=hifigan", "audio=32k", "audio=32k decoder=hifigan", "training.band_limited=true",
        "audio=32k decoder=upsampling", "audio=24k decoder=upsampling", "audio=hop256 decoder=upsampling",
        "embedding_size=192", "embedding_size=512", "training.reuse_real_features=true",
        "training.share_discriminator_pass=true", "training.share_discriminator_pass=true discriminators.use_spectral_norm=true",
        "audio=hop256 decoder=hifigan discriminators=multi_scale duration=stochastic posterior=linear semantic=none speaker_encoder=table",
    ],
)  # fmt: skip
def test_a_step_teaches_every_weight_of_both_players(overrides: str) -> None:
    training = training_of(*overrides.split())
    # Flows and splines start as the identity, so that nothing behind their last layers could learn on the very first step.
    for name, weight in training.synthesizer.named_parameters():
        if "shift" in name or "spline" in name:
            torch.nn.init.normal_(weight, std=0.1)
    step(training)
    idle = [name for name, weight in training.named_parameters() if weight.requires_grad and (weight.grad is None or not weight.grad.any())]
    # Without a speaker loss on it, the encoder still learns from the voices it gives; a bias before a batch norm never does.
    assert [name for name in idle if not name.startswith("synthesizer.speaker_encoder")] == []
    assert len([name for name in idle if name.startswith("synthesizer.speaker_encoder")]) <= 2


@pytest.mark.parametrize(("choice", "learns"), [("frozen", "nothing"), ("lora", "lora"), ("full", "all")])
def test_a_pretrained_language_model_learns_as_far_as_it_is_told_to(choice: str, learns: str, language_model: str) -> None:
    training = training_of(f"semantic={choice}", language_model, "model.text_encoder.semantic_channels=12")
    before = {name: weight.clone() for name, weight in training.synthesizer.semantic_encoder.named_parameters()}  # type: ignore[union-attr]
    step(training)
    step(training)
    after = dict(training.synthesizer.semantic_encoder.named_parameters())  # type: ignore[union-attr]
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    if learns == "lora":
        assert moved == {name for name in before if "lora" in name} != set()
    else:
        assert bool(moved) == (learns == "all")
    assert training.synthesizer.text_encoder.semantic["0"].weight.grad.any()


def test_a_pretrained_speaker_encoder_stays_as_it_is(speaker_model: str) -> None:
    training = training_of("speaker_encoder=speechbrain", f"embedding_size={EMBEDDING}", speaker_model, "speaker_loss=consistency")
    before = {name: value.clone() for name, value in training.synthesizer.speaker_encoder.state_dict().items()}  # type: ignore[union-attr]
    step(training)
    assert all(torch.equal(before[name], value) for name, value in training.synthesizer.speaker_encoder.state_dict().items())  # type: ignore[union-attr]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "overrides",
    [
        "decoder=upsampling discriminators.use_spectral_norm=true speaker_loss=both",
        "decoder=hifigan discriminators=multi_scale discriminators.scales=3 duration=stochastic posterior=linear speaker_loss=both",
        "decoder=frame_rate size.segment_frames=1 speaker_loss=both",
        "decoder=harmonic size.segment_frames=1",
    ],
)
def test_one_phone_in_one_frame_is_a_step_with_numbers(overrides: str, precision: torch.dtype) -> None:
    training = training_of(*overrides.split())
    hop, names = training.synthesizer.hop_length, ["ana/1", "bo/1"]
    waveforms, references = 0.3 * torch.randn(2, hop), 0.3 * torch.randn(2, 20 * hop)
    told, durations, wide = torch.ones(2).bool(), torch.zeros(2, 1).long(), torch.full((2,), torch.inf)
    frames, speakers = torch.tensor([1, 1]), torch.tensor([0, 1])
    batch = Batch(tiny_text(1, 1), waveforms, frames, references, speakers, told, durations, wide, names, names)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        step(training, batch)
    assert all(weight.dtype == torch.float32 and weight.isfinite().all() for weight in training.parameters())


@pytest.mark.parametrize(
    "part",
    [
        "text_encoder", "semantic_encoder", "posterior_encoder", "flow", "duration_predictor", "decoder", "decoder.head", "speaker_encoder",
        "discriminators.judges.0",
    ],
)  # fmt: skip
def test_a_frozen_part_stays_as_it_is_and_the_others_move(part: str) -> None:
    training = training_of(f"training.freeze=[{part}]", "speaker_loss=consistency")
    before = {name: value.clone() for name, value in training.state_dict().items()}
    step(training)
    moved = {name for name, value in training.state_dict().items() if not torch.equal(before[name], value)}
    frozen = f"{'' if part.startswith('discriminators') else 'synthesizer.'}{part}."
    assert any(name.startswith(frozen) for name in before)
    assert not any(name.startswith(frozen) for name in moved)
    assert len(moved) > 0.5 * len(list(training.parameters()))


def test_the_yardstick_has_the_sizes_of_the_original() -> None:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose("train", ["model=vits", "hydra.runtime.output_dir=outputs/x"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    training = build_training(config, ["ana", "bo"])
    synthesizer, judges = training.synthesizer, training.discriminators.judges
    assert not isinstance(synthesizer.semantic_encoder, SemanticEncoder)
    assert (synthesizer.posterior_encoder.spec_channels, synthesizer.hop_length, synthesizer.embedding_size) == (513, 256, 256)
    assert synthesizer.segment_frames * synthesizer.hop_length == 8192
    assert synthesizer.text_encoder.inter_channels == synthesizer.text_encoder.hidden_channels == synthesizer.flow.channels == 192
    assert len(synthesizer.text_encoder.layers) == 6
    assert len(synthesizer.posterior_encoder.wavenet.gates) == 16
    assert [len(coupling.wavenet.gates) for coupling in synthesizer.flow.steps] == [4] * 4
    decoder = synthesizer.decoder
    assert [(layer.stride[0], layer.kernel_size[0]) for layer in decoder.upsamples] == [(8, 16), (8, 16), (2, 4), (2, 4)]
    assert [layer.in_channels for layer in decoder.upsamples] == [512, 256, 128, 64]
    assert [len(blocks) for blocks in decoder.blocks] == [3] * 4
    assert [judge.period for judge in judges[:5]] == [2, 3, 5, 7, 11]
    assert [layer.out_channels for layer in judges[0].convolutions] == [32, 128, 512, 1024, 1024]
    scale = judges[5].convolutions
    assert [(layer.out_channels, layer.kernel_size[0], layer.stride[0], layer.groups) for layer in scale] == [
        (16, 15, 1, 1), (64, 41, 4, 4), (256, 41, 4, 16), (1024, 41, 4, 64), (1024, 41, 4, 256), (1024, 5, 1, 1),
    ]  # fmt: skip
    assert len(judges) == 6
    assert sum(weight.numel() for weight in training.discriminators.parameters()) == pytest.approx(46.75e6, rel=0.01)
    assert sum(weight.numel() for weight in decoder.parameters()) == pytest.approx(14.4e6, rel=0.02)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("speaker_encoder=table speaker_loss=consistency", "weights.consistency=2.0 .* speaker_encoder=ecapa"),
        ("speaker_encoder=table training.weights.speaker=1.0", "weights.speaker=1.0 needs training.speaker_classifier"),
        ("decoder=hifigan model.decoder.upsample_rates=[8,8,2,2]", r"= 256, with model.decoder.inverse_stft_hop=1 .*audio.hop_length=512"),
        ("decoder=upsampling model.decoder.upsample_rates=[5,4]", r"5 \* 4 = 20, .*audio.hop_length=512"),
        ("posterior=linear audio.n_bins=513", "spec_channels=513 and the 1025 channels of posterior_spectrogram"),
        ("model.text_encoder.semantic_channels=9", "semantic_channels=9 and the semantic encoder's hidden size=8"),
        ("model.flow.channels=10", "model.flow.channels=10 and model.text_encoder.inter_channels=8"),
        ("model.decoder.inter_channels=9", "model.decoder.inter_channels=9 and model.text_encoder.inter_channels=8"),
        ("model.posterior_encoder.inter_channels=9", "posterior_encoder.inter_channels=9 and model.text_encoder.inter_channels=8"),
        ("model.flow.speaker_channels=200", "model.flow.speaker_channels=200 and the speaker encoder's embedding_size=256"),
        ("model.text_encoder.semantic_layers=[3]", r"semantic_layers=\[3\] with n_layers=2: name one or more of 0-2"),
        ("decoder=hifigan audio=hop256 audio.hop_length=300", r"8 \* 8 \* 2 \* 2 = 256.*audio.hop_length=300"),
        ("embedding_size=600", "embedding_size=600 is outside 192-512"),
        ("model.decoder.hop_length=256", "model.decoder.hop_length=256 and audio.hop_length=512"),
        ("audio.f_max=20000", "audio.f_max=20000 Hz is above half of audio.sample_rate=22050"),
        ("audio.hop_length=511", "audio.hop_length=511"),
        ("training.rounds.accumulate=0", "training.rounds.accumulate=0"),
        ("training.rounds.discriminator_ratio=0.7", "discriminator_ratio=0.7"),
        ("training.freeze=[encoder]", "training.freeze names 'encoder', .* its parts are decoder"),
        ("size.discriminators.n_ffts=[128]", "n_ffts=128 leaves 6 bins"),
        ("discriminators.periods=[] discriminators.n_ffts=[]", "periods, n_ffts and scales are all empty"),
    ],
)
def test_contradictions_are_refused_before_the_first_step(overrides: str, message: str) -> None:
    with pytest.raises(Exception, match=message) as error:
        training_of(*overrides.split())
    assert isinstance(mistake_behind(error.value), SovitsError)


def test_what_teaches_a_speaker_encoder_needs_one_that_learns(speaker_model: str) -> None:
    with pytest.raises(
        Exception, match=r"weights.speaker=1.0 teaches the speaker encoder, but nothing of model.speaker_encoder is trained"
    ):
        training_of("speaker_encoder=speechbrain", f"embedding_size={EMBEDDING}", speaker_model, "speaker_loss=aam")
    with pytest.raises(Exception, match=f"embedding_size=192 differs from the {EMBEDDING} values of the pretrained"):
        training_of("speaker_encoder=speechbrain", speaker_model)


def test_freezing_a_whole_player_is_refused() -> None:
    with pytest.raises(SovitsError, match="training.freeze leaves the discriminators nothing to learn"):
        training_of("training.freeze=[discriminators]").configure_optimizers()


def test_a_vocabulary_too_small_for_the_text_is_named() -> None:
    for choice, needed in (("bpe", 50259), ("phones", 168)):
        with initialize_config_dir(str(config_directory()), version_base="1.3"):
            config = compose("train", [f"text={choice}", "text.vocabulary=100"])
        with pytest.raises(Exception, match=f"text.vocabulary=100 is smaller than .*set text.vocabulary={needed}"):
            instantiate(config.text)
