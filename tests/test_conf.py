"""Every configuration that ships composes and builds what it names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sovits.cli import VERBS, config_directory
from sovits.errors import SovitsError
from sovits.modules import FrameRateDecoder, SpeakerTable
from sovits.training.lightning_module import VoiceTraining
from sovits.verbs.train import build_training
from sovits.voice.request import Request
from tests.builders import NARROW

CONF = config_directory()
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
ABLATIONS = sorted(path.stem for path in (CONF / "experiment" / "ablation").glob("*.yaml"))
NEEDED = {"per_speaker": ["data.speaker=alice"]}


def composed(verb: str, *overrides: str, run: Path | None = None) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(verb, [*overrides, f"hydra.runtime.output_dir={run or 'outputs/x'}"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return config


def test_there_are_the_promised_experiments() -> None:
    assert {"quickstart", "few_shot", "joint", "per_speaker"} <= set(EXPERIMENTS)


@pytest.mark.parametrize("experiment", [*EXPERIMENTS, "debug"])
def test_every_experiment_builds(experiment: str, tmp_path: Path) -> None:
    choice = "debug=overfit" if experiment == "debug" else f"experiment={experiment}"
    config = composed("train", choice, *NEEDED.get(experiment, []), run=tmp_path)
    training = build_training(config, ["alice", "bruno", "mei"])
    if config.training.weights.speaker:
        assert training.speaker_classifier.weight.shape == (3, 256)
    assert config.n_speakers == 3
    assert training.steps == config.training.steps > 0
    assert 0 <= training.adversary_from <= training.steps
    instantiate(config.data)
    for node in filter(None, [*config.callbacks.values(), *config.logger.values()]):
        assert instantiate(node) is not None
    assert instantiate(config.trainer, logger=False).max_epochs == -1


def plain_overrides(ablation: str) -> list[str]:
    """The list that the file's comment claims to be equal to."""
    header, claim, question = (CONF / "experiment" / "ablation" / f"{ablation}.yaml").read_text(encoding="utf-8").splitlines()[:3]
    assert header == "# @package _global_"
    assert claim.startswith("# = ")
    assert "?" in question
    return claim.removeprefix("# = ").split()


def resolved(config: DictConfig) -> dict:
    settings = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    return OmegaConf.to_container(settings, resolve=True)


@pytest.fixture(scope="module")
def without_ablation() -> dict:
    return resolved(composed("train", *NARROW))


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_an_ablation_equals_a_plain_list_of_overrides_and_builds(ablation: str, without_ablation: dict) -> None:
    config = composed("train", f"experiment=ablation/{ablation}", *NARROW)
    assert resolved(config) == resolved(composed("train", *plain_overrides(ablation), *NARROW))
    # It takes something away, or puts another thing in its place.
    assert resolved(config) != without_ablation
    assert build_training(config, ["alice", "bruno"]).steps == config.training.steps
    instantiate(config.data)
    assert all(instantiate(node) is not None for node in config.callbacks.values() if node)


@pytest.mark.parametrize("ablation", ["no_balancing", "no_adversary", "speaker_table", "augmentation"])
def test_an_ablation_of_a_recipe(ablation: str) -> None:
    listed = resolved(composed("train", f"experiment=[few_shot,ablation/{ablation}]"))
    assert listed == resolved(composed("train", "experiment=few_shot", *plain_overrides(ablation)))
    assert listed["data"]["seconds_per_speaker"] == 60


def test_ablations_are_told_apart() -> None:
    assert len(ABLATIONS) >= 20
    assert len({tuple(plain_overrides(ablation)) for ablation in ABLATIONS}) == len(ABLATIONS)


def test_ablations_do_what_they_are_called(tmp_path: Path) -> None:
    def training(ablation: str) -> VoiceTraining:
        return build_training(composed("train", f"experiment=ablation/{ablation}", *NARROW, run=tmp_path), ["alice", "bruno"])

    alone = training("no_adversary")
    assert alone.adversary_from == alone.steps
    unwarmed = training("no_warm_up")
    assert unwarmed.adversary_from == unwarmed.mel_only_steps == 0
    tabled = training("speaker_table")
    assert isinstance(tabled.synthesizer.speaker_encoder, SpeakerTable)
    assert tabled.speaker_classifier is None
    assert composed("train", "experiment=ablation/no_ema").callbacks.average is None


@pytest.mark.parametrize(("model", "decoder", "largest"), [("small", FrameRateDecoder, 20e6), ("base", FrameRateDecoder, 120e6)])
def test_every_model_builds_at_every_embedding_size(model: str, decoder: type, largest: float, tmp_path: Path) -> None:
    for size in (192, 512):
        training = build_training(composed("train", f"model={model}", f"embedding_size={size}", run=tmp_path), ["a", "b"])
        assert isinstance(training.synthesizer.decoder, decoder)
        assert training.synthesizer.speaker_encoder.embedding_size == size
        assert training.synthesizer.flow.speaker_channels == size
    assert sum(weight.numel() for weight in training.synthesizer.parameters()) < largest


@pytest.mark.parametrize("trainer", ["cpu", "gpu", "ddp"])
def test_every_trainer_composes(trainer: str) -> None:
    config = composed("train", f"trainer={trainer}")
    assert config.trainer._target_ == "lightning.Trainer"
    assert config.trainer.precision == ("32-true" if trainer == "cpu" else "bf16-mixed")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_composes_and_resolves(verb: str) -> None:
    config = composed(verb)
    OmegaConf.resolve(config.get("hydra").job)
    assert config.hydra.job.name == verb


def test_commands_and_code_speak_alike_where_nobody_asks() -> None:
    asked = Request("hello", "ana")
    spoken, judged = composed("synthesize"), composed("evaluate")
    assert (spoken.noise_scale, spoken.duration_noise_scale) == (asked.noise_scale, asked.duration_noise_scale)
    assert judged.noise_scale == asked.noise_scale


def test_rates_that_do_not_fit_the_hop_name_both(tmp_path: Path) -> None:
    config = composed("train", "decoder=upsampling", "model.decoder.upsample_rates=[5,4]", run=tmp_path)
    with pytest.raises(Exception, match=r"5 \* 4 = 20.*hop_length=512") as error:
        build_training(config, ["a"])
    assert isinstance(error.value.__cause__, SovitsError)


def test_spectral_norm_is_one_override(tmp_path: Path) -> None:
    training = build_training(composed("train", "discriminators.use_spectral_norm=true", run=tmp_path), ["a"])
    assert any("spectral" in type(part).__name__.lower() for part in training.discriminators.modules())
