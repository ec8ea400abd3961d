"""Weights of a checkpoint as the start of another configuration: what fits is taken, and it is said what did not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torchaudio.transforms import Resample

from sovits.audio.spectrogram import LinearSpectrogram, MelSpectrogram
from sovits.errors import SovitsError
from sovits.training.parts import part_of
from sovits.training.voice_size import resized_voices
from sovits.voice.checkpoint import Checkpoint

SEMANTIC = "synthesizer.text_encoder.semantic."
TEXT_ENCODER = "synthesizer.text_encoder.phones.weight"


@dataclass
class WarmStart:
    """What was taken over, weights by part of the model (such as ``synthesizer.decoder``)."""

    loaded: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Same name and shape."""
    reshaped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Same name, another shape: left as they were initialised."""
    missing: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Not in the checkpoint: left as they were initialised."""
    unused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Only in the checkpoint."""
    voices: str | None = None
    """What became of voices of another size."""

    def lines(self) -> list[str]:
        """One line a part: ``synthesizer.decoder: 40 of 52 weights taken, 12 of another shape (decoder.input.weight, ...)``."""
        lines = [self.voices] if self.voices else []
        for part in sorted({*self.loaded, *self.reshaped, *self.missing, *self.unused}):
            taken, total = len(self.loaded[part]), sum(len(kind[part]) for kind in (self.loaded, self.reshaped, self.missing))
            told = [f"{taken} of {total} weights taken"]
            for what, names in (
                ("of another shape", self.reshaped[part]),
                ("not in the checkpoint", self.missing[part]),
                ("only in the checkpoint", self.unused[part]),
            ):
                if names:
                    told.append(f"{len(names)} {what} (such as {names[0]})")
            lines.append(f"{part}: {', '.join(told)}")
        return lines


def require_alike(checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Refuses to go on from a model that hears or reads otherwise: its weights would fit, and mean something else.

    Args:
        checkpoint: whose weights are wanted.
        config: this run's, of plain values.

    Raises:
        SovitsError: the settings of audio or text that differ, with both values.
    """
    for part in ("audio", "text"):
        theirs, ours = (dict(_settings(part, source[part])) for source in (checkpoint.config, config))
        if differing := [key for key in sorted({*theirs, *ours}) if theirs.get(key) != ours.get(key)]:
            there, here = (", ".join(f"{key}={values.get(key)}" for key in differing) for values in (theirs, ours))
            raise SovitsError(
                f"warm_start={checkpoint.path} was trained with {there} and this run has {here}; choose {there}, or warm_start=null."
            )


def _settings(where: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Every value with its key; the semantic tokens are not the synthesizer's phones, so the tokenizer has no say."""
    if not isinstance(node, dict):
        yield where, node
        return
    for key, child in node.items():
        if key != "tokenizer":
            yield from _settings(f"{where}.{key}", child)


@torch.no_grad()
def warm_start(module: nn.Module, weights: Mapping[str, Tensor], parts: Sequence[str] | None = None) -> WarmStart:
    """Copies into ``module`` every weight of the same name and shape; constants, such as the filters of a spectrogram, are its own.

    Voices of another size are brought to the module's, see :func:`~sovits.training.voice_size.resized_voices`.

    A language model that the weights know nothing of says nothing at first: it must not disturb what the text encoder has learned.

    Args:
        module: the whole training module.
        weights: a checkpoint's, under the names of ``module.state_dict()``.
        parts: only names that begin with one of these, such as ``synthesizer.decoder``; None for all.
    """
    own = module.state_dict()
    weights, told = resized_voices(weights, own)
    result = WarmStart(voices=told)
    # Filters for another sample rate may have the very same shape.
    constant = tuple(f"{name}." for name, part in module.named_modules() if isinstance(part, MelSpectrogram | LinearSpectrogram | Resample))
    chosen = {name for name in (*own, *weights) if parts is None or any(name.startswith(f"{part}.") for part in parts)}
    for name in sorted(name for name in chosen if not name.startswith(constant)):
        part = part_of(name)
        if name not in own:
            result.unused[part].append(name)
        elif name not in weights:
            result.missing[part].append(name)
            if name.startswith(SEMANTIC) and TEXT_ENCODER in weights:
                own[name].zero_()
        elif own[name].shape != weights[name].shape:
            result.reshaped[part].append(name)
        else:
            own[name].copy_(weights[name])
            result.loaded[part].append(name)
    return result
