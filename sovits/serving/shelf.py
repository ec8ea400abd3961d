"""The voices of the service: in memory from the start, and as they are on disk a moment later."""

from __future__ import annotations

import logging
import os
import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sovits.data.corpora.names import checked_name
from sovits.errors import SovitsError
from sovits.serving.voice_folder import SeenVoice, VoiceFolder
from sovits.voice import SpeakerBank

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


@dataclass(frozen=True)
class _Shelved:
    """All voices at one moment."""

    bank: SpeakerBank
    described: tuple[ShelvedVoice, ...]


class VoiceShelf:
    """Voices of a checkpoint, and those of a :class:`VoiceFolder`.

    Nothing is read from disk to speak: :meth:`refresh` brings the memory up to date. A voice of the folder goes before one of the same
    name in the checkpoint, as long as it is there. Safe to use from several threads: who reads waits for nobody.

    Args:
        model_voices: of the checkpoint, by name.
        folder: None where nobody can be enrolled; it is made if it is not there.
        embedding_size: numbers of a voice.

    Raises:
        SovitsError: the folder can't be made or read.
    """

    def __init__(self, model_voices: Mapping[str, np.ndarray], folder: Path | None, embedding_size: int) -> None:
        self._model = dict(model_voices)
        self._folder = None if folder is None else VoiceFolder(folder, embedding_size)
        self._size = embedding_size
        self._lock = threading.RLock()
        self._seen: dict[str, SeenVoice] = {}
        self._enrolled: dict[str, tuple[np.ndarray, ShelvedVoice]] = {}
        self._now = self._arranged()
        self.refresh()

    @property
    def takes_voices(self) -> bool:
        """Whether there is a folder for new ones."""
        return self._folder is not None

    @property
    def names(self) -> list[str]:
        """Every voice, sorted."""
        return self._now.bank.names

    def __contains__(self, name: object) -> bool:
        return name in self._now.bank

    def __getitem__(self, name: str) -> np.ndarray:
        """[E] of norm 1.

        Raises:
            SovitsError: an unknown name; says the nearest and the known ones.
        """
        return self._now.bank[name]

    def described(self) -> list[ShelvedVoice]:
        """Every voice with what is known of it."""
        return list(self._now.described)

    def require_new(self, name: str) -> None:
        """Looks at the folder and raises a ``SovitsError`` where a voice of this name cannot be added."""
        name = checked_name(name)
        if self._folder is None:
            raise SovitsError(
                "Nobody can be enrolled here, as the service was started without a folder for voices; start it with bank=FOLDER."
            )
        if not self._folder.path.is_dir():
            raise SovitsError(
                "Nobody can be enrolled, as the service's folder for voices is gone; make it again, or start with bank=FOLDER."
            )
        self.refresh()
        if name in self:
            raise VoiceExists(f"There is a voice {name!r} already; choose another name, or delete that one first.")
        if os.path.lexists(self._folder.path / f"{name}.npy"):
            raise VoiceExists(f"The folder for voices holds a {name}.npy that this model cannot use; choose another name.")

    def add(self, name: str, embedding: np.ndarray, details: EnrolmentDetails) -> None:
        """Keeps a new voice, on disk and in memory; no file of another voice is ever replaced.

        Raises:
            SovitsError: a name that is none or is taken, no folder, or an embedding that is no voice of this model.
            FolderHeld: another service has the folder.
            OSError: the folder can't be written.
        """
        self.require_new(name)
        assert self._folder is not None
        with self._lock, self._folder.held():
            # Another service may have been quicker.
            self.require_new(name)
            name = checked_name(name)
            about = {**vars(details), "enrolled_at": datetime.now(UTC).isoformat(timespec="seconds")}
            self._folder.write(name, self._checked(name, embedding), about)
            self.refresh()

    def remove(self, name: str) -> None:
        """Takes an enrolled voice away, on disk and in memory; one of the same name in the checkpoint comes back.

        Raises:
            UnknownVoice, ModelVoice: there is nothing to take away.
            FolderHeld: another service has the folder.
            OSError: the folder can't be written.
        """
        name = unicodedata.normalize("NFC", name)
        with self._lock:
            self.refresh()
            if name not in self._enrolled:
                if name in self:
                    raise ModelVoice(f"{name!r} is a voice of the model itself and cannot be deleted.")
                raise UnknownVoice(f"There is no voice {name!r}; GET /v1/speakers lists them.")
            assert self._folder is not None
            with self._folder.held():
                self._folder.remove(self._seen[name].path)
            self.refresh()

    def refresh(self) -> bool:
        """Looks at the folder, reads what is new or changed, forgets what is gone; returns whether anything was.

        A file that is no voice is told in the log once and left out. While the folder itself can't be read, its voices stay as they were.
        """
        with self._lock:
            found = {} if self._folder is None else self._folder.seen()
            if found is None:
                return False
            gone = self._seen.keys() - found.keys()
            changed = {name: seen for name, seen in found.items() if self._seen.get(name) != seen}
            for name in gone:
                self._enrolled.pop(name, None)
            self._seen = found
            for name, seen in changed.items():
                self._read(name, seen.path)
            if gone or changed:
                self._now = self._arranged()
            return bool(gone or changed)

    def _read(self, name: str, path: Path) -> None:
        assert self._folder is not None
        try:
            checked_name(name)
            values, about = self._folder.read(path)
            embedding = self._checked(name, values)
        except Exception as error:  # whatever somebody put into the folder, the other voices must go on
            self._enrolled.pop(name, None)
            log.warning("%r is left out of the voices: %s", path.name, error)
        else:
            self._enrolled[name] = (embedding, ShelvedVoice(name, ENROLLED, **about))

    def _checked(self, name: str, embedding: np.ndarray) -> np.ndarray:
        """The voice [E] in float32 and of norm 1."""
        voice = SpeakerBank.from_embeddings({name: embedding})[name]
        if len(voice) != self._size:
            raise SovitsError(
                f"The voice {name!r} has {len(voice)} numbers and this model's voices have {self._size}; enrol it with this model."
            )
        return voice

    def _arranged(self) -> _Shelved:
        bank = SpeakerBank.from_embeddings(self._model | {name: embedding for name, (embedding, _) in self._enrolled.items()})
        told = {name: about for name, (_, about) in self._enrolled.items()}
        return _Shelved(bank, tuple(told.get(name, ShelvedVoice(name, MODEL)) for name in bank.names))
