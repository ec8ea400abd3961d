"""Keeps every speaker's voice beside the weights that understand it."""

from __future__ import annotations

import torch
from lightning import Trainer
from torch import Tensor
from torch.nn import functional as F

from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import Utterance
from sovits.training.callbacks.validation import ValidationCallback, first_of_each, read_clip
from sovits.training.lightning_module import VoiceTraining


class SpeakerBankKeeper(ValidationCallback):
    """Fills ``module.speaker_bank`` at every validation: the mean embedding of each speaker's first training clips, L2-normalised.

    An embedding belongs to the weights that made it, so it is made anew whenever a checkpoint may follow, and from the averaged
    weights that the checkpoint holds. Every rank does it, with the same result.

    Args:
        clips_per_speaker: training clips that are averaged.
    """

    def __init__(self, clips_per_speaker: int) -> None:
        super().__init__(every_n_validations=1)
        self.clips_per_speaker = clips_per_speaker

    def listen(self, trainer: Trainer, module: VoiceTraining, data: SpeechDataModule) -> None:
        """See :class:`ValidationCallback`."""
        chosen = first_of_each(data.utterances("train"), self.clips_per_speaker)
        bank = {speaker: self._voice(module, data, speaker, own) for speaker, own in chosen.items()}
        # Validation runs in inference mode, whose tensors no later gradient may touch; plain copies may go anywhere.
        with torch.inference_mode(False):
            module.speaker_bank = {speaker: voice.clone() for speaker, voice in bank.items()}

    @staticmethod
    def _voice(module: VoiceTraining, data: SpeechDataModule, speaker: str, utterances: list[Utterance]) -> Tensor:
        number = torch.tensor([module.speakers.index(speaker)], device=module.device)
        clips = [torch.from_numpy(read_clip(data, utterance)).to(module.device) for utterance in utterances]
        # One clip at a time: an encoder that pools over time must not see the padding of a batch.
        embeddings = [module.synthesizer.embed_speaker(clip.unsqueeze(0), number)[0] for clip in clips]
        return F.normalize(torch.stack(embeddings).mean(0), dim=0)
