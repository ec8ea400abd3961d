"""Weights into and out of networks and files, all of them and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sovits.errors import SovitsError


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
    kept = {
        name: (weight.to(dtype) if weight.is_floating_point() else weight).detach().clone().contiguous()
        for name, weight in module.state_dict().items()
    }
    if unbounded := [name for name, weight in kept.items() if not weight.isfinite().all()]:
        raise SovitsError(f"{_listed(unbounded)} cannot be kept as {dtype}: a number is too large; choose format=[bf16].")
    save_file(kept, path)
    # The library lets nobody else read it, such as the user that a service runs as.
    path.chmod(0o644)
    return path


def read_weights(module: nn.Module, path: Path) -> None:
    """What :func:`write_weights` kept, into ``module``, in its own precision.

    Raises:
        SovitsError: a file that is none, or weights of another module.
    """
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise SovitsError(f"{path} is damaged or no safetensors file ({error}); export the checkpoint again.") from error
    load_exactly(module, weights, path)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
