"""The two players and their rounds: manual optimisation with one generator forward a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sovits import losses
from sovits.audio.bandwidth import within_bandwidth
from sovits.audio.pitch import PitchTracker
from sovits.audio.spectrogram import LinearSpectrogram, MelSpectrogram, log_compress
from sovits.data.batch import Batch
from sovits.data.clips import MOST_NAMED
from sovits.data.corpora.recording import some
from sovits.errors import SovitsError
from sovits.modules.discriminators import Discriminators, Verdict
from sovits.modules.layers.freezing import frozen
from sovits.modules.layers.masking import masked_mean
from sovits.modules.layers.slicing import take_slices
from sovits.modules.speaker_classifier import SpeakerClassifier
from sovits.modules.synthesizer import Synthesizer, SynthesizerOutput
from sovits.training.adversary import Adversary
from sovits.training.compiling import compile_networks
from sovits.training.guards import check_architecture, check_spectrograms, check_weights, require_sane
from sovits.training.parallel import GradientAverage
from sovits.training.parts import freeze_parts
from sovits.training.pitch_losses import PITCH_LOSSES, pitch_losses, resolved_weights
from sovits.training.rounds import Round, Rounds
from sovits.voice.checkpoint import FORMAT

GENERATOR, DISCRIMINATOR = 0, 1
"""Places of the players' optimisers and schedules."""
GENERATOR_LOSSES = ("mel", "kl", "duration", *PITCH_LOSSES, "speaker", "consistency", "adversarial", "feature_matching")


class VoiceTraining(LightningModule):
    """Alternates a discriminator and a generator update on the same synthesised slice.

    Args:
        synthesizer: the generator.
        discriminators: the adversary.
        mel_spectrogram: what pictures and validation compare.
        posterior_spectrogram: what the posterior encoder reads.
        mel_loss: reconstruction of the slice.
        weights: of each generator loss, under the keys of ``known_losses``; a loss of weight 0 is not computed. Those of
            ``PITCH_LOSSES`` may be None: ``PITCH_WEIGHT`` where the decoder is told a pitch, 0 elsewhere.
        generator_optimizer: made from the synthesizer's (and the speaker classifier's) trainable parameters.
        discriminator_optimizer: made from the discriminators' parameters.
        schedule: made from an optimiser, stepped once an update of its player.
        steps: generator steps to train. Lightning's own ``global_step`` counts the discriminator's updates too.
        adversary_from: generator step at which the adversary joins; before it the synthesizer warms up alone.
        mel_only_steps: generator steps at the start in which only ``first_losses`` count, so that the latents carry the sound before the
            text's prior pulls at them; fewer where the adversary joins before.
        guided_steps: generator steps at the start in which phones have the frames that the batches say, instead of those that the
            alignment search finds.
        clip_norm: largest gradient norm of each player.
        carried_config: the resolved configuration that every checkpoint carries.
        speakers: names behind the ids in the batches.
        speaker_classifier: the AAM-softmax head of the loss ``speaker``.
        pitch_tracker: what tells the pitch of the recordings, for ``PITCH_LOSSES``; None where there are none.
        rounds: which player learns from which batch; None for both from each.
        band_limited: the players and the mel loss hear of synthetic audio only what the recording beside it can hold; what lies above
            half the rate of its file is learned from recordings that have it.
        loss_limit: a loss above it stops the run.
        freeze: parts that keep their weights, such as ``synthesizer.text_encoder``; in evaluation mode, without dropout.
        reuse_real_features: the generator's feature matching compares with the real features of the discriminators' own update, one
            update older, instead of a fresh pass.
        share_discriminator_pass: both players learn from one pass of the discriminators, so that the generator meets them one update older.
        compile: networks are compiled with ``torch.compile`` when training begins; meant for GPUs.
    """

    known_losses: tuple[str, ...] = GENERATOR_LOSSES
    first_losses: tuple[str, ...] = ("mel", "pitch")
    """Those that count from the very first step, within ``mel_only_steps``."""
    validation_losses: tuple[str, ...] = ("val/mel", "val/kl", "val/duration")
    """What :meth:`validation_step` logs; besides those of ``PITCH_LOSSES`` that are learned from."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        discriminators: Discriminators,
        mel_spectrogram: MelSpectrogram,
        posterior_spectrogram: MelSpectrogram | LinearSpectrogram,
        mel_loss: nn.Module,
        weights: dict[str, float | None],
        generator_optimizer: Callable[[Iterable[Tensor]], Optimizer],
        discriminator_optimizer: Callable[[Iterable[Tensor]], Optimizer],
        schedule: Callable[[Optimizer], LRScheduler],
        steps: int,
        adversary_from: int,
        clip_norm: float,
        carried_config: dict[str, Any],
        speakers: list[str],
        speaker_classifier: SpeakerClassifier | None = None,
        pitch_tracker: PitchTracker | None = None,
        rounds: Rounds | None = None,
        mel_only_steps: int = 0,
        guided_steps: int = 0,
        band_limited: bool = False,
        loss_limit: float = 1e6,
        freeze: Iterable[str] = (),
        reuse_real_features: bool = False,
        share_discriminator_pass: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.synthesizer = synthesizer
        self.discriminators = discriminators
        self.speaker_classifier = speaker_classifier if weights.get("speaker") else None
        self.mel_spectrogram = mel_spectrogram
        self.posterior_spectrogram = posterior_spectrogram
        self.mel_loss = mel_loss
        self.weights = resolved_weights(weights, synthesizer)
        self.pitch_tracker = pitch_tracker if any(self.weights.get(name) for name in PITCH_LOSSES) else None
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.schedule = schedule
        self.steps = steps
        self.adversary_from = adversary_from
        self.mel_only_steps = min(mel_only_steps, adversary_from)
        self.guided_steps = guided_steps
        self.band_limited = band_limited
        self.clip_norm = clip_norm
        self.carried_config = carried_config
        self.speakers = speakers
        self.rounds = rounds or Rounds()
        self.loss_limit = loss_limit
        self.adversary = Adversary(
            discriminators, reuse_real_features=reuse_real_features, share_pass=share_discriminator_pass, compiled=compile
        )
        self.compiled = compile
        self.generator_step = 0
        self.batches_since_step = 0
        self.speaker_bank: dict[str, Tensor] = {}
        self.frozen_parts = [*freeze_parts(self, freeze)]
        self._averages: dict[int, GradientAverage] = {}
        check_spectrograms(synthesizer, mel_spectrogram, posterior_spectrogram)
        check_weights(self.weights, self.known_losses, synthesizer, speaker_classifier, pitch_tracker)

    def configure_optimizers(self) -> tuple[list[Optimizer], list[dict[str, Any]]]:  # type: ignore[override]
        generator = self.generator_optimizer(_trainable(self.generator_weights(), "synthesizer"))
        discriminator = self.discriminator_optimizer(_trainable(self.discriminators.parameters(), "discriminators"))
        schedules = [
            {"scheduler": self.schedule(generator), "name": "learning_rate/generator"},
            {"scheduler": self.schedule(discriminator), "name": "learning_rate/discriminator"},
        ]
        return [generator, discriminator], schedules

    def generator_weights(self) -> list[nn.Parameter]:
        """What the generator's optimiser is made from: the synthesizer's, and those that only serve to teach it."""
        return [*self.synthesizer.parameters(), *(self.speaker_classifier.parameters() if self.speaker_classifier else ())]

    def on_train_start(self) -> None:
        if self.compiled:
            compile_networks(self.synthesizer, self.discriminators, self.adversary.frozen)

    def train(self, mode: bool = True) -> VoiceTraining:
        """Training mode, but for frozen parts."""
        super().train(mode)
        for part in self.frozen_parts:
            part.eval()
        return self

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        adversary = self.generator_step >= self.adversary_from
        current = self.rounds.at(self.batches_since_step, self.generator_step, adversary)
        with torch.set_grad_enabled(current.generator):
            output, voices = self._forward(batch)
        real = self._real_slices(batch, output)
        told: dict[str, Tensor] = {}
        if current.discriminator:
            told |= self._discriminator_update(current, real, output.audio)
        if current.generator:
            told |= self._generator_update(current, batch, output, voices, real, adversary)
        require_sane(told, self.loss_limit, self.generator_step + 1, batch.ids, self.trainer)
        self._log("train", told, len(batch))
        self.batches_since_step += 1
        if current.generator and current.completes:
            self.generator_step += 1
            self.batches_since_step = 0

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.generator_step >= self.steps:
            self.trainer.should_stop = True

    def _forward(self, batch: Batch) -> tuple[SynthesizerOutput, Tensor]:
        voices = self.synthesizer.embed_speaker(batch.references, batch.speakers)
        spectrograms = log_compress(self.posterior_spectrogram(batch.waveforms))
        guided = self.training and self.generator_step < self.guided_steps
        durations = batch.durations if guided else None
        # Said with the recording's own pitch: what would be a little beside it could only be learned as noise.
        pitch = self.pitch_tracker(batch.waveforms) if self.pitch_tracker is not None else None
        output = self.synthesizer(batch.text, spectrograms, batch.frame_lengths, voices, durations, pitch).told(batch.told)
        return replace(output, audio=self._as_recorded(output.audio, batch)), voices

    def _as_recorded(self, audio: Tensor, batch: Batch) -> Tensor:
        """What the recordings of ``batch`` can hold of ``audio`` [B, 1, T_samples]."""
        return within_bandwidth(audio, batch.bandwidths, self.mel_spectrogram.sample_rate) if self.band_limited else audio

    def _real_slices(self, batch: Batch, output: SynthesizerOutput) -> Tensor:
        """The recorded audio [B, 1, samples] under each synthesised slice."""
        starts = output.slice_starts * self.synthesizer.hop_length
        return self._as_recorded(take_slices(batch.waveforms.unsqueeze(1), starts, output.audio.shape[-1]), batch)

    def _discriminator_update(self, current: Round, real: Tensor, synthetic: Tensor) -> dict[str, Tensor]:
        verdicts_real, verdicts_synthetic = self.adversary.for_discriminators(real, synthetic)
        loss = losses.discriminator_loss(verdicts_real, verdicts_synthetic)
        # Least-squares verdicts: 1 means "real", 0 "synthetic"; both near 0.5 is a draw.
        told = {"total": loss, "real": _mean_logit(verdicts_real), "synthetic": _mean_logit(verdicts_synthetic)}
        told |= self._update(DISCRIMINATOR, current, loss, retain_graph=self.adversary.share_pass)
        return {f"discriminator/{name}": value for name, value in told.items()}

    def _generator_update(
        self, current: Round, batch: Batch, output: SynthesizerOutput, voices: Tensor, real: Tensor, adversary: bool
    ) -> dict[str, Tensor]:
        terms = self._generator_losses(batch, output, voices, real, adversary)
        total = self._weighted(terms)
        told = {**terms, "total": total, **self._update(GENERATOR, current, total)}
        return {f"generator/{name}": value for name, value in told.items()}

    def _generator_losses(
        self, batch: Batch, output: SynthesizerOutput, voices: Tensor, real: Tensor, adversary: bool
    ) -> dict[str, Tensor]:
        terms = {
            "mel": self.mel_loss(output.audio, real),
            "kl": losses.kl_loss(output),
            "duration": losses.duration_loss(output),
        } | pitch_losses(self.synthesizer, self.weights, batch, output, voices)
        if self.speaker_classifier is not None:
            terms["speaker"] = self.speaker_classifier(voices, batch.speakers)
        if self.weights["consistency"]:
            terms["consistency"] = self._consistency(output.audio, real)
        if adversary:
            verdicts_real, verdicts_synthetic = self.adversary.for_generator(real, output.audio)
            terms["adversarial"] = losses.adversarial_loss(verdicts_synthetic)
            terms["feature_matching"] = losses.feature_matching_loss(verdicts_real, verdicts_synthetic)
        return terms

    def _consistency(self, synthetic: Tensor, real: Tensor) -> Tensor:
        # The encoder is a judge here: if this loss taught it, it would learn to hear all voices as one.
        with frozen(self.synthesizer.speaker_encoder):  # type: ignore[arg-type]
            with torch.no_grad():
                expected = self.synthesizer.embed_speaker(real.squeeze(1))
            return losses.speaker_consistency(self.synthesizer.embed_speaker(synthetic.squeeze(1)), expected)

    def _weighted(self, terms: dict[str, Tensor]) -> Tensor:
        counted = [name for name in terms if name in self.first_losses or self.generator_step >= self.mel_only_steps]
        return torch.stack([self.weights[name] * terms[name] for name in counted]).sum()

    def _update(self, player: int, current: Round, loss: Tensor, *, retain_graph: bool = False) -> dict[str, Tensor]:
        """Gradients of ``loss`` for this player alone; with the last batch of an update a clipped step, and the norm before clipping."""
        optimizer: Any = self.optimizers()[player]  # type: ignore[index]
        if current.begins:
            optimizer.zero_grad()
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        if player not in self._averages:
            self._averages[player] = GradientAverage(weights)
        with self._averages[player] if current.completes else nullcontext():
            self.manual_backward(loss / self.rounds.accumulate, inputs=weights, retain_graph=retain_graph)
        if not current.completes:
            return {}
        norm = nn.utils.clip_grad_norm_(weights, self.clip_norm)
        optimizer.step()
        self.lr_schedulers()[player].step()  # type: ignore[index, union-attr]
        return {"gradient_norm": norm}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        # The posterior is sampled: a fixed seed makes validations comparable and leaves the training's generator alone.
        with torch.random.fork_rng():
            torch.manual_seed(batch_idx)
            output, voices = self._forward(batch)
        spectrograms = log_compress(self.posterior_spectrogram(batch.waveforms))
        audio = self.synthesizer.reconstruct(spectrograms, batch.frame_lengths, voices)
        pair = (self._as_recorded(samples, batch).squeeze(1) for samples in (batch.waveforms.unsqueeze(1), audio))
        mels, heard = (log_compress(self.mel_spectrogram(samples)) for samples in pair)
        terms = {
            "mel": masked_mean((heard - mels).abs(), output.frame_mask),
            "kl": losses.kl_loss(output),
            "duration": losses.duration_loss(output),
        } | pitch_losses(self.synthesizer, self.weights, batch, output, voices)
        self._log("val", terms, len(batch))

    def _log(self, prefix: str, terms: dict[str, Tensor], batch_size: int) -> None:
        values = {f"{prefix}/{name}": value.detach() for name, value in terms.items()}
        self.log_dict(values, batch_size=batch_size, sync_dist=prefix == "val")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["sovits"] = {
            "format": FORMAT,
            "config": self.carried_config,
            "speakers": self.speakers,
            "speaker_bank": {name: embedding.detach().cpu() for name, embedding in self.speaker_bank.items()},
            "generator_step": self.generator_step,
            "batches_since_step": self.batches_since_step,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        carried = checkpoint["sovits"]
        if carried["speakers"] != self.speakers:
            raise SovitsError(
                f"The checkpoint was trained on the speakers {some(carried['speakers'], MOST_NAMED)} and data.root now has "
                f"{some(self.speakers, MOST_NAMED)}; resume with the same data.root and data.speakers."
            )
        check_architecture("The checkpoint", checkpoint["state_dict"], self.state_dict())
        self.generator_step = carried["generator_step"]
        self.batches_since_step = carried["batches_since_step"]
        self.speaker_bank = carried["speaker_bank"]


def _trainable(weights: Iterable[Tensor], player: str) -> list[Tensor]:
    chosen = [weight for weight in weights if weight.requires_grad]
    if not chosen:
        raise SovitsError(f"training.freeze leaves the {player} nothing to learn; take some of its parts out of it.")
    return chosen


def _mean_logit(verdicts: list[Verdict]) -> Tensor:
    return torch.stack([logits.detach().float().mean() for logits, _ in verdicts]).mean()
