"""A checkpoint's model, audio and text in the place of those that a command line would compose."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from sovits.errors import SovitsError
from sovits.voice.checkpoint import Checkpoint

log = logging.getLogger(__name__)

SIZES = ("audio", "text", "size", "embedding_size")
"""What the others are made from."""
PARTS = ("mel_spectrogram", "posterior_spectrogram", "model", "discriminators")
GROUPS = {
    "model": "size",
    "decoder": "model.decoder",
    "duration": "model.duration_predictor",
    "posterior": "posterior_spectrogram",
    "semantic": "model.semantic_encoder",
    "speaker_encoder": "model.speaker_encoder",
}
"""Where a choice of a group that is called otherwise goes."""
OWN = ("source", "architecture", "definition", "n_speakers")
"""Keys that a checkpoint fills in by itself."""


def adopt(config: DictConfig, checkpoint: Checkpoint, given: Sequence[str]) -> None:
    """Puts the checkpoint's settings of model, audio and text into ``config``.

    Args:
        config: changed in place.
        checkpoint: whose model it is to be.
        given: overrides of the command line; those about the model must say what the checkpoint says.

    Raises:
        SovitsError: one that says something else, with both values.
    """
    carried = OmegaConf.create(checkpoint.config)
    asked = [(override, path) for override in given if (path := _path(override)) is not None]
    for keys in (SIZES, PARTS):
        # The sizes first: what a group makes of them then is the checkpoint's size, and only the choice counts.
        for override, path in asked:
            if path.split(".")[0] in keys:
                _require_same(override, path, config, carried, checkpoint)
        with open_dict(config):
            for key in keys:
                config[key] = carried[key]


def _path(override: str) -> str | None:
    """Where in the configuration ``override`` says something about the model; None for one about something else."""
    key = OverridesParser.create().parse_override(override).key_or_group
    path = GROUPS.get(key, key)
    return path if path.split(".")[0] in (*SIZES, *PARTS) else None


def _require_same(override: str, path: str, config: DictConfig, carried: DictConfig, checkpoint: Checkpoint) -> None:
    ours, theirs = (dict(_leaves(path, _plain(OmegaConf.select(source, path)))) for source in (config, carried))
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        if key.rsplit(".", 1)[-1] not in OWN and ours.get(key) != theirs.get(key):
            raise SovitsError(
                f"{override} makes {key}={ours.get(key)}, but the model of checkpoint={checkpoint.path} has {theirs.get(key)}; a voice is "
                "added to the model as it is: leave this override out."
            )


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _leaves(where: str, node: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, dict) or not node:
        yield where, node
        return
    for key, child in node.items():
        # What a part was taken from has no say, whatever it holds.
        if key not in OWN:
            yield from _leaves(f"{where}.{key}", child)
