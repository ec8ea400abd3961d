"""The composed configuration of a run, flat, and which of its keys set one run apart from another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sovits.errors import SovitsError

NOT_A_SETTING = (
    "seed", "n_speakers", "paths", "resume", "reproduces", "reproduce_anyway", "dry_run", "objective", "sweep", "launcher", "logger",
    "encoder", "judges", "evaluation", "callbacks.judging", "callbacks.progress", "callbacks.samples", "data.root", "data.cache",
    "data.cache_folder", "data.num_workers", "data.pin_memory",
)  # fmt: skip
"""Keys, with all below them, that say where or how comfortably a run works, or who judges it, and not what it learns; and the seed."""
SPEAKER = "data.speaker"


@dataclass(frozen=True)
class RunConfig:
    """One run's configuration.

    Args:
        resolved: every leaf by its dotted key, interpolations followed where they can be.
        raw: likewise, interpolations as they are written.
        choices: the chosen option of each group.
        overrides: what the run's command said, without Hydra's own.
    """

    resolved: Mapping[str, Any]
    raw: Mapping[str, Any]
    choices: Mapping[str, str]
    overrides: tuple[str, ...]

    @classmethod
    def read(cls, run: Path) -> RunConfig:
        """From ``<run>/.hydra``.

        Raises:
            SovitsError: a file of it is missing or damaged.
        """
        config = _load(run / ".hydra" / "config.yaml")
        hydra = _load(run / ".hydra" / "hydra.yaml")
        overrides = _load(run / ".hydra" / "overrides.yaml")
        if not isinstance(config, DictConfig) or not isinstance(overrides, ListConfig):
            raise SovitsError(f"{run / '.hydra'} does not hold a configuration and overrides as Hydra writes them; train the run again.")
        choices = OmegaConf.to_container(hydra).get("hydra", {}).get("runtime", {}).get("choices", {})  # type: ignore[union-attr]
        raw: dict[str, Any] = {}
        _flatten(OmegaConf.to_container(config, resolve=False), "", raw)
        for key, value in raw.items():
            # Where the run lay: Hydra would put the folder of the process that reads this in its place.
            if isinstance(value, str) and "${hydra:" in value:
                OmegaConf.update(config, key, value.replace("${hydra:", r"\${hydra:"))
        resolved = {key: _resolved(config, key, value) for key, value in raw.items()}
        named = {str(key): str(value) for key, value in choices.items() if not str(key).startswith("hydra/") and value is not None}
        said = tuple(str(one) for one in overrides)
        return cls(resolved, raw, _several_options(said, raw) | named, said)

    @property
    def seed(self) -> Any:
        return self.resolved.get("seed")

    @property
    def speaker(self) -> str | None:
        """Whose model it is, if it was trained on one speaker by name."""
        value = self.resolved.get(SPEAKER)
        return None if value is None else str(value)

    def generator_steps(self, batches: np.ndarray) -> np.ndarray:
        """The generator step [N] that was reached after batch number [N], counted from 0 as loggers do."""
        done = batches + 1.0
        accumulate = int(self.resolved.get("training.rounds.accumulate") or 1)
        ratio = float(self.resolved.get("training.rounds.discriminator_ratio") or 1)
        alone = float(self.resolved.get("training.adversary_from") or 0)
        # Before the adversary joins, every update is the generator's.
        before = np.minimum(done / accumulate, alone)
        return before + np.maximum(done - alone * accumulate, 0.0) / (accumulate * max(round(ratio), 1))


def differing_keys(configs: Sequence[RunConfig], ignored: Sequence[str]) -> list[str]:
    """Keys whose value is not the same everywhere, in the order of the configuration.

    A key that only follows another (``${embedding_size}`` in each) is left out, and so is all that ``ignored`` and
    :data:`NOT_A_SETTING` name, with everything below them.
    """
    names = dict.fromkeys(key for config in configs for key in config.resolved)
    kept = [key for key in names if _counts(key, ignored)]
    return [key for key in kept if _varies(key, [one.resolved for one in configs]) and _varies(key, [one.raw for one in configs])]


def chosen_keys(configs: Sequence[RunConfig], ignored: Sequence[str]) -> list[str]:
    """Keys and groups that the commands named and that are not the same everywhere."""
    named = dict.fromkeys(one.lstrip("+~").partition("=")[0] for config in configs for one in config.overrides)
    differing = set(differing_keys(configs, ignored))
    return [key for key in named if key in differing or (_counts(key, ignored) and _varies(key, [one.choices for one in configs]))]


def value_of(config: RunConfig, key: str) -> Any:
    """The value of a key, or the chosen option of a group; None where there is neither."""
    return config.resolved[key] if key in config.resolved else config.choices.get(key)


def shown_value(value: Any) -> str:
    """A value as the command line would take it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return (
        f"{value:g}"
        if isinstance(value, float)
        else "[" + ",".join(map(shown_value, value)) + "]"
        if isinstance(value, list)
        else str(value)
    )


def _counts(key: str, ignored: Sequence[str]) -> bool:
    # A group that goes to another place is called group@place.
    return not any(key == name or key.startswith((f"{name}.", f"{name}@")) for name in (*NOT_A_SETTING, *ignored))


def _varies(key: str, sources: Sequence[Mapping[str, Any]]) -> bool:
    values = [source.get(key) for source in sources]
    return any(value != values[0] or type(value) is not type(values[0]) for value in values[1:])


def _load(path: Path) -> DictConfig | ListConfig:
    try:
        return OmegaConf.load(path)
    except FileNotFoundError:
        raise SovitsError(f"There is no {path}, so it is not known how the run was made; train it again.") from None
    except (yaml.YAMLError, OmegaConfBaseException, OSError, UnicodeDecodeError) as error:
        raise SovitsError(f"{path} is damaged ({' '.join(str(error).split())}); train the run again.") from error


def _flatten(node: Any, prefix: str, into: dict[str, Any]) -> None:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            _flatten(value, f"{prefix}.{key}" if prefix else str(key), into)
    else:
        into[prefix] = node


def _several_options(overrides: Sequence[str], keys: Mapping[str, Any]) -> dict[str, str]:
    """Groups that were given a list of options, ``experiment=[joint,ablation/no_ema]``: Hydra keeps no record of their choice."""
    given = {key.lstrip("+"): value for key, _, value in (one.partition("=") for one in overrides)}
    return {key: value for key, value in given.items() if value.startswith("[") and key not in keys}


def _resolved(config: DictConfig, key: str, raw: Any) -> Any:
    if "${" not in str(raw):
        return raw
    try:
        value = OmegaConf.select(config, key)
    except OmegaConfBaseException:
        # Known only inside the run, such as when it was.
        return raw
    return OmegaConf.to_container(value) if isinstance(value, DictConfig | ListConfig) else value
