"""``sovits train experiment=distil``: a trained model's checkpoint teaches a model of this run's size."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from sovits.data.datamodule import SpeechDataModule
from sovits.errors import SovitsError
from sovits.text import TextFrontEnd, TokenFrontEnd
from sovits.training.distillation import VoiceDistillation
from sovits.training.lightning_module import VoiceTraining
from sovits.training.teacher import Teacher
from sovits.voice.checkpoint import Checkpoint

log = logging.getLogger(__name__)

SAME = ("audio", "text", "embedding_size")
"""Parts of the configuration that a student shares with its teacher."""
FREE = ("audio.hop_factors", "text.tokenizer")
"""What of them is a matter of each one's decoder, or compared by what it does."""


@dataclass(frozen=True)
class Distillation:
    """A teacher before its student is there."""

    checkpoint: Checkpoint
    sha256: str
    share_alignment: bool

    @classmethod
    def asked_for(cls, config: DictConfig) -> Distillation | None:
        """What ``config.distillation`` asks for; None without it.

        Raises:
            SovitsError: no teacher is named, it is not there or damaged, or hears, reads or tells voices otherwise than this run's model;
                or a voice is to be added as well.
        """
        if config.distillation is None:
            return None
        if config.addition is not None:
            raise SovitsError(
                "experiment=distil and experiment=add_speaker are two trainings, a new model and a new voice; give one after the other."
            )
        path = config.distillation.teacher
        if path is None:
            raise SovitsError(
                "distillation.teacher is not given; for example: sovits train experiment=distil "
                "distillation.teacher=outputs/train/.../checkpoints/last.ckpt data.root=outputs/prepared/NAME"
            )
        checkpoint = _read(path)
        for key in SAME:
            if key not in checkpoint.config:
                raise SovitsError(f"The teacher {path} carries a config without `{key}`; train it again with this version.")
            _require_same(key, config[key], checkpoint)
        with Path(path).open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(checkpoint, sha256, config.distillation.share_alignment)

    @property
    def told(self) -> dict[str, Any]:
        """What a run's record keeps."""
        return {
            "path": str(self.checkpoint.path.resolve()),
            "sha256": self.sha256,
            "generator_step": self.checkpoint.generator_step,
        }

    def begin(self, training: VoiceTraining, data: SpeechDataModule) -> None:
        """Gives a freshly built ``training`` its teacher, and says who it is.

        Raises:
            SovitsError: the teacher reads other tokens or lacks a speaker of the set.
        """
        assert isinstance(training, VoiceDistillation)
        # The student draws what it would have drawn without a teacher.
        with torch.random.fork_rng():
            teacher = Teacher.of(self.checkpoint, data.speakers)
            self._check_tokens(teacher, data.front_end)
            training.learn_from(teacher, self.sha256, self.share_alignment)
        theirs, own = (sum(weight.numel() for weight in network.parameters()) for network in (teacher.synthesizer, training.synthesizer))
        log.info(
            "Teacher: %s, step %d, %s; SHA-256 %s",
            self.checkpoint.path,
            self.checkpoint.generator_step,
            _told(self.checkpoint.config, theirs),
            self.sha256[:12],
        )
        log.info("Student: %s", _told(training.carried_config, own))
        if theirs < own:
            log.warning("The teacher is smaller than its student (%.1f and %.1f million parameters).", theirs / 1e6, own / 1e6)

    def _check_tokens(self, teacher: Teacher, front_end: TextFrontEnd | TokenFrontEnd) -> None:
        if teacher.synthesizer.semantic_encoder is None and not isinstance(front_end, TokenFrontEnd):
            return
        theirs, own = self.checkpoint.build("text").tokenizer, front_end.tokenizer
        if theirs.to_json() != own.to_json():
            raise SovitsError(
                f"The teacher {self.checkpoint.path} reads tokens of another tokenizer ({theirs.name}, {theirs.vocabulary_size} tokens) "
                f"than this run's ({own.name}, {own.vocabulary_size}); choose the group semantic as the teacher's, or another teacher."
            )
        if theirs.max_length != own.max_length:
            raise SovitsError(
                f"The teacher {self.checkpoint.path} reads {theirs.max_length} tokens of a text and this run {own.max_length}; set "
                f"model.semantic_encoder.max_length={theirs.max_length}, or give another teacher."
            )


def _read(path: str) -> Checkpoint:
    try:
        return Checkpoint.read(path)
    except SovitsError as error:
        raise SovitsError(f"distillation.teacher: {error}") from error


def _require_same(key: str, here: Any, checkpoint: Checkpoint) -> None:
    """Refuses a run whose settings under ``key`` are not the teacher's, with both values."""
    plain = OmegaConf.to_container(here, resolve=True) if OmegaConf.is_config(here) else here
    own, theirs = (dict(_leaves(key, node)) for node in (plain, checkpoint.config[key]))
    for name in [*own, *(name for name in theirs if name not in own)]:
        if own.get(name) != theirs.get(name):
            raise SovitsError(
                f"The teacher {checkpoint.path} has {name}={theirs.get(name)} and this run {name}={own.get(name)}; a student hears, reads "
                f"and tells voices as its teacher does: give this run the teacher's `{key}`, or another teacher."
            )


def _leaves(where: str, node: Any) -> Iterator[tuple[str, Any]]:
    if where in FREE:
        return
    if not isinstance(node, Mapping):
        yield where, node
        return
    for key, child in node.items():
        yield from _leaves(f"{where}.{key}", child)


def _told(carried: Mapping[str, Any], parameters: int) -> str:
    """``12.8 million parameters, inter_channels 96, hidden_channels 128``."""
    sizes = [f"{key} {carried['size'][key]}" for key in ("inter_channels", "hidden_channels") if key in carried.get("size", {})]
    return ", ".join([f"{parameters / 1e6:.1f} million parameters", *sizes])
