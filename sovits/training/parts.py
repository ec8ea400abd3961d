"""Parts of the model by name."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from sovits.errors import SovitsError


def part_of(name: str) -> str:
    """The part of the model that a weight belongs to: ``synthesizer.decoder.input.bias`` -> ``synthesizer.decoder``."""
    return ".".join(name.split(".")[:2]) if name.startswith("synthesizer.") else name.split(".")[0]


def part_name(training: nn.Module, name: str, key: str = "warm_start_parts") -> str:
    """The full name of ``decoder`` or ``text_encoder.layers.0`` of the synthesizer, or of ``discriminators``.

    Args:
        training: the module that holds ``synthesizer`` and ``discriminators``.
        key: of the configuration that names it.

    Raises:
        SovitsError: there is no part of that name.
    """
    known = dict(training.named_modules())
    for path in (f"synthesizer.{name}", name):
        if path in known:
            return path
    parts = sorted([*(child for child, _ in known["synthesizer"].named_children()), "discriminators"])
    raise SovitsError(f"{key} names {name!r}, which this model does not have; its parts are {', '.join(parts)}, and what is inside them.")


def freeze_parts(training: nn.Module, names: Iterable[str]) -> list[nn.Module]:
    """Takes the named parts out of training: their weights want no gradient. The caller keeps them in evaluation mode.

    Raises:
        SovitsError: a name that is no part.
    """
    parts = [training.get_submodule(part_name(training, name, "training.freeze")) for name in names]
    for part in parts:
        part.requires_grad_(False)
    return parts
