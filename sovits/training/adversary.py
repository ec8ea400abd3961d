"""The discriminators as each of the two players meets them."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sovits.modules.discriminators import Discriminators, Verdict

Verdicts = tuple[list[Verdict], list[Verdict]]
"""On the real and on the synthetic audio."""


class Adversary:
    """Judges for the discriminators' update, and again, with their new weights, for the generator's.

    For the generator the discriminators are constants: no gradient of their weights is computed, real audio is judged without recording,
    and normalised weights are computed once for both passes. The gradients are those of the usual order of updates.

    Args:
        discriminators: what learns.
        reuse_real_features: the generator compares with the real features of the discriminators' own update.
        share_pass: both updates come from one pass, so that the generator meets the discriminators as they were before theirs.
        compiled: whether the discriminators are compiled; normalised weights are then part of what is compiled.
    """

    def __init__(
        self, discriminators: Discriminators, *, reuse_real_features: bool = False, share_pass: bool = False, compiled: bool = False
    ) -> None:
        self.discriminators = discriminators
        self.reuse_real_features = reuse_real_features
        self.share_pass = share_pass
        self.compiled = compiled
        self._frozen: Discriminators | None = None
        self._last: Verdicts | None = None

    def for_discriminators(self, real: Tensor, synthetic: Tensor) -> Verdicts:
        """Verdicts on two waveforms [B, 1, T_samples], from one batched pass."""
        verdicts = self.discriminators.compare(real, synthetic if self.share_pass else synthetic.detach())
        self._last = verdicts if self.share_pass or self.reuse_real_features else None
        return verdicts

    def for_generator(self, real: Tensor, synthetic: Tensor) -> Verdicts:
        """The same for the generator, whose gradient goes through the synthetic audio alone."""
        last, self._last = self._last, None
        if last is not None and self.share_pass:
            return last
        with nullcontext() if self.compiled else parametrize.cached():
            with torch.no_grad():
                verdicts_real = last[0] if last is not None else self.frozen(real)
            return verdicts_real, self.frozen(synthetic)

    @property
    def frozen(self) -> Discriminators:
        """The discriminators' weights in a module that does not learn; what is compiled may then rely on that."""
        if self._frozen is None or not _same_storage(self._frozen, self.discriminators):
            self._frozen = frozen_twin(self.discriminators)
        return self._frozen


def frozen_twin(module: Discriminators) -> Discriminators:
    """A copy of ``module`` that uses the very weights and buffers of it, without wanting gradients."""
    twin = copy.deepcopy(module)
    for weight, own in zip(twin.parameters(), module.parameters(), strict=True):
        weight.data = own.data
        weight.requires_grad = False
    for part, own_part in zip(twin.modules(), module.modules(), strict=True):
        for name, buffer in own_part.named_buffers(recurse=False):
            part.register_buffer(name, buffer, persistent=name not in own_part._non_persistent_buffers_set)
    return twin


def _same_storage(twin: nn.Module, module: nn.Module) -> bool:
    """Moving a module to another device gives its weights new memory."""
    return all(weight.data_ptr() == own.data_ptr() for weight, own in zip(twin.parameters(), module.parameters(), strict=True))
