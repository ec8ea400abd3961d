"""The speaker encoder by itself: it learns to tell many speakers apart before a synthesizer learns to speak like them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sovits.data.batch import Batch
from sovits.errors import SovitsError
from sovits.modules.layers.slicing import random_starts, take_slices
from sovits.training.guards import require_sane
from sovits.training.lightning_module import GENERATOR, VoiceTraining


class SpeakerTraining(VoiceTraining):
    """Trains the speaker encoder to name the speaker of a clip (AAM-softmax); the rest of the network is not even run.

    Of each utterance two stretches are heard: its reference, which is of another clip of the speaker, and one of its own. Checkpoints
    hold the whole network: ``warm_start_parts=[speaker_encoder]`` takes over what was learned.

    Raises:
        SovitsError: a loss other than ``speaker`` has a weight, or that one has none.
    """

    validation_losses = ("val/speaker",)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        counted = [name for name, weight in self.weights.items() if weight]
        if counted != ["speaker"]:
            raise SovitsError(
                f"experiment=speaker_encoder trains by the loss speaker alone, but training.weights counts {', '.join(counted) or 'none'}; "
                "leave them as the recipe sets them."
            )

    def generator_weights(self) -> list[nn.Parameter]:
        return [*self.synthesizer.speaker_encoder.parameters(), *self._classifier.parameters()]  # type: ignore[union-attr]

    @property
    def _classifier(self) -> nn.Module:
        assert self.speaker_classifier is not None
        return self.speaker_classifier

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        current = self.rounds.at(self.batches_since_step, self.generator_step, adversary=False)
        loss = self._loss(batch)
        told = {"speaker": loss, "total": loss, **self._update(GENERATOR, current, loss)}
        told = {f"generator/{name}": value for name, value in told.items()}
        require_sane(told, self.loss_limit, self.generator_step + 1, batch.ids, self.trainer)
        self._log("train", told, len(batch))
        self.batches_since_step += 1
        if current.completes:
            self.generator_step += 1
            self.batches_since_step = 0

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(batch_idx)
            self._log("val", {"speaker": self._loss(batch)}, len(batch))

    def _loss(self, batch: Batch) -> Tensor:
        hop, size = self.synthesizer.hop_length, batch.references.shape[1]
        starts = random_starts(batch.frame_lengths, size // hop) * hop
        own = take_slices(batch.waveforms.unsqueeze(1), starts, size).squeeze(1)
        stretches = torch.cat([batch.references, _filled(own, batch.frame_lengths * hop)])
        return self._classifier(self.synthesizer.embed_speaker(stretches), batch.speakers.repeat(2))


def _filled(clips: Tensor, lengths: Tensor) -> Tensor:
    """Clips [B, T], those shorter than T repeated in the place of the zeros behind them."""
    index = torch.arange(clips.shape[1], device=clips.device) % lengths[:, None].clamp_max(clips.shape[1])
    return clips.gather(1, index)
