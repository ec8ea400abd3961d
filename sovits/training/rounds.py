"""Which player learns from which batch."""

from __future__ import annotations

from dataclasses import dataclass

from sovits.errors import SovitsError


@dataclass(frozen=True)
class Round:
    """What one batch is for."""

    discriminator: bool
    """The discriminators learn from it."""
    generator: bool
    """The synthesizer learns from it."""
    begins: bool
    """It is the first of those whose gradients are added up for one update."""
    completes: bool
    """It is the last of them."""


class Rounds:
    """The order of updates.

    Args:
        accumulate: batches whose gradients make one update, averaged.
        discriminator_ratio: updates of the discriminators for each of the generator. 2: of every two updates' batches only the second's
            teach the generator too. 0.5: the discriminators learn from every second one.

    Raises:
        SovitsError: ``accumulate`` below 1, or a ratio that is neither a whole number nor one over a whole number.
    """

    def __init__(self, accumulate: int = 1, discriminator_ratio: float = 1.0) -> None:
        if accumulate < 1:
            raise SovitsError(f"training.rounds.accumulate={accumulate} leaves no batch for an update; give 1 or more.")
        whole = discriminator_ratio if discriminator_ratio >= 1 else 1 / discriminator_ratio if discriminator_ratio > 0 else 0.0
        if round(whole) < 1 or abs(whole - round(whole)) > 1e-3:
            raise SovitsError(
                f"training.rounds.discriminator_ratio={discriminator_ratio} is neither a whole number nor one over it; take 2 or 0.5, say."
            )
        self.accumulate = accumulate
        self.discriminators_each_generator = round(whole) if discriminator_ratio >= 1 else 1
        self.generators_each_discriminator = round(whole) if discriminator_ratio < 1 else 1

    def batches_each_step(self) -> int:
        """Batches of a generator step, once the adversary has joined."""
        return self.accumulate * self.discriminators_each_generator

    def at(self, batch: int, generator_step: int, adversary: bool) -> Round:
        """The round of a batch.

        Args:
            batch: how many batches were seen since the last generator step.
            generator_step: how many of them there were.
            adversary: whether there is one yet; before it, every batch is the generator's.
        """
        within = batch % self.accumulate
        last = batch // self.accumulate == (self.discriminators_each_generator - 1 if adversary else 0)
        return Round(
            discriminator=adversary and generator_step % self.generators_each_discriminator == 0,
            generator=last,
            begins=within == 0,
            completes=within == self.accumulate - 1,
        )
