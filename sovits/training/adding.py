"""Adding a voice to a trained model: what learns, and checkpoints that are plain ones all the same."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.data.batch import Batch
from sovits.data.datamodule import SpeechDataModule
from sovits.errors import SovitsError
from sovits.modules.added_voice import AddedVoice
from sovits.modules.speaker_table import SpeakerTable
from sovits.modules.synthesizer import Synthesizer, SynthesizerOutput
from sovits.training.callbacks.validation import read_clip
from sovits.training.lightning_module import VoiceTraining
from sovits.training.low_rank import add_low_rank, merged_state

log = logging.getLogger(__name__)

PREFIX = "synthesizer."
VECTOR = "synthesizer.speaker_encoder.vector"


class Way(Protocol):
    """What of a synthesizer learns when a voice is added; the voice's own vector always does."""

    def open(self, synthesizer: Synthesizer) -> list[nn.Module]:
        """Lets learn what is to; returns the parts that must stay as they are, down to their dropout and running statistics."""
        ...


class VoiceOnly:
    """Nothing of the network learns: old voices stay what they are, bit for bit."""

    def open(self, synthesizer: Synthesizer) -> list[nn.Module]:
        """See :class:`Way`."""
        synthesizer.requires_grad_(False)
        return [part for _, part in synthesizer.named_children()]


class LowRank:
    """Low-rank updates of chosen parts learn, and are merged into plain weights in every checkpoint.

    Args:
        rank: of the updates.
        alpha: they are scaled by ``alpha / rank``.
        parts: of the synthesizer; all their linear layers and convolutions.
    """

    def __init__(self, rank: int, alpha: float, parts: Sequence[str]) -> None:
        if rank < 1:
            raise SovitsError(f"addition.way.rank={rank} leaves the updates nothing to hold; give 1 or more.")
        self.rank, self.alpha, self.parts = rank, alpha, list(parts)

    def open(self, synthesizer: Synthesizer) -> list[nn.Module]:
        """See :class:`Way`.

        Raises:
            SovitsError: a part that is not there or has nothing to update.
        """
        children = {name: part for name, part in synthesizer.named_children() if name not in ("speaker_encoder", "semantic_encoder")}
        if not self.parts or not set(self.parts) <= children.keys():
            raise SovitsError(f"addition.way.parts={self.parts}: choose one or more of {', '.join(children)}.")
        synthesizer.requires_grad_(False)
        for name in self.parts:
            if not add_low_rank(children[name], self.rank, self.alpha):
                raise SovitsError(
                    f"addition.way.rank={self.rank} is too much for every layer of {name}; lower it, or take {name} out of "
                    "addition.way.parts."
                )
        return [part for name, part in synthesizer.named_children() if name not in self.parts]


class AllWeights:
    """All weights learn but those that tell voices, so that the old voices, which they have made, still belong to the model."""

    def open(self, synthesizer: Synthesizer) -> list[nn.Module]:
        """See :class:`Way`."""
        encoder = synthesizer.speaker_encoder
        assert isinstance(encoder, nn.Module)
        encoder.requires_grad_(False)
        return [encoder]


class VoiceAddition(VoiceTraining):
    """:class:`VoiceTraining` of a model that has voices already, once :meth:`add_voice` has said which one is new.

    Its checkpoints are those of a model that has always had the new voice, so that everything reads them; what a resumed run needs
    beside that, they hold under ``addition``.
    """

    _heard: dict[str, Tensor]

    @property
    def speaker_bank(self) -> dict[str, Tensor]:  # type: ignore[override]
        """The old voices as they were, and the new one as it was last heard."""
        return {**self._heard, **getattr(self, "_old_bank", {})}

    @speaker_bank.setter
    def speaker_bank(self, bank: dict[str, Tensor]) -> None:
        self._heard = bank

    def add_voice(self, name: str, start: Tensor, way: Way, speakers: Sequence[str], bank: Mapping[str, Tensor]) -> None:
        """Makes the new voice part of the model.

        Args:
            name: of the new speaker; one of ``speakers`` is replaced.
            start: its voice [E] to begin at.
            way: what learns beside the voice.
            speakers: that the model was trained with, in the order of their numbers.
            bank: the model's voices.
        """
        self.new = name
        self.speakers = [*speakers, *([] if name in speakers else [name])]
        self._old_bank = {speaker: voice for speaker, voice in bank.items() if speaker != name}
        own = self.synthesizer.speaker_encoder
        assert own is not None
        self.frozen_parts += way.open(self.synthesizer)
        # Replaced after the rest was closed, so that its vector stays open.
        self.synthesizer.speaker_encoder = AddedVoice(own, self.speakers.index(name), start)
        self.train(self.training)

    def _forward(self, batch: Batch) -> tuple[SynthesizerOutput, Tensor]:
        # Speakers by their numbers in the model, not in the set: clips of the old ones may come from another.
        numbers = [self.speakers.index(clip.split("/")[0]) for clip in batch.ids]
        return super()._forward(replace(batch, speakers=torch.tensor(numbers, device=batch.speakers.device)))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        learned = checkpoint["state_dict"]
        voice = F.normalize(learned[VECTOR].detach().float().cpu(), dim=0)
        checkpoint["addition"] = {"state_dict": learned}
        checkpoint["state_dict"] = self._plain(learned)
        carried = checkpoint["sovits"]
        carried["speaker_bank"] = {**self._old_bank, self.new: voice.clone()}
        carried["config"] = self._plain_config()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if "addition" not in checkpoint:
            raise SovitsError(
                "The checkpoint to resume from was not written while a voice was added; resume with the command it was made with, or add a "
                "voice to it with checkpoint=... and without resume."
            )
        checkpoint["state_dict"] = checkpoint["addition"]["state_dict"]
        super().on_load_checkpoint(checkpoint)

    def _plain(self, learned: dict[str, Tensor]) -> dict[str, Tensor]:
        """The state that a model has which was made with all speakers from the start."""
        # Validation, which checkpoints follow, runs in inference mode.
        with torch.inference_mode(False), torch.no_grad():
            twin = copy.deepcopy(self.synthesizer)
            twin.load_state_dict({name.removeprefix(PREFIX): value for name, value in learned.items() if name.startswith(PREFIX)})
            voices = own_state(twin.speaker_encoder)  # type: ignore[arg-type]
            plain = {name: value for name, value in merged_state(twin).items() if not name.startswith("speaker_encoder.")}
            plain |= {f"speaker_encoder.{name}": value for name, value in voices.items()}
        others = {name: value for name, value in learned.items() if not name.startswith(PREFIX)}
        return {**{f"{PREFIX}{name}": value for name, value in plain.items()}, **others}

    def _plain_config(self) -> dict[str, Any]:
        config = copy.deepcopy(self.carried_config)
        config["n_speakers"] = len(self.speakers)
        own = self.synthesizer.speaker_encoder.own  # type: ignore[union-attr]
        if isinstance(own, SpeakerTable):
            config["model"]["speaker_encoder"]["n_speakers"] = len(self.speakers)
        return config


def own_state(added: AddedVoice) -> dict[str, Tensor]:
    """The state of the model's own way to voices, with the new one in it where that is a table: an encoder has no place for it."""
    own = added.own
    assert isinstance(own, nn.Module)
    state = dict(own.state_dict())
    if isinstance(own, SpeakerTable):
        rows = state["table.weight"]
        table = rows.new_zeros(max(len(rows), added.number + 1), rows.shape[1])
        table[: len(rows)] = rows
        table[added.number] = F.normalize(added.vector, dim=0)
        state["table.weight"] = table
    return state


@torch.no_grad()
def first_voice(synthesizer: Synthesizer, data: SpeechDataModule, speaker: str) -> Tensor:
    """Where the new voice begins, [E]: the mean of what the model's encoder hears in the speaker's training clips, or of its table."""
    encoder = synthesizer.speaker_encoder
    if isinstance(encoder, SpeakerTable):
        return F.normalize(F.normalize(encoder.table.weight, dim=1).mean(0), dim=0)
    synthesizer.eval()
    own = [utterance for utterance in data.utterances("train") if utterance.speaker == speaker]
    # One clip at a time: an encoder that pools over time must not see the padding of a batch.
    voices = [synthesizer.embed_speaker(torch.from_numpy(read_clip(data, utterance)).unsqueeze(0))[0] for utterance in own]
    return F.normalize(torch.stack(voices).mean(0), dim=0)
