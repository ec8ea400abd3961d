"""The voices of the service: in memory from the start, and as they are on disk a moment later."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from sovits.data.corpora.names import checked_name
from sovits.errors import SovitsError
from sovits.voice import SpeakerBank
from sovits.voice.speaker_bank import read_embedding, write_embedding

log = logging.getLogger(__name__)

MODEL, ENROLLED = "model", "enrolled"


class VoiceExists(SovitsError):
    """A name that is taken."""


class UnknownVoice(SovitsError):
    """A name that nobody has."""


class ModelVoice(SovitsError):
    """A voice that lies in the checkpoint."""


@dataclass(frozen=True)
class EnrolmentDetails:
    """What is known of an enrolled voice."""

    seconds: float | None = None
    clips: int | None = None
    consent: str | None = None
    key: str | None = None
    """Name of the API key that enrolled it."""


@dataclass(frozen=True)
class ShelvedVoice:
    """A voice as it is told of."""

    id: str
    origin: str
    seconds: float | None = None
    clips: int | None = None
    consent: str | None = None
    enrolled_at: str | None = None


_State = tuple[int, int, int, int]


class VoiceShelf:
    """Voices of a checkpoint, and those of a folder of ``<name>.npy`` with what is known of each beside it in ``<name>.json``.

    Nothing is read from disk to speak: :meth:`refresh` brings the memory up to date. A voice of the folder goes before one of the same
    name in the checkpoint, as long as it is there. Safe to use from several threads.

    Args:
        model_voices: of the checkpoint, by name.
        folder: None where nobody can be enrolled.
        embedding_size: numbers of a voice.
    """

    def __init__(self, model_voices: Mapping[str, Tensor], folder: Path | None, embedding_size: int) -> None:
        self._model = dict(model_voices)
        self._folder = folder
        self._size = embedding_size
        self._lock = threading.RLock()
        self._states: dict[str, _State] = {}
        self._enrolled: dict[str, tuple[Tensor, ShelvedVoice]] = {}
        self._bank = SpeakerBank()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._rebuild()
        self.refresh()

    @property
    def names(self) -> list[str]:
        """Every voice, sorted."""
        return self._bank.names

    def __contains__(self, name: object) -> bool:
        return name in self._bank

    def __getitem__(self, name: str) -> Tensor:
        """[E] of norm 1.

        Raises:
            SovitsError: an unknown name; says the nearest and the known ones.
        """
        return self._bank[name]

    def described(self) -> list[ShelvedVoice]:
        """Every voice with what is known of it."""
        with self._lock:
            return [self._enrolled[name][1] if name in self._enrolled else ShelvedVoice(name, MODEL) for name in self.names]

    def require_new(self, name: str) -> None:
        """Raises a ``SovitsError`` where a voice of this name cannot be added."""
        checked_name(name)
        if self._folder is None:
            raise SovitsError(
                "Nobody can be enrolled here, as the service was started without a folder for voices; start it with bank=FOLDER."
            )
        if name in self:
            raise VoiceExists(f"There is a voice {name!r} already; choose another name, or delete that one first.")

    def add(self, name: str, embedding: Tensor, details: EnrolmentDetails) -> None:
        """Keeps a new voice, on disk and in memory.

        Raises:
            SovitsError: a name that is none or is taken, no folder, or an embedding that is no voice of this model.
        """
        with self._lock:
            self.require_new(name)
            assert self._folder is not None
            name = checked_name(name)
            self._require_voice(embedding, name)
            about = {**vars(details), "enrolled_at": datetime.now(UTC).isoformat(timespec="seconds")}
            path = self._folder / f"{name}.npy"
            partial = path.with_name(f".{name}.json.partial")
            partial.write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            partial.replace(path.with_suffix(".json"))
            # Last, for it is what makes the voice: whatever happens before leaves a description that nobody looks at.
            write_embedding(path, embedding)
            self.refresh()

    def remove(self, name: str) -> None:
        """Takes an enrolled voice away, on disk and in memory; one of the same name in the checkpoint comes back.

        Raises:
            UnknownVoice, ModelVoice: there is nothing to take away.
        """
        with self._lock:
            if name not in self._enrolled:
                if name in self:
                    raise ModelVoice(f"{name!r} is a voice of the model itself and cannot be deleted.")
                raise UnknownVoice(f"There is no voice {name!r}; GET /v1/speakers lists them.")
            assert self._folder is not None
            (self._folder / f"{name}.npy").unlink(missing_ok=True)
            (self._folder / f"{name}.json").unlink(missing_ok=True)
            self.refresh()

    def refresh(self) -> bool:
        """Looks at the folder, reads what is new or changed, forgets what is gone; returns whether anything was.

        A file that is no voice is told in the log once and left out.
        """
        with self._lock:
            if self._folder is None:
                return False
            found = {path.stem: (path, state) for path in self._folder.glob("*.npy") if (state := _state(path)) is not None}
            gone = self._states.keys() - found.keys()
            changed = {name: seen for name, seen in found.items() if self._states.get(name) != seen[1]}
            for name in gone:
                self._enrolled.pop(name, None)
                del self._states[name]
            for name, (path, state) in changed.items():
                self._states[name] = state
                self._read(name, path)
            if gone or changed:
                self._rebuild()
            return bool(gone or changed)

    def _read(self, name: str, path: Path) -> None:
        try:
            checked_name(name)
            embedding = read_embedding(path)
            self._require_voice(embedding, str(path))
            self._enrolled[name] = (embedding, ShelvedVoice(name, ENROLLED, **_about(path.with_suffix(".json"))))
        except SovitsError as error:
            self._enrolled.pop(name, None)
            log.warning("Left out of the voices: %s", error)

    def _require_voice(self, embedding: Tensor, source: str) -> None:
        SpeakerBank.from_embeddings({"voice": embedding})
        if len(embedding) != self._size:
            raise SovitsError(f"{source} has {len(embedding)} numbers and this model's voices have {self._size}; enrol it with this model.")

    def _rebuild(self) -> None:
        """A new bank in one step: whoever reads has the old one or the new one."""
        self._bank = SpeakerBank.from_embeddings(self._model | {name: embedding for name, (embedding, _) in self._enrolled.items()})


def _state(path: Path) -> _State | None:
    """What changes with a voice or its description; None where it is gone."""
    try:
        voice = path.stat()
    except FileNotFoundError:
        return None
    try:
        about = path.with_suffix(".json").stat()
    except FileNotFoundError:
        return (voice.st_mtime_ns, voice.st_size, 0, 0)
    return (voice.st_mtime_ns, voice.st_size, about.st_mtime_ns, about.st_size)


def _about(path: Path) -> dict[str, Any]:
    """What is known of a voice; nothing of one that somebody put there by hand."""
    if not path.is_file():
        return {}
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {name: told.get(name) for name in ("seconds", "clips", "consent", "enrolled_at")}
    except (OSError, ValueError, AttributeError) as error:
        log.warning("%s does not describe a voice (%s); the voice is used without.", path, error)
        return {}
