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
from sovits.modules import FrameRateDecoder
from sovits.verbs.train import build_training

CONF = config_directory()
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
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
    assert training.speaker_classifier.weight.shape == (3, 256)
    assert config.n_speakers == 3
    assert training.steps == config.training.steps > 0
    assert 0 < training.adversary_from < training.steps
    instantiate(config.data)
    for node in [*config.callbacks.values(), *config.logger.values()]:
        assert instantiate(node) is not None
    assert instantiate(config.trainer, logger=False).max_epochs == -1


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


def test_rates_that_do_not_fit_the_hop_name_both(tmp_path: Path) -> None:
    config = composed("train", "decoder=upsampling", "model.decoder.upsample_rates=[5,4]", run=tmp_path)
    with pytest.raises(Exception, match=r"5 \* 4 = 20.*hop_length=512") as error:
        build_training(config, ["a"])
    assert isinstance(error.value.__cause__, SovitsError)


def test_spectral_norm_is_one_override(tmp_path: Path) -> None:
    training = build_training(composed("train", "discriminators.use_spectral_norm=true", run=tmp_path), ["a"])
    assert any("spectral" in type(part).__name__.lower() for part in training.discriminators.modules())
