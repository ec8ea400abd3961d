"""How the model sounds on held-out texts, as numbers that checkpoints can be chosen by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from lightning import Trainer
from torch import Tensor

from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import Utterance
from sovits.metrics import MosProxy, SpeakerSimilarity
from sovits.training.callbacks.validation import ValidationCallback, first_of_each, read_clip, speak
from sovits.training.lightning_module import VoiceTraining


class VoiceQuality(ValidationCallback):
    """Speaks validation texts in their speakers' voices and logs speaker similarity and a MOS proxy.

    Logged with ``module.log`` and so known to every logger and to checkpointing: ``val/speaker_similarity``,
    ``val/speaker_similarity_real`` (two recordings of the speaker, the figure to read it beside), ``val/mos_proxy``,
    ``val/mos_proxy_real`` (the recordings), further parts of both, and each speaker's own under ``val/<name>/<speaker>``.
    The clips are shared out over the ranks; the metrics add them up.

    Args:
        speaker_similarity: made from the list of speakers; ``None`` leaves it out.
        mos_proxy: likewise.
        max_clips_per_speaker: validation utterances spoken for each speaker, the first of the manifest.
        references_per_speaker: training clips that synthetic ones are compared with as well, because a small validation split has
            too few recordings of other sentences.
        every_n_validations: how often; these metrics cost a second or so a clip.
    """

    def __init__(
        self,
        speaker_similarity: Callable[[list[str]], SpeakerSimilarity] | None,
        mos_proxy: Callable[[list[str]], MosProxy] | None,
        max_clips_per_speaker: int,
        references_per_speaker: int,
        every_n_validations: int,
    ) -> None:
        super().__init__(every_n_validations)
        self.make_similarity = speaker_similarity
        self.make_mos_proxy = mos_proxy
        self.max_clips_per_speaker = max_clips_per_speaker
        self.references_per_speaker = references_per_speaker
        self.similarity: SpeakerSimilarity | None = None
        self.mos_proxy: MosProxy | None = None
        self._real_mos: dict[str, Tensor] = {}

    def listen(self, trainer: Trainer, module: VoiceTraining, data: SpeechDataModule) -> None:
        """See :class:`ValidationCallback`."""
        self._prepare(trainer, module, data)
        held_out = self._share(trainer, first_of_each(data.utterances("val"), self.max_clips_per_speaker))
        synthetic = [speak(module, data, utterance.text, utterance.language, utterance.speaker) for utterance in held_out]
        real = [read_clip(data, utterance) for utterance in held_out]
        speakers = [utterance.speaker for utterance in held_out]
        figures: dict[str, Tensor] = {}
        if self.similarity is not None:
            figures |= self._similarity(self.similarity, trainer, data, synthetic, real, speakers)
        if self.mos_proxy is not None:
            self._real_mos = self._real_mos or self._mos(self.mos_proxy, real, data.sample_rate, speakers)
            figures |= self._mos(self.mos_proxy, synthetic, data.sample_rate, speakers)
            figures["mos_proxy_real"] = self._real_mos["mos_proxy"]
        # Already the same on every rank; saying so keeps Lightning from warning.
        module.log_dict({f"val/{name}": value.float() for name, value in figures.items()}, sync_dist=True)

    def _prepare(self, trainer: Trainer, module: VoiceTraining, data: SpeechDataModule) -> None:
        if self.similarity is None and self.make_similarity is not None:
            self.similarity = self.make_similarity(data.speakers)
        if self.mos_proxy is None and self.make_mos_proxy is not None:
            self.mos_proxy = self.make_mos_proxy(data.speakers)
        if trainer.world_size > 1:
            # NCCL adds up only what lies on its device.
            for metric in filter(None, (self.similarity, self.mos_proxy)):
                metric.to(module.device)

    @staticmethod
    def _share(trainer: Trainer, utterances: dict[str, list[Utterance]]) -> list[Utterance]:
        every = [utterance for own in utterances.values() for utterance in own]
        return every[trainer.global_rank :: trainer.world_size]

    def _similarity(
        self,
        metric: SpeakerSimilarity,
        trainer: Trainer,
        data: SpeechDataModule,
        synthetic: list[np.ndarray],
        real: list[np.ndarray],
        speakers: list[str],
    ) -> dict[str, Tensor]:
        references = self._share(trainer, first_of_each(data.utterances("train"), self.references_per_speaker))
        metric.reset()
        metric.update(
            [*synthetic, *(None for _ in references)],
            [*real, *(read_clip(data, utterance) for utterance in references)],
            data.sample_rate,
            [*speakers, *(utterance.speaker for utterance in references)],
        )
        return metric.compute()

    @staticmethod
    def _mos(metric: MosProxy, clips: list[np.ndarray], sample_rate: int, speakers: list[str]) -> dict[str, Tensor]:
        metric.reset()
        metric.update(clips, sample_rate, speakers)
        return metric.compute()
