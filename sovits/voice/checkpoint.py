"""Checkpoints as untrusted files: what a training run saved, and nothing that could run code."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sovits.errors import SovitsError
from sovits.voice.base import located
from sovits.voice.carried_config import build, check_config
from sovits.voice.exported import SPEAKERS, TRAINABLE, Export, is_export
from sovits.voice.speaker_bank import SpeakerBank
from sovits.voice.weights import load_exactly, read_parts

FORMAT = 2
PREFIX = "synthesizer."


@dataclass(frozen=True)
class Checkpoint:
    """What speaking needs of a training run."""

    path: Path
    config: dict[str, Any]
    """The run's resolved config, of plain values; the parts that speaking needs are checked."""
    speakers: list[str]
    """Names behind the ids that the run was trained with."""
    speaker_bank: dict[str, Tensor]
    """Embeddings [E] of speakers."""
    generator_step: int
    state: dict[str, Tensor]
    """All weights of the training run, on the CPU: the synthesizer's, the discriminators' and the speaker classifier's."""

    @property
    def weights(self) -> dict[str, Tensor]:
        """Of the synthesizer."""
        return {name.removeprefix(PREFIX): weight for name, weight in self.state.items() if name.startswith(PREFIX)}

    @classmethod
    def read(cls, path: Path | str) -> Checkpoint:
        """Reads a ``.ckpt`` file of `sovits train`, without unpickling anything but tensors and plain values.

        Also a folder of `sovits export format=[trainable]`, and ``base``, the one that the package brings along.

        Raises:
            SovitsError: no such file, another folder, not a checkpoint, one of something else or of another format, damaged, or a config
                that names anything but classes of the trusted packages.
        """
        path = located(path)
        if is_export(path):
            return cls._exported(path)
        content = _loaded(path)
        carried = content.get("sovits") if isinstance(content, dict) else None
        if not isinstance(carried, dict) or not {"config", "speakers", "speaker_bank"} <= carried.keys() or "state_dict" not in content:
            raise SovitsError(
                f"{path} is a PyTorch file but not a checkpoint of `sovits train`; give one such as .../checkpoints/last.ckpt."
            )
        if carried.get("format") != FORMAT:
            raise SovitsError(
                f"{path} has checkpoint format {carried.get('format')}, this version reads {FORMAT}; use the version that wrote it."
            )
        config = carried["config"]
        check_config(path, config)
        bank = {speaker: embedding.clone() for speaker, embedding in carried["speaker_bank"].items()}
        return cls(path, config, list(carried["speakers"]), bank, int(carried.get("generator_step", 0)), dict(content["state_dict"]))

    @classmethod
    def _exported(cls, folder: Path) -> Checkpoint:
        export, config = Export.read(folder)
        if export.kind != TRAINABLE:
            raise SovitsError(
                f"{folder} is an export as {export.kind}, which only speaks; give the checkpoint it was made of, or export that as "
                f"{TRAINABLE}."
            )
        bank = SpeakerBank.load(folder / SPEAKERS) if (folder / SPEAKERS).is_dir() else SpeakerBank()
        voices = {name: torch.tensor(bank[name]) for name in bank.names}
        return cls(folder, config, sorted(voices), voices, export.generator_step, read_parts(folder))

    def build(self, part: str) -> Any:
        """The object that ``part`` of the config describes.

        Raises:
            SovitsError: this version or machine cannot build it.
        """
        return build(self.path, self.config, part)

    def fill(self, synthesizer: nn.Module) -> None:
        """Loads the weights, all of them and no others.

        Raises:
            SovitsError: lacking, unknown or differently shaped weights, by name.
        """
        load_exactly(synthesizer, self.weights, self.path)


def _loaded(path: Path) -> Any:
    if path.is_dir():
        found = sorted(path.rglob("last.ckpt"))
        hint = f"did you mean {found[0]}?" if found else "give the file, such as .../checkpoints/last.ckpt."
        raise SovitsError(f"checkpoint={path} is a folder; {hint}")
    if not path.is_file():
        raise SovitsError(f"There is no checkpoint {path}; give a file such as outputs/train/.../checkpoints/last.ckpt.")
    if path.suffix != ".ckpt":
        raise SovitsError(f"{path} is not a checkpoint: expected a file of `sovits train` whose name ends in .ckpt.")
    try:
        # Mapped: the optimisers and the adversary in the file are never read.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        reason = str(error).split(". ")[0].splitlines()[0] if str(error) else type(error).__name__
        raise SovitsError(f"{path} is damaged or not a checkpoint of `sovits train` ({reason}); copy it again, or give another.") from error
