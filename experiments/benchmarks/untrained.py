"""A checkpoint of any model without training: nothing of its speed depends on what it has learned, but for how long a phone lasts."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import open_dict
from torch.nn import functional as F

from sovits.cli import config_directory
from sovits.verbs.train import build_training, carried_config

SPEAKERS = ["ana", "bo", "chen", "dora"]
SECONDS_PER_PHONE = 0.05


def untrained_checkpoint(model: str, path: Path) -> Path:
    """Writes a checkpoint of ``sovits train model=...`` before its first step, with four voices drawn by chance, to ``path``."""
    torch.manual_seed(0)
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose("train", [f"model={model}", "hydra.runtime.output_dir=."], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    config = copy.deepcopy(config)
    with open_dict(config):
        del config["hydra"]
    training = build_training(config, SPEAKERS)
    synthesizer = training.synthesizer
    frames = SECONDS_PER_PHONE * training.mel_spectrogram.sample_rate / synthesizer.hop_length
    with torch.no_grad():
        synthesizer.duration_predictor.output.bias.fill_(math.log(frames))
        synthesizer.duration_predictor.output.weight.zero_()
    training.carried_config = carried_config(config, training, instantiate(config.text.tokenizer))
    training.speaker_bank = {name: F.normalize(torch.randn(synthesizer.embedding_size), dim=0) for name in SPEAKERS}
    content: dict[str, object] = {"state_dict": {f"synthesizer.{name}": weight for name, weight in synthesizer.state_dict().items()}}
    training.on_save_checkpoint(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path
