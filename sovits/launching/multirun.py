"""Whether a Hydra task is one of many."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf


def in_multirun() -> bool:
    """Whether Hydra runs this task as a job of a multirun, here or in a process of its own."""
    return HydraConfig.initialized() and not OmegaConf.is_missing(HydraConfig.get().job, "num")
