"""Voices as files: each written whole or not at all, and nothing read that could harm."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import logging
import math
import os
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sovits.errors import SovitsError
from sovits.voice.speaker_bank import read_embedding

log = logging.getLogger(__name__)

LOCK = ".lock"
HELD_SECONDS = 10.0
"""That somebody waits for another service on the same folder, which needs it for some milliseconds."""
_PARTIAL = ".voice-partial"
_OF = "voice_sha256"
"""Of the ``.npy`` file that a description belongs to."""
_LARGEST_HEADER, _LARGEST_NUMBER = 65536, 16
"""Bytes of a ``.npy`` file."""
_LARGEST_DESCRIPTION = 65536
"""Bytes of a ``.json`` file."""
_KNOWN: dict[str, tuple[type, ...]] = {"seconds": (int, float), "clips": (int,), "consent": (str,), "enrolled_at": (str,)}
"""What a description may tell, and as what."""


class FolderHeld(SovitsError):
    """Another service has the folder and does not give it back."""


@dataclass(frozen=True)
class SeenVoice:
    """A voice's files as they were when they were last looked at."""

    path: Path
    voice: tuple[int, ...]
    about: tuple[int, ...]


class VoiceFolder:
    """A folder of ``<name>.npy``, with what is known of each beside it in ``<name>.json``.

    A description names the content of the voice that it belongs to: one that a kill left alone is never taken for that of another voice
    which is put there under the same name. One without that line, written by hand, belongs to the voice beside it.

    Args:
        path: it is made if it is not there.
        embedding_size: numbers of a voice.

    Raises:
        SovitsError: it can't be made or read.
    """

    def __init__(self, path: Path, embedding_size: int) -> None:
        self.path, self._size = path, embedding_size
        self._unreadable = False
        try:
            path.mkdir(parents=True, exist_ok=True)
            list(path.iterdir())
        except OSError as error:
            raise SovitsError(f"bank={path} is no folder for voices ({error.strerror}); give one that can be read.") from error
        self._clear()

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this lasts, no other service changes the folder.

        Raises:
            FolderHeld: another one does, for ``HELD_SECONDS``.
            OSError: the folder can't be written.
        """
        with (self.path / LOCK).open("ab") as file:
            until = time.monotonic() + HELD_SECONDS
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise FolderHeld("Another service holds the folder for voices; try again in a moment.") from None
                    time.sleep(0.01)
            yield

    def seen(self) -> dict[str, SeenVoice] | None:
        """The files by the name of their voice; None where the folder can't be read, which the log tells once."""
        try:
            paths = sorted(self.path.iterdir())
        except FileNotFoundError:
            paths = []
        except OSError as error:
            if not self._unreadable:
                log.warning("The folder for voices %s cannot be read (%s); its voices stay as they were.", self.path, error.strerror)
            self._unreadable = True
            return None
        self._unreadable = False
        seen = [SeenVoice(path, _state(path), _state(path.with_suffix(".json"))) for path in paths if path.suffix == ".npy"]
        # A name may be written in two ways (NFD, NFC): the one that this class writes sorts last and stays.
        return {unicodedata.normalize("NFC", one.path.stem): one for one in seen if one.voice}

    def read(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """The numbers in a ``.npy`` file, and what is known of the voice.

        Raises:
            SovitsError: no file, one too large for a voice of this model, or not NumPy's.
        """
        self._require_small_array(path)
        return read_embedding(path), _about(path)

    def write(self, name: str, voice: np.ndarray, about: dict[str, Any]) -> None:
        """Adds a voice [E] that is not there yet; within :meth:`held`.

        Raises:
            OSError: the folder can't be written; nothing of the voice is there then.
        """
        path = self.path / f"{name}.npy"
        array = io.BytesIO()
        np.save(array, np.asarray(voice, dtype=np.float32), allow_pickle=False)
        told = about | {_OF: hashlib.sha256(array.getvalue()).hexdigest()}
        try:
            _write(path.with_suffix(".json"), (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode())
            # Last, for it is what makes the voice: whatever happens before leaves a description that belongs to nothing.
            _write(path, array.getvalue())
        except OSError:
            path.with_suffix(".json").unlink(missing_ok=True)
            raise

    def remove(self, path: Path) -> None:
        """Takes a voice away; within :meth:`held`."""
        # First, for a voice whose consent is gone must not be left behind.
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)

    def _clear(self) -> None:
        """Takes away what a killed service had begun to write; another service that runs may be writing just now."""
        if not any(path.suffix == _PARTIAL for path in self.path.iterdir()):
            return
        # A folder that can only be read keeps it, and nobody looks at it.
        with suppress(OSError, FolderHeld), self.held():
            for path in self.path.iterdir():
                if path.suffix == _PARTIAL:
                    path.unlink(missing_ok=True)

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


def _state(path: Path) -> tuple[int, ...]:
    """What changes with a file, even where a copy keeps the old one's time; empty where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    except OSError as error:
        return (error.errno or 0,)
    return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def _write(path: Path, content: bytes) -> None:
    """In one atomic step, and on the disk before its name is."""
    partial = path.with_name(f".{path.name}.{os.getpid()}{_PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _about(voice: Path) -> dict[str, Any]:
    """What is known of a voice; nothing of one that somebody put there by hand."""
    path = voice.with_suffix(".json")
    try:
        if not path.is_file():
            return {}
        if path.stat().st_size > _LARGEST_DESCRIPTION:
            raise ValueError(f"more than {_LARGEST_DESCRIPTION} bytes")
        told = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError("expected an object")
        if _OF in told and told[_OF] != hashlib.sha256(voice.read_bytes()).hexdigest():
            raise ValueError(f"it belongs to another voice, by its {_OF}")
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
