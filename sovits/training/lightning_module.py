"""The two players and their rounds: manual optimisation with one generator forward a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sovits import losses
from sovits.audio.spectrogram import MelSpectrogram, log_compress
from sovits.data.batch import Batch
from sovits.errors import SovitsError
from sovits.modules.discriminators import Discriminators
from sovits.modules.layers.masking import masked_mean
from sovits.modules.layers.slicing import take_slices
from sovits.modules.synthesizer import Synthesizer, SynthesizerOutput
from sovits.voice.checkpoint import FORMAT

GENERATOR_LOSSES = ("mel", "kl", "duration", "speaker", "adversarial", "feature_matching")


class VoiceTraining(LightningModule):
    """Alternates a discriminator and a generator update on the same synthesised slice.

    Args:
        synthesizer: the generator.
        discriminators: the adversary.
        mel_spectrogram: what the posterior and speaker encoders read.
        mel_loss: reconstruction of the slice.
        weights: of each generator loss, under the keys of ``GENERATOR_LOSSES``.
        generator_optimizer: made from the synthesizer's trainable parameters.
        discriminator_optimizer: made from the discriminators' parameters.
        schedule: made from an optimiser, stepped once an update of its player.
        steps: generator steps to train. Lightning's own ``global_step`` counts the discriminator's updates too.
        adversary_from: generator step at which the adversary joins; before it the synthesizer warms up alone.
        clip_norm: largest gradient norm of each player.
        carried_config: the resolved configuration that every checkpoint carries.
        speakers: names behind the ids in the batches.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        discriminators: Discriminators,
        mel_spectrogram: MelSpectrogram,
        mel_loss: nn.Module,
        weights: dict[str, float],
        generator_optimizer: Callable[[Iterable[Tensor]], Optimizer],
        discriminator_optimizer: Callable[[Iterable[Tensor]], Optimizer],
        schedule: Callable[[Optimizer], LRScheduler],
        steps: int,
        adversary_from: int,
        clip_norm: float,
        carried_config: dict[str, Any],
        speakers: list[str],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        _check_agreement(synthesizer, mel_spectrogram, weights)
        self.synthesizer = synthesizer
        self.discriminators = discriminators
        self.mel_spectrogram = mel_spectrogram
        self.mel_loss = mel_loss
        self.weights = dict(weights)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.schedule = schedule
        self.steps = steps
        self.adversary_from = adversary_from
        self.clip_norm = clip_norm
        self.carried_config = carried_config
        self.speakers = speakers
        self.generator_step = 0
        self.speaker_bank: dict[str, Tensor] = {}

    def configure_optimizers(self) -> tuple[list[Optimizer], list[dict[str, Any]]]:  # type: ignore[override]
        generator = self.generator_optimizer([weight for weight in self.synthesizer.parameters() if weight.requires_grad])
        discriminator = self.discriminator_optimizer(self.discriminators.parameters())
        schedules = [
            {"scheduler": self.schedule(generator), "name": "learning_rate/generator"},
            {"scheduler": self.schedule(discriminator), "name": "learning_rate/discriminator"},
        ]
        return [generator, discriminator], schedules

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        generator_optimizer, discriminator_optimizer = self.optimizers()  # type: ignore[misc, attr-defined]
        output, voices = self._forward(batch)
        real = self._real_slices(batch, output)
        adversary = self.generator_step >= self.adversary_from
        if adversary:
            self._discriminator_update(discriminator_optimizer, real, output.audio.detach())
        with self.toggled_optimizer(generator_optimizer):
            terms = self._generator_losses(batch, output, voices, real, adversary)
            total = self._weighted(terms)
            norm = self._update(generator_optimizer, total)
        generator_schedule, discriminator_schedule = self.lr_schedulers()  # type: ignore[misc]
        generator_schedule.step()
        if adversary:
            discriminator_schedule.step()
        self.generator_step += 1
        self._log("train/generator", {**terms, "total": total, "gradient_norm": norm}, len(batch))
        if not torch.isfinite(total.detach()):
            raise SovitsError(
                f"The generator loss is {float(total.detach())} at step {self.generator_step} on the clips {', '.join(batch.ids)}; "
                "lower the learning rate or training.clip_norm and resume from the last checkpoint, or look at these clips."
            )

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.generator_step >= self.steps:
            self.trainer.should_stop = True

    def _forward(self, batch: Batch) -> tuple[SynthesizerOutput, Tensor]:
        voices = self.synthesizer.embed_speaker(self.mel_spectrogram(batch.references))
        mels = log_compress(self.mel_spectrogram(batch.waveforms))
        return self.synthesizer(batch.text, mels, batch.frame_lengths, voices), voices

    def _real_slices(self, batch: Batch, output: SynthesizerOutput) -> Tensor:
        """The recorded audio [B, 1, samples] under each synthesised slice."""
        starts = output.slice_starts * self.synthesizer.hop_length
        return take_slices(batch.waveforms.unsqueeze(1), starts, output.audio.shape[-1])

    def _discriminator_update(self, optimizer: Any, real: Tensor, synthetic: Tensor) -> None:
        with self.toggled_optimizer(optimizer):
            verdicts_real, verdicts_synthetic = self.discriminators.compare(real, synthetic)
            loss = losses.discriminator_loss(verdicts_real, verdicts_synthetic)
            norm = self._update(optimizer, loss)
        # Least-squares verdicts: 1 means "real", 0 "synthetic"; both near 0.5 is a draw.
        terms = {"total": loss, "gradient_norm": norm, "real": _mean_logit(verdicts_real), "synthetic": _mean_logit(verdicts_synthetic)}
        self._log("train/discriminator", terms, len(real))

    def _generator_losses(
        self, batch: Batch, output: SynthesizerOutput, voices: Tensor, real: Tensor, adversary: bool
    ) -> dict[str, Tensor]:
        terms = {
            "mel": self.mel_loss(output.audio, real),
            "kl": losses.kl_loss(output),
            "duration": losses.duration_loss(output),
            "speaker": self.synthesizer.speaker_encoder.classification_loss(voices, batch.speakers),  # type: ignore[union-attr]
        }
        if adversary:
            with torch.no_grad():
                verdicts_real = self.discriminators(real)
            verdicts_synthetic = self.discriminators(output.audio)
            terms["adversarial"] = losses.adversarial_loss(verdicts_synthetic)
            terms["feature_matching"] = losses.feature_matching_loss(verdicts_real, verdicts_synthetic)
        return terms

    def _weighted(self, terms: dict[str, Tensor]) -> Tensor:
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()

    def _update(self, optimizer: Any, loss: Tensor) -> Tensor:
        """One clipped step on ``loss``; returns the gradient's norm before clipping."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        norm = nn.utils.clip_grad_norm_(weights, self.clip_norm)
        optimizer.step()
        return norm

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        # The posterior is sampled: a fixed seed makes validations comparable and leaves the training's generator alone.
        with torch.random.fork_rng():
            torch.manual_seed(batch_idx)
            output, voices = self._forward(batch)
        mels = log_compress(self.mel_spectrogram(batch.waveforms))
        audio = self.synthesizer.reconstruct(mels, batch.frame_lengths, voices)
        distance = (log_compress(self.mel_spectrogram(audio.squeeze(1))) - mels).abs()
        terms = {"mel": masked_mean(distance, output.frame_mask), "kl": losses.kl_loss(output), "duration": losses.duration_loss(output)}
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
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        carried = checkpoint["sovits"]
        if carried["speakers"] != self.speakers:
            raise SovitsError(
                f"The checkpoint was trained on the speakers {', '.join(carried['speakers'])} and data.root now has "
                f"{', '.join(self.speakers)}; resume with the same data.root and data.speakers."
            )
        self.generator_step = carried["generator_step"]
        self.speaker_bank = carried["speaker_bank"]


def _mean_logit(verdicts: list[Any]) -> Tensor:
    return torch.stack([logits.float().mean() for logits, _ in verdicts]).mean()


def _check_agreement(synthesizer: Synthesizer, mel_spectrogram: MelSpectrogram, weights: dict[str, float]) -> None:
    if set(weights) != set(GENERATOR_LOSSES):
        raise SovitsError(f"training.weights has the keys {sorted(weights)}, expected {sorted(GENERATOR_LOSSES)}; 0 switches one off.")
    if synthesizer.hop_length != mel_spectrogram.hop_length:
        raise SovitsError(
            f"model.decoder.hop_length={synthesizer.hop_length} and audio.hop_length={mel_spectrogram.hop_length} differ; "
            "let both be ${audio.hop_length}."
        )
    spec_channels = synthesizer.posterior_encoder.spec_channels
    if spec_channels != mel_spectrogram.n_mels:
        raise SovitsError(
            f"model.posterior_encoder.spec_channels={spec_channels} and audio.n_mels={mel_spectrogram.n_mels} differ; "
            "let both be ${audio.n_mels}."
        )
