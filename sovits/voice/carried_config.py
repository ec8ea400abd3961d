"""The config that a checkpoint or an export carries: untrusted, and checked before anything is built of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate

from sovits.errors import SovitsError, mistake_behind

TRUSTED = ("sovits", "torch", "transformers", "speechbrain")
"""Packages whose classes a carried config may build."""
BUILT = ("model", "text", "mel_spectrogram", "posterior_spectrogram")
"""Parts of the config that speaking needs."""


def check_config(path: Path, config: Mapping[str, Any], parts: tuple[str, ...] = BUILT) -> None:
    """Refuses a config that lacks one of ``parts``, or would do more than build classes of the trusted packages.

    Raises:
        SovitsError: names ``path``, which carries it, and the offending key.
    """
    for part in parts:
        if part not in config:
            raise SovitsError(f"{path} carries a config without `{part}`; train again with this version.")
        _check_targets(path, part, config[part])


def build(path: Path, config: Mapping[str, Any], part: str) -> Any:
    """The object that ``part`` of a checked config describes.

    Raises:
        SovitsError: this version or machine cannot build it.
    """
    try:
        return instantiate(config[part], _convert_="all")
    except InstantiationException as error:
        cause = mistake_behind(error) or error.__cause__ or error
        raise SovitsError(f"{path}: its {part} cannot be built here: {cause}") from error


def _check_targets(path: Path, where: str, node: Any) -> None:
    """Refuses everything in ``node`` that Hydra would do more with than build a class of a trusted package."""
    for key, value in _leaves(where, node):
        if not isinstance(value, str):
            continue
        if "${" in value:
            raise SovitsError(f"{path} carries the unresolved value {key}={value}; this version writes none, so don't trust it.")
        if key.endswith(".source"):
            raise SovitsError(
                f"{path} names {key}={value} to load from, which may be code; this version writes whole models without one, don't trust it."
            )
        if key.endswith("._target_") and not _is_trusted(value):
            raise SovitsError(
                f"{path} asks for {key}={value}, no class of {', '.join(TRUSTED)}; this version writes none such, don't trust it."
            )


def _leaves(where: str, node: Any) -> Iterator[tuple[str, Any]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else None
    if children is None:
        yield where, node
        return
    for key, child in children:
        yield from _leaves(f"{where}.{key}", child)


def _is_trusted(target: str) -> bool:
    """Whether ``target`` is a class at home in a trusted package, not something that one merely imports (``torch.os.system``)."""
    if target.split(".")[0] not in TRUSTED:
        return False
    try:
        found = get_object(target)
    except (ImportError, AttributeError, ValueError):
        return False
    return inspect.isclass(found) and found.__module__.split(".")[0] in TRUSTED
