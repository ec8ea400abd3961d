"""The voices of the service: in memory from the start, and as they are on disk a moment later."""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sovits.data.corpora.names import checked_name
from sovits.errors import SovitsError
from sovits.voice import SpeakerBank
from sovits.voice.speaker_bank import read_embedding, write_embedding

log = logging.getLogger(__name__)

MODEL, ENROLLED = "model", "enrolled"
_LARGEST_HEADER, _LARGEST_NUMBER = 65536, 16
"""Bytes of a ``.npy`` file."""
_LARGEST_DESCRIPTION = 65536
"""Bytes of a ``.json`` file."""
_KNOWN: dict[str, tuple[type, ...]] = {"seconds": (int, float), "clips": (int,), "consent": (str,), "enrolled_at": (str,)}
"""What a description may tell, and as what."""


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
class _Seen:
    """A voice's files as they were when they were last read."""

    path: Path
    voice: tuple[int, ...]
    about: tuple[int, ...]


@dataclass(frozen=True)
class _Shelved:
    """All voices at one moment."""

    bank: SpeakerBank
    described: tuple[ShelvedVoice, ...]


class VoiceShelf:
    """Voices of a checkpoint, and those of a folder of ``<name>.npy`` with what is known of each beside it in ``<name>.json``.

    Nothing is read from disk to speak: :meth:`refresh` brings the memory up to date. A voice of the folder goes before one of the same
    name in the checkpoint, as long as it is there. Safe to use from several threads: who reads waits for nobody.

    Args:
        model_voices: of the checkpoint, by name.
        folder: None where nobody can be enrolled; it is made if it is not there.
        embedding_size: numbers of a voice.

    Raises:
        SovitsError: the folder can't be made or read.
    """

    def __init__(self, model_voices: Mapping[str, Tensor], folder: Path | None, embedding_size: int) -> None:
        self._model = dict(model_voices)
        self._folder = folder
        self._size = embedding_size
        self._lock = threading.RLock()
        self._seen: dict[str, _Seen] = {}
        self._enrolled: dict[str, tuple[Tensor, ShelvedVoice]] = {}
        self._unreadable = False
        self._now = self._arranged()
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                list(folder.iterdir())
            except OSError as error:
                raise SovitsError(f"bank={folder} is no folder for voices ({error.strerror}); give one that can be read.") from error
        self.refresh()

    @property
    def names(self) -> list[str]:
        """Every voice, sorted."""
        return self._now.bank.names

    def __contains__(self, name: object) -> bool:
        return name in self._now.bank

    def __getitem__(self, name: str) -> Tensor:
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
        if not self._folder.is_dir():
            raise SovitsError(
                "Nobody can be enrolled, as the service's folder for voices is gone; make it again, or start with bank=FOLDER."
            )
        self.refresh()
        if name in self:
            raise VoiceExists(f"There is a voice {name!r} already; choose another name, or delete that one first.")
        if os.path.lexists(self._folder / f"{name}.npy"):
            raise VoiceExists(f"The folder for voices holds a {name}.npy that this model cannot use; choose another name.")

    def add(self, name: str, embedding: Tensor, details: EnrolmentDetails) -> None:
        """Keeps a new voice, on disk and in memory; no file of another voice is ever replaced.

        Raises:
            SovitsError: a name that is none or is taken, no folder, or an embedding that is no voice of this model.
            OSError: the folder can't be written.
        """
        with self._lock:
            self.require_new(name)
            assert self._folder is not None
            name = checked_name(name)
            voice = self._checked(name, embedding)
            about = {**vars(details), "enrolled_at": datetime.now(UTC).isoformat(timespec="seconds")}
            path = self._folder / f"{name}.npy"
            try:
                _write_text(path.with_suffix(".json"), json.dumps(about, ensure_ascii=False, indent=1) + "\n")
                # Last, for it is what makes the voice: whatever happens before leaves a description that nobody looks at.
                write_embedding(path, voice)
            except OSError:
                path.with_suffix(".json").unlink(missing_ok=True)
                raise
            self.refresh()

    def remove(self, name: str) -> None:
        """Takes an enrolled voice away, on disk and in memory; one of the same name in the checkpoint comes back.

        Raises:
            UnknownVoice, ModelVoice: there is nothing to take away.
            OSError: the folder can't be written.
        """
        name = unicodedata.normalize("NFC", name)
        with self._lock:
            self.refresh()
            if name not in self._enrolled:
                if name in self:
                    raise ModelVoice(f"{name!r} is a voice of the model itself and cannot be deleted.")
                raise UnknownVoice(f"There is no voice {name!r}; GET /v1/speakers lists them.")
            path = self._seen[name].path
            # First, for a voice whose consent is gone must not be left behind.
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
            self.refresh()

    def refresh(self) -> bool:
        """Looks at the folder, reads what is new or changed, forgets what is gone; returns whether anything was.

        A file that is no voice is told in the log once and left out. While the folder itself can't be read, its voices stay as they were.
        """
        with self._lock:
            found = self._found()
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

    def _found(self) -> dict[str, _Seen]:
        """The files of the folder by the name of their voice."""
        if self._folder is None:
            return {}
        try:
            paths = sorted(self._folder.iterdir())
        except FileNotFoundError:
            paths = []
        except OSError as error:
            if not self._unreadable:
                log.warning("The folder for voices %s cannot be read (%s); its voices stay as they were.", self._folder, error.strerror)
            self._unreadable = True
            return self._seen
        self._unreadable = False
        seen = [_Seen(path, _state(path), _state(path.with_suffix(".json"))) for path in paths if path.suffix == ".npy"]
        # A name may be written in two ways (NFD, NFC): the one that this class writes sorts last and stays.
        return {unicodedata.normalize("NFC", one.path.stem): one for one in seen if one.voice}

    def _read(self, name: str, path: Path) -> None:
        try:
            checked_name(name)
            self._require_small_array(path)
            embedding = self._checked(name, read_embedding(path))
        except Exception as error:  # whatever somebody put into the folder, the other voices must go on
            self._enrolled.pop(name, None)
            log.warning("%r is left out of the voices: %s", path.name, error)
        else:
            self._enrolled[name] = (embedding, ShelvedVoice(name, ENROLLED, **_about(path.with_suffix(".json"))))

    def _require_small_array(self, path: Path) -> None:
        """Raises a ``SovitsError`` where opening it could take forever, fill the memory, or unpack something else than an array."""
        if not path.is_file():
            raise SovitsError(f"{path} is not a file.")
        most = _LARGEST_HEADER + _LARGEST_NUMBER * self._size
        if (size := path.stat().st_size) > most:
            raise SovitsError(f"{path} has {size} bytes; a voice of this model, which has {self._size} numbers, takes {most} at most.")
        with path.open("rb") as file:
            if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
                raise SovitsError(f"{path} is not in NumPy's format; write it with numpy.save.")

    def _checked(self, name: str, embedding: Tensor) -> Tensor:
        """The voice [E] in float32 and of norm 1."""
        voice = SpeakerBank.from_embeddings({name: embedding})[name]
        # Finite numbers may still be too large or too small for a norm.
        if not math.isclose(float(voice.norm()), 1.0, rel_tol=1e-3):
            raise SovitsError(f"The voice {name!r} has numbers that cannot be brought to norm 1; enrol it again.")
        if len(voice) != self._size:
            raise SovitsError(
                f"The voice {name!r} has {len(voice)} numbers and this model's voices have {self._size}; enrol it with this model."
            )
        return voice

    def _arranged(self) -> _Shelved:
        bank = SpeakerBank.from_embeddings(self._model | {name: embedding for name, (embedding, _) in self._enrolled.items()})
        told = {name: about for name, (_, about) in self._enrolled.items()}
        return _Shelved(bank, tuple(told.get(name, ShelvedVoice(name, MODEL)) for name in bank.names))


def _state(path: Path) -> tuple[int, ...]:
    """What changes with a file, even where a copy keeps the old one's time; empty where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    except OSError as error:
        return (error.errno or 0,)
    return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _about(path: Path) -> dict[str, Any]:
    """What is known of a voice; nothing of one that somebody put there by hand."""
    try:
        if not path.is_file():
            return {}
        if path.stat().st_size > _LARGEST_DESCRIPTION:
            raise ValueError(f"more than {_LARGEST_DESCRIPTION} bytes")
        told = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError("expected an object")
        return {name: _told(name, told.get(name), kinds) for name, kinds in _KNOWN.items()}
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        log.warning("%s does not describe a voice (%s); the voice is used without.", path, error)
        return {}


def _told(name: str, value: object, kinds: tuple[type, ...]) -> object:
    """``value`` if it can be told in an answer; raises ``ValueError`` or ``OverflowError`` else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ValueError(f"{name} is {str(value)[:40]!r}")
    if isinstance(value, str):
        # Half of a surrogate pair cannot be sent.
        value.encode("utf-8")
    elif isinstance(value, int | float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return value
