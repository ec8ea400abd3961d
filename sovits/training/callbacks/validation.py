"""What the callbacks that listen at validation share: when they run, and how they read clips and make the model speak."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from sovits.audio.waveform import read_waveform
from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import Utterance
from sovits.errors import SovitsError
from sovits.text.batch import TextBatch
from sovits.training.lightning_module import VoiceTraining


class ValidationCallback(Callback, ABC):
    """Runs :meth:`listen` at the end of every n-th validation, while the averaged weights are in the model.

    Args:
        every_n_validations: 1 for each of them; the first one always counts. Sanity checks do not.
    """

    def __init__(self, every_n_validations: int) -> None:
        if every_n_validations < 1:
            raise SovitsError(
                f"callbacks: every_n_validations={every_n_validations} would never run; give 1 or more, or remove the callback."
            )
        self.every_n_validations = every_n_validations
        self._validations = 0

    @abstractmethod
    def listen(self, trainer: Trainer, module: VoiceTraining, data: SpeechDataModule) -> None:
        """The work, on every rank; the model is in evaluation mode and nothing records gradients."""

    def logged_names(self) -> set[str]:
        """What it will log at validation, known once the trainer has set up: what a best checkpoint may be chosen by."""
        return set()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See :class:`lightning.Callback`. Not ``on_validation_end``: by then the averaged weights are out again."""
        if trainer.sanity_checking:
            return
        due = self._validations % self.every_n_validations == 0
        self._validations += 1
        if due:
            self.listen(trainer, pl_module, trainer.datamodule)  # type: ignore[arg-type, attr-defined]

    def state_dict(self) -> dict[str, Any]:
        """The count, so that a resumed run keeps the rhythm."""
        return {"validations": self._validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes :meth:`state_dict`."""
        self._validations = state_dict["validations"]


def logged_at_validation(trainer: Trainer, module: VoiceTraining) -> set[str] | None:
    """Names of all that will be logged at validation; None where a callback of another kind may log what it likes."""
    known = set(module.validation_losses)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, ValidationCallback):
            known |= callback.logged_names()
        elif not type(callback).__module__.startswith(("sovits.", "lightning.")):
            return None
    return known


def first_of_each(utterances: Iterable[Utterance], count: int) -> dict[str, list[Utterance]]:
    """The first ``count`` utterances of each speaker, in the manifest's order."""
    chosen: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        own = chosen.setdefault(utterance.speaker, [])
        if len(own) < count:
            own.append(utterance)
    return chosen


def read_clip(data: SpeechDataModule, utterance: Utterance) -> np.ndarray:
    """The clip [T_samples], cut to whole frames as in training."""
    samples = read_waveform(data.root / utterance.path, data.sample_rate)
    return samples[: len(samples) // data.hop_length * data.hop_length]


def voice_of(module: VoiceTraining, speaker: str) -> Tensor:
    """The speaker's embedding [1, E] on the module's device.

    Raises:
        SovitsError: nobody has filled the speaker bank.
    """
    if speaker not in module.speaker_bank:
        raise SovitsError(
            f"The speaker bank has no '{speaker}'; put callbacks.speaker_bank before the callbacks that make the model speak."
        )
    return module.speaker_bank[speaker].to(module.device).unsqueeze(0)


def speak(module: VoiceTraining, data: SpeechDataModule, text: str, language: str | None, speaker: str) -> np.ndarray:
    """``text`` in the speaker's voice, [T_samples]; the same noise at every validation, and none of training's."""
    generator = torch.Generator(module.device).manual_seed(0)
    batch = TextBatch.collate([data.front_end(text, language)]).to(module.device)
    synthesis = module.synthesizer.synthesize(batch, voice_of(module, speaker), generators=generator)
    return synthesis.audio[0, 0, : int(synthesis.sample_lengths[0])].float().cpu().numpy()
