"""How the model sounds on held-out texts, as figures that checkpoints can be chosen by."""

from __future__ import annotations

import logging
import time

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from torch import Tensor

from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import Utterance
from sovits.metrics import REAL, RECONSTRUCTION, WORST, Panel, Reading, Recording
from sovits.training.callbacks.validation import ValidationCallback, first_of_each, read_clip, speak
from sovits.training.lightning_module import VoiceTraining

log = logging.getLogger(__name__)


class Judging(ValidationCallback):
    """Speaks validation texts in their speakers' voices and lets a panel of judges hear them.

    Logged with ``module.log`` and so known to every logger and to checkpointing, for each figure of the panel: ``val/<figure>``, the mean
    over speakers, ``val/<figure>_real``, the same of the recordings, ``val/<figure>_worst_speaker``, and each speaker's own under
    ``val/<figure>/<speaker>``. W&B gets the speakers' figures as a table too. Clips are shared out over the ranks; the judges add them up.

    Args:
        panel: the judges.
        max_clips_per_speaker: validation utterances spoken for each speaker, the first of the manifest.
        references_per_speaker: training clips that voices are compared with as well, because a small validation split has too few
            recordings of other sentences.
        every_n_validations: how often.
    """

    def __init__(self, panel: Panel, max_clips_per_speaker: int, references_per_speaker: int, every_n_validations: int) -> None:
        super().__init__(every_n_validations)
        self.panel = panel
        self.max_clips_per_speaker = max_clips_per_speaker
        self.references_per_speaker = references_per_speaker
        self._seconds = 0.0
        self._began = 0.0
        self._enrolled = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Seats the judges and starts the clock of the whole run."""
        self._began = time.monotonic()
        self.panel.seat(trainer.datamodule.speakers)  # type: ignore[attr-defined]
        self._enrolled = False

    def logged_names(self) -> set[str]:
        """See :class:`ValidationCallback`; the means, and each figure's worst speaker."""
        worst = {figure.name + WORST for figure in self.panel.figures if figure.higher_is_better is not None}
        return {f"val/{name}" for name in (*self.panel.names, *worst) if not name.endswith(RECONSTRUCTION)}

    def listen(self, trainer: Trainer, module: VoiceTraining, data: SpeechDataModule) -> None:
        """See :class:`ValidationCallback`."""
        began = time.monotonic()
        if not self._enrolled:
            self._enrol(trainer, module, data)
        held_out = first_of_each(data.utterances("val"), self.max_clips_per_speaker)
        every = [utterance for own in held_out.values() for utterance in own]
        for utterance in every[trainer.global_rank :: trainer.world_size]:
            synthesis = speak(module, data, utterance.text, utterance.language, utterance.speaker)
            self.panel.score(Reading(recorded(data, utterance), utterance.text, utterance.language, synthesis))
        figures = self.panel.compute()
        # Already the same on every rank; saying so keeps Lightning from warning.
        module.log_dict({f"val/{name}": value.float() for name, value in figures.items()}, sync_dist=True)
        self._tabulate(trainer, figures, data.speakers)
        self._seconds += time.monotonic() - began

    def _enrol(self, trainer: Trainer, module: VoiceTraining, data: SpeechDataModule) -> None:
        self._enrolled = True
        if trainer.world_size > 1:
            # NCCL adds up only what lies on its device.
            self.panel.to(module.device)
        held_out = first_of_each(data.utterances("val"), self.max_clips_per_speaker)
        references = first_of_each(data.utterances("train"), self.references_per_speaker)
        every = [utterance for own in (*held_out.values(), *references.values()) for utterance in own]
        self.panel.enrol(recorded(data, utterance) for utterance in every)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says what the judges cost."""
        if self._seconds and trainer.is_global_zero:
            share = 100 * self._seconds / (time.monotonic() - self._began)
            log.info("Judging took %.0f s, %.1f %% of the run; callbacks.judging.every_n_validations=2 halves it.", self._seconds, share)

    def _tabulate(self, trainer: Trainer, figures: dict[str, Tensor], speakers: list[str]) -> None:
        names = [name for figure in self.panel.figures for name in (figure.name, figure.name + REAL) if name in figures]
        rows = [[speaker, *(float(figures.get(f"{name}/{speaker}", torch.nan)) for name in names)] for speaker in speakers]
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_table("val/speakers", columns=["speaker", *names], data=rows)


def recorded(data: SpeechDataModule, utterance: Utterance) -> Recording:
    """The utterance's clip, cut to whole frames as in training."""
    return Recording(utterance.id, utterance.speaker, read_clip(data, utterance), data.sample_rate)
