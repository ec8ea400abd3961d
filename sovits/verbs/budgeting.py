"""What ``budget=...`` makes of a run's configuration."""

from __future__ import annotations

import logging

from hydra.utils import instantiate
from lightning import Callback
from omegaconf import DictConfig, OmegaConf

from sovits.data.datamodule import SpeechDataModule
from sovits.training.budget import Allowance, Budget, TimeLimit, shortened

log = logging.getLogger(__name__)

MILESTONES = {
    "training.adversary_from": 0,
    "training.mel_only_steps": 0,
    "training.schedule.warm_up_steps": 0,
    "trainer.val_check_interval": 1,
}
"""Keys that count steps from the start, or between validations, and the fewest that are left of them."""


def keep_within_budget(config: DictConfig, data: SpeechDataModule) -> list[Callback]:
    """Cuts the steps of ``config`` to what this model gets of the comparison's budget, and returns what watches over its time.

    The learning rate's schedule follows ``training.steps`` by itself.
    """
    budget: Budget = instantiate(config.budget)
    # The speakers a joint model would have: those of the set, unless data.speakers chooses.
    known = len(data.manifest.speakers) if config.data.speakers is None else len(config.data.speakers)
    config.budget.n_speakers = known if budget.n_speakers is None else budget.n_speakers
    share = budget.share(len(data.speakers), known)
    allowance = budget.allowance(share)
    _cut(config, allowance, f"{len(data.speakers)} of {config.budget.n_speakers} speakers")
    return [] if allowance.minutes is None else [TimeLimit(allowance.minutes)]


def _cut(config: DictConfig, allowance: Allowance, of: str) -> None:
    wanted = {"training.steps": (allowance.steps, 1), **{key: (allowance.milestones, least) for key, least in MILESTONES.items()}}
    told = [] if allowance.minutes is None else [f"{allowance.minutes:.2f} minutes of training time"]
    for key, (share, least) in wanted.items():
        value = OmegaConf.select(config, key)
        # Another schedule may have no warm-up; a validation interval that is a share of an epoch needs no cutting.
        if isinstance(value, int) and value and share != 1:
            OmegaConf.update(config, key, shortened(value, share, least))
            told.append(f"{key} {value} -> {OmegaConf.select(config, key)}")
    if told:
        log.info("Budget of a model of %s: %s", of, ", ".join(told))
