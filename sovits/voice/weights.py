"""Weights into and out of networks and files, all of them and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sovits.errors import SovitsError

LINE = 100
"""Bytes that a safetensors file spends at most on the type, shape and place of one tensor."""


def load_exactly(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Gives ``module`` the ``weights`` that came from ``path``.

    Raises:
        SovitsError: lacking, unknown or differently shaped weights, by name.
    """
    wanted = module.state_dict()
    problems = {
        "lacks": [name for name in wanted if name not in weights],
        "does not know": [name for name in weights if name not in wanted],
        "has another shape for": [name for name, weight in weights.items() if name in wanted and weight.shape != wanted[name].shape],
    }
    told = [f"{what} {_listed(names)}" for what, names in problems.items() if names]
    if told:
        raise SovitsError(f"The weights in {path} do not fit the model of its own config: it {'; it '.join(told)}; train again.")
    module.load_state_dict(weights)


def write_weights(module: nn.Module, path: Path, dtype: torch.dtype) -> Path:
    """Keeps the weights of ``module`` as ``dtype`` in a safetensors file.

    Raises:
        SovitsError: one is too large for ``dtype``, by name.
    """
    return _save(_as_kept(module.state_dict(), dtype), path)


def write_parts(weights: Mapping[str, Tensor], folder: Path, dtype: torch.dtype, megabytes: float) -> list[Path]:
    """Keeps ``weights`` as ``dtype`` in safetensors files of at most ``megabytes`` each, ``model-1-of-3.safetensors`` and so on.

    Raises:
        SovitsError: one is too large for ``dtype``, or alone larger than a part may be, by name.
    """
    parts: list[dict[str, Tensor]] = []
    room = 0.0
    for name, weight in _as_kept(weights, dtype).items():
        size = (weight.nbytes + len(name) + LINE) / 1e6
        if size > megabytes:
            raise SovitsError(f"{name} alone has {size:.1f} MB, more than part_megabytes={megabytes:g}; raise it.")
        if size > room or not parts:
            parts.append({})
            room = megabytes
        parts[-1][name] = weight
        room -= size
    return [_save(part, folder / f"model-{number}-of-{len(parts)}.safetensors") for number, part in enumerate(parts, start=1)]


def read_parts(folder: Path) -> dict[str, Tensor]:
    """What :func:`write_parts` kept, numbers in single precision.

    Raises:
        SovitsError: a part that is missing or no safetensors file, by name.
    """
    found = sorted(folder.glob("model-*-of-*.safetensors"))
    total = int(found[0].stem.rsplit("-", 1)[1]) if found else 1
    weights: dict[str, Tensor] = {}
    for number in range(1, total + 1):
        weights |= _load(folder / f"model-{number}-of-{total}.safetensors")
    return {name: weight.float() if weight.is_floating_point() else weight for name, weight in weights.items()}


def read_weights(module: nn.Module, path: Path) -> None:
    """What :func:`write_weights` kept, into ``module``, in its own precision.

    Raises:
        SovitsError: a file that is none, or weights of another module.
    """
    load_exactly(module, _load(path), path)


def _as_kept(weights: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    kept = {
        name: (weight.to(dtype) if weight.is_floating_point() else weight).detach().clone().contiguous() for name, weight in weights.items()
    }
    if unbounded := [name for name, weight in kept.items() if not weight.isfinite().all()]:
        raise SovitsError(f"{_listed(unbounded)} cannot be kept as {dtype}: a number is too large; choose format=[bf16].")
    return kept


def _save(weights: dict[str, Tensor], path: Path) -> Path:
    save_file(weights, path)
    # The library lets nobody else read it, such as the user that a service runs as.
    path.chmod(0o644)
    return path


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise SovitsError(f"{path} is damaged or no safetensors file ({error}); export the checkpoint again.") from error


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
