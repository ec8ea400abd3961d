"""A folder of `sovits export`: the networks in one form, and all else that speaking needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sovits.data.preparation.content_cache import file_hash
from sovits.errors import SovitsError
from sovits.text.symbols import LANGUAGES, SYMBOLS, TONES
from sovits.voice.carried_config import BUILT, check_config

FORMAT = 1
ABOUT, CONFIG, PHONES, SPEAKERS, WEIGHTS = "export.json", "config.json", "phones.json", "speakers", "model.safetensors"
TORCH, ONNX = "torch", "onnxruntime"
TRAINABLE = "trainable"
"""The kind that training can go on from: a checkpoint in other files."""
INT8 = "int8"
"""The kind whose graphs round what they compute with, by the range of each call."""


@dataclass(frozen=True)
class Export:
    """What ``export.json`` says of the folder it lies in."""

    kind: str
    """Such as ``int8``."""
    runtime: str
    """``torch`` or ``onnxruntime``."""
    sample_rate: int
    """Hz."""
    hop_length: int
    """Samples a frame."""
    embedding_size: int
    """Numbers of a voice."""
    context_frames: int
    """Frames on each side that a sample depends on."""
    noise_channels: int
    """Of the noise of durations."""
    generator_step: int
    """Of the checkpoint."""
    checkpoint: str
    """Its SHA-256."""
    version: str
    """Of this package, when it was made."""
    hashes: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every file but the voices, by name."""
    figures: dict[str, float] = field(default_factory=dict)
    """How it compares with the checkpoint; see :class:`~sovits.voice.export.Figures`."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Of the config that must be built."""
        return BUILT if self.runtime == TORCH else ("text",)

    @classmethod
    def read(cls, folder: Path) -> tuple[Export, dict[str, Any]]:
        """The description and the config of a folder whose files are all as they were written.

        Raises:
            SovitsError: it is no export, or of another format or phone table, or a file is missing or damaged, by name.
        """
        about = _json(folder / ABOUT)
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            given = about.get("format") if isinstance(about, dict) else None
            raise SovitsError(f"{folder / ABOUT} has export format {given}, this version reads {FORMAT}; export the checkpoint again.")
        known = {one.name for one in fields(cls)}
        try:
            export = cls(**{name: value for name, value in about.items() if name in known})
        except TypeError as error:
            raise SovitsError(f"{folder / ABOUT} is incomplete ({error}); export the checkpoint again.") from None
        for name, wanted in export.hashes.items():
            path = folder / Path(name).name
            found = file_hash(path)
            if found is None:
                raise SovitsError(f"{folder} lacks {name}, which {ABOUT} tells of; copy the whole folder again.")
            if found != wanted:
                raise SovitsError(f"{path} is not as it was exported; copy it again, or export the checkpoint again.")
        config = _json(folder / CONFIG)
        check_config(folder / CONFIG, config, export.parts)
        if difference := _difference(_json(folder / PHONES)):
            raise SovitsError(
                f"{folder / PHONES} is another table of phones, tones and languages than this version's ({difference}), so texts would be "
                f"read wrongly; use sovits {export.version}, or export the checkpoint again."
            )
        return export, config

    def write(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Writes the config, the phone table and, last, the description with the hashes of all files that are there."""
        _write(folder / CONFIG, dict(config))
        _write(folder / PHONES, phone_tables())
        hashes = {path.name: file_hash(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != ABOUT}
        _write(folder / ABOUT, {"format": FORMAT, **asdict(self), "hashes": hashes})


def content_hash(path: Path) -> str | None:
    """SHA-256 of a checkpoint, or of the description of a folder, which holds those of all its files."""
    return file_hash(path / ABOUT if path.is_dir() else path)


def is_export(path: Path) -> bool:
    """Whether ``path`` is a folder that says it is one."""
    return (path / ABOUT).is_file()


def phone_tables() -> dict[str, list[str]]:
    """Every table of ids that the networks' embeddings were trained with."""
    return {"phones": list(SYMBOLS), "tones": list(TONES), "languages": list(LANGUAGES)}


def _difference(theirs: Any) -> str | None:
    """Where a table of phones is not this version's; None where it is, or was before the tables grew at their ends."""
    if not isinstance(theirs, dict):
        return "it is no table"
    ours = phone_tables()
    for name, table in theirs.items():
        own = ours.get(name, [])
        for number, entry in enumerate(table):
            if number >= len(own) or own[number] != entry:
                return f"number {number} of {name} is {entry!r} there and {own[number] if number < len(own) else 'nothing'!r} here"
    return None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SovitsError(f"{path.parent} has no {path.name}, so it is no folder of `sovits export`; give one, or a checkpoint.") from None
    except ValueError as error:
        raise SovitsError(f"{path} is damaged ({error}); copy it again, or export the checkpoint again.") from None


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
