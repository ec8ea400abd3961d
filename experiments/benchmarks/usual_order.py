"""The training step as the original VITS does it, over our networks: the yardstick of ``training_step.py``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sovits import losses
from sovits.data.batch import Batch
from sovits.modules.synthesizer import SynthesizerOutput
from sovits.training.lightning_module import VoiceTraining
from sovits.training.rounds import Round


class UsualOrderTraining(VoiceTraining):
    """Real and synthetic audio in two passes, for each player; the discriminators' weights get gradients in the generator's update too;
    norms parameter by parameter, each read by the host."""

    def _discriminator_update(self, current: Round, real: Tensor, synthetic: Tensor) -> dict[str, Tensor]:
        loss = losses.discriminator_loss(self.discriminators(real), self.discriminators(synthetic.detach()))
        return {"discriminator/total": loss, **self._update(1, current, loss)}

    def _generator_losses(
        self, batch: Batch, output: SynthesizerOutput, voices: Tensor, real: Tensor, adversary: bool
    ) -> dict[str, Tensor]:
        terms = super()._generator_losses(batch, output, voices, real, adversary=False)
        verdicts_real, verdicts_synthetic = self.discriminators(real), self.discriminators(output.audio)
        terms["adversarial"] = losses.adversarial_loss(verdicts_synthetic)
        terms["feature_matching"] = losses.feature_matching_loss(verdicts_real, verdicts_synthetic)
        return terms

    def _update(self, player: int, current: Round, loss: Tensor, *, retain_graph: bool = False) -> dict[str, Tensor]:
        optimizer: Any = self.optimizers()[player]  # type: ignore[index]
        optimizer.zero_grad()
        self.manual_backward(loss)
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        norm = sum(float(weight.grad.norm(2)) ** 2 for weight in weights if weight.grad is not None) ** 0.5
        optimizer.step()
        self.lr_schedulers()[player].step()  # type: ignore[index, union-attr]
        return {"gradient_norm": torch.tensor(norm)}
