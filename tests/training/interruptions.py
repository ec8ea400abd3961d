"""A tiny run, and what can cut it short at any moment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor

from sovits.audio.waveform import write_waveform
from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import Manifest, Utterance
from sovits.text.encoding import EncodedText
from sovits.training.callbacks import SpeakerBankKeeper
from sovits.training.checkpointing import KeepCheckpoints
from sovits.training.lightning_module import VoiceTraining
from sovits.training.loggers import csv_logger
from sovits.training.optimisation import RandomState, WarmEma
from sovits.training.resuming import load_finished, resume_from
from tests.builders import HOP, SAMPLE_RATE, tiny_training

EVERYTHING = (
    "state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "loops", "callbacks", "sovits", "epoch",
    "global_step",
)  # fmt: skip
"""What a checkpoint of a run holds."""


class Killed(Exception):
    """Stands for the end of a process."""


class KillAt(Callback):
    """Raises ``Killed`` the ``count``-th time that Lightning calls ``hook``."""

    def __init__(self, hook: str, count: int) -> None:
        self.left = count
        setattr(self, hook, self._called)

    def _called(self, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


def write_set(root: Path, clips: int = 5) -> Path:
    """Two speakers of ``clips`` clips, the last one for validation."""
    utterances = []
    for speaker in ("ana", "bo"):
        for number in range(clips):
            samples = 0.3 * np.random.default_rng([number, len(speaker)]).uniform(-1, 1, SAMPLE_RATE + 400 * number).astype(np.float32)
            path = write_waveform(root / "clips" / f"{speaker}_{number}.flac", samples, SAMPLE_RATE)
            seconds = len(samples) / SAMPLE_RATE
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            told = ("en", "Hello", 0.0, seconds, seconds, "val" if number == clips - 1 else "train", "raw.wav", "sidecar", content)
            utterances.append(Utterance(f"{speaker}/{number}", str(path.relative_to(root)), speaker, *told))
    Manifest(SAMPLE_RATE, tuple(utterances)).save(root)
    return root


def read_characters(text: str, language: str | None) -> EncodedText:
    """Every character a phone, in any language."""
    assert language == "en"
    zeros = [0] * len(text)
    return EncodedText(text, list(text), [1 + ord(character) % 48 for character in text], zeros, zeros, zeros[:1], zeros)


@dataclass
class TinyRun:
    """One run in ``folder``, which can be given again and again as a scheduler would do.

    ``frame_budget`` decides how many batches an epoch has.
    """

    root: Path
    folder: Path
    steps: int = 8
    validate_every: int = 3
    every_steps: int | None = None
    keep_every: int | None = None
    frame_budget: int = 450
    monitor: str | None = "val/mel"
    changes: dict[str, Any] = field(default_factory=dict)
    trainer_options: dict[str, Any] = field(default_factory=dict)
    more_callbacks: Callable[[], list[Callback]] = list

    def attempt(self, *killers: Callback, resume: str | bool | None = True) -> VoiceTraining:
        """Begins, or goes on where the last attempt left off, in fresh objects as a new process would have."""
        lightning.seed_everything(3, verbose=False)
        data = SpeechDataModule(
            str(self.root), read_characters, SAMPLE_RATE, HOP, frame_budget=self.frame_budget, max_clips=2, reference_seconds=0.5
        )
        training = tiny_training(self.steps, adversary_from=2, speakers=data.speakers, **self.changes)
        self.keeper = KeepCheckpoints(
            str(self.folder / "checkpoints"), self.monitor, every_steps=self.every_steps, keep_every=self.keep_every
        )
        callbacks = [SpeakerBankKeeper(2), self.keeper, LearningRateMonitor("step"), RandomState(), *self.more_callbacks(), WarmEma(0.9)]
        start = resume_from(resume, self.folder)
        if resume is True and start is not None and load_finished(start, training):
            return training
        self.trainer = Trainer(
            **{
                "accelerator": "cpu",
                "logger": [csv_logger(str(self.folder), 1)],
                "callbacks": [*callbacks, *killers],
                "enable_progress_bar": False,
                "enable_model_summary": False,
                "max_epochs": -1,
                "check_val_every_n_epoch": None,
                "val_check_interval": self.validate_every,
                "num_sanity_val_steps": 0,
                "log_every_n_steps": 1,
                "use_distributed_sampler": False,
                "default_root_dir": self.folder,
            }
            | self.trainer_options
        )
        self.trainer.fit(training, data, ckpt_path=start, weights_only=True)
        return training

    def last(self) -> dict[str, Any]:
        """What ``last.ckpt`` holds."""
        return torch.load(self.folder / "checkpoints" / "last.ckpt", weights_only=True)

    def table(self) -> str:
        """``csv/metrics.csv``."""
        return (self.folder / "csv" / "metrics.csv").read_text()


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Places in which two checkpoints are not the same to the last bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        missing = [f"{where}.{key} is in one alone" for key in one.keys() ^ other.keys()]
        return missing + [found for key in one.keys() & other.keys() for found in differences(one[key], other[key], f"{where}.{key}")]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return [found for index, pair in enumerate(zip(one, other, strict=True)) for found in differences(*pair, f"{where}[{index}]")]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape and one.numpy().tobytes() == other.numpy().tobytes()
    else:
        same = type(one) is type(other) and (one == other or (one != one and other != other))
    return [] if same else [where]
