"""Pictures and sounds of what the model can do so far."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer
from torch import Tensor

from sovits.audio.spectrogram import log_compress
from sovits.audio.waveform import write_waveform
from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import Utterance
from sovits.errors import SovitsError
from sovits.reporting.pictures import MelScale, alignment_figure, mel_figure, save_figure
from sovits.text.batch import TextBatch
from sovits.text.encoding import EncodedText
from sovits.training.callbacks.media import log_picture, log_sound
from sovits.training.callbacks.validation import ValidationCallback, first_of_each, read_clip, speak, voice_of
from sovits.training.lightning_module import VoiceTraining

log = logging.getLogger(__name__)


class SampleLogger(ValidationCallback):
    """At validation, for the first speakers of the set: mels, the alignment and audio, as files and in W&B and TensorBoard.

    ``<folder>/step_000500/<speaker>/`` then holds ``mels.png`` (predicted through the posterior, target, and synthesised from the
    text, of the speaker's first validation clip), ``alignment.png``, these clips as WAV, and ``sentence_<language>_<n>.wav``.
    Clips and sentences are the same at every validation, so that steps can be compared. Only rank 0 does this.

    Args:
        sentences: texts by language (``en``, ``zh``, ``mixed``). A speaker says those of the languages it was recorded in, and the
            ``mixed`` ones.
        folder: where the files go.
        max_speakers: how many of the data module's speakers are drawn and heard.
        every_n_validations: how often.
    """

    def __init__(self, sentences: Mapping[str, Sequence[str]], folder: str, max_speakers: int, every_n_validations: int) -> None:
        super().__init__(every_n_validations)
        self.sentences = {language: list(texts) for language, texts in sentences.items()}
        self.folder = Path(folder)
        self.max_speakers = max_speakers
        self._announced: set[str] = set()

    def listen(self, trainer: Trainer, module: VoiceTraining, data: SpeechDataModule) -> None:
        """See :class:`ValidationCallback`."""
        if not trainer.is_global_zero:
            return
        clips = first_of_each(data.utterances("val"), 1)
        for speaker in data.speakers[: self.max_speakers]:
            folder = self.folder / f"step_{module.generator_step:06d}" / speaker
            if speaker in clips:
                self._clip(trainer, module, data, clips[speaker][0], folder)
            self._sentences(trainer, module, data, speaker, folder)

    def _clip(self, trainer: Trainer, module: VoiceTraining, data: SpeechDataModule, utterance: Utterance, folder: Path) -> None:
        target = read_clip(data, utterance)
        text = data.front_end(utterance.text, utterance.language)
        log_mels = self._log_mel(module, target).unsqueeze(0)
        lengths = torch.tensor([log_mels.shape[-1]], device=module.device)
        voice = voice_of(module, utterance.speaker)
        sounds = {
            "predicted": module.synthesizer.reconstruct(log_mels, lengths, voice)[0, 0].float().cpu().numpy(),
            "target": target,
            "from_text": speak(module, data, utterance.text, utterance.language, utterance.speaker),
        }
        mels = {name.replace("_", " "): self._log_mel(module, samples) for name, samples in sounds.items()}
        step, scale = module.generator_step, MelScale.of(module.mel_spectrogram)
        title = f"{utterance.speaker}, step {step}: {utterance.text}"
        pictures = {
            "mels": mel_figure(mels, scale, title),
            "alignment": alignment_figure(self._align(module, text, log_mels, lengths, voice), text.symbols, scale, title, log_mels[0]),
        }
        for name, figure in pictures.items():
            path = save_figure(figure, folder / f"{name}.png")
            log_picture(trainer.loggers, f"{name}/{utterance.speaker}", figure, path, step)
        for name, samples in sounds.items():
            self._sound(trainer, module, f"{name}/{utterance.speaker}", samples, data.sample_rate, utterance.text, folder / f"{name}.wav")

    def _sentences(self, trainer: Trainer, module: VoiceTraining, data: SpeechDataModule, speaker: str, folder: Path) -> None:
        languages = {utterance.language for utterance in data.utterances("train") if utterance.speaker == speaker} | {"mixed"}
        for language in sorted(languages & self.sentences.keys()):
            for number, text in enumerate(self.sentences[language], start=1):
                try:
                    samples = speak(module, data, text, language, speaker)
                except SovitsError as error:
                    self._announce(text, error)
                    continue
                name = f"sentence_{language}_{number}"
                self._sound(trainer, module, f"{name}/{speaker}", samples, data.sample_rate, text, folder / f"{name}.wav")

    def _announce(self, text: str, error: SovitsError) -> None:
        """A text front end without one of the languages is no reason to end a run; it is said once."""
        if text not in self._announced:
            self._announced.add(text)
            log.warning("The sample sentence '%s' is left out: %s", text, error)

    @staticmethod
    def _sound(trainer: Trainer, module: VoiceTraining, tag: str, samples: np.ndarray, sample_rate: int, text: str, path: Path) -> None:
        write_waveform(path, samples, sample_rate)
        log_sound(trainer.loggers, tag, samples, sample_rate, text, path, module.generator_step)

    @staticmethod
    def _log_mel(module: VoiceTraining, samples: np.ndarray) -> Tensor:
        """[T_samples] -> [n_mels, T_frames]."""
        return log_compress(module.mel_spectrogram(torch.from_numpy(samples).to(module.device).unsqueeze(0)))[0]

    @staticmethod
    def _align(module: VoiceTraining, text: EncodedText, log_mels: Tensor, lengths: Tensor, voice: Tensor) -> Tensor:
        """[T_text, T_frames], with the training's random generators left as they were."""
        devices = [module.device] if module.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(0)
            batch = TextBatch.collate([text]).to(module.device)
            return module.synthesizer(batch, log_mels, lengths, voice).alignment[0]
