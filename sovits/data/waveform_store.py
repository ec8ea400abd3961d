"""The clips of a prepared set as 16-bit samples: read file by file, or from one memory map that all processes share."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import weakref
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import soundfile

from sovits.data.manifest import Utterance
from sovits.errors import SovitsError

SAMPLES_NAME = "samples.i16"
INDEX_NAME = "index.json"
SAMPLE_TYPE = np.dtype("<i2")
SAMPLE_BYTES = SAMPLE_TYPE.itemsize


class WaveformStore(Protocol):
    """Where the audio of a set's clips comes from."""

    def samples(self, utterance: Utterance) -> int:
        """Samples in the clip."""
        ...

    def read(self, utterance: Utterance) -> np.ndarray:
        """The whole clip [T_samples], int16, not to be written to."""
        ...


class WaveformFiles:
    """Opens and decodes a clip's file each time it is wanted.

    Every method raises a ``SovitsError`` for a missing, cut or unreadable file, or one of another rate or more channels than the set has.
    """

    def __init__(self, root: Path, sample_rate: int) -> None:
        self.root = root
        self.sample_rate = sample_rate

    def samples(self, utterance: Utterance) -> int:
        """Samples in the clip, by its header."""
        try:
            with soundfile.SoundFile(self.root / utterance.path) as file:
                return self._checked(file, utterance)
        except soundfile.LibsndfileError as error:
            raise self._unusable(utterance, f"cannot be read ({error.error_string.rstrip('.')})") from error

    def read(self, utterance: Utterance) -> np.ndarray:
        """The whole clip [T_samples], int16."""
        return self._decoded(self.root / utterance.path, utterance)

    def read_verified(self, utterance: Utterance) -> np.ndarray:
        """As ``read``, of a file whose bytes are those that the manifest was written for, or a ``SovitsError``."""
        try:
            content = (self.root / utterance.path).read_bytes()
        except OSError as error:
            raise self._unusable(utterance, f"cannot be read ({error.strerror})") from error
        if hashlib.sha256(content).hexdigest() != utterance.content_hash:
            raise self._unusable(utterance, "is not the one that the manifest was written for: its content hash differs")
        return self._decoded(io.BytesIO(content), utterance)

    def _decoded(self, source: Path | BinaryIO, utterance: Utterance) -> np.ndarray:
        try:
            with soundfile.SoundFile(source) as file:
                expected = self._checked(file, utterance)
                samples = file.read(dtype="int16")
        except soundfile.LibsndfileError as error:
            raise self._unusable(utterance, f"cannot be read ({error.error_string.rstrip('.')})") from error
        if len(samples) != expected:
            raise self._unusable(utterance, f"is cut short: {len(samples)} of {expected} samples")
        return samples

    def _checked(self, file: soundfile.SoundFile, utterance: Utterance) -> int:
        if (file.samplerate, file.channels) != (self.sample_rate, 1):
            raise self._unusable(utterance, f"has {file.channels} channel(s) at {file.samplerate} Hz instead of 1 at {self.sample_rate} Hz")
        return file.frames

    def _unusable(self, utterance: Utterance, what: str) -> SovitsError:
        return SovitsError(f"The clip {self.root / utterance.path} {what}; run `sovits prepare` again to rewrite it.")


class PackedWaveforms:
    """A complete pack (see ``waveform_pack``): views into one memory map, whose pages every process that opens it shares.

    The pack is locked against removal while it is open. Copies sent to another process open it anew, there.
    """

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: of the pack.

        Raises:
            IncompletePack: there is none, or not a whole one.
        """
        self.folder = folder
        self._open()

    def samples(self, utterance: Utterance) -> int:
        """Samples in the clip."""
        return self._places[utterance.content_hash][1]

    def read(self, utterance: Utterance) -> np.ndarray:
        """The whole clip [T_samples], int16, read-only: a view."""
        start, length = self._places[utterance.content_hash]
        return self._samples[start : start + length]

    def _open(self) -> None:
        try:
            self._file = (self.folder / SAMPLES_NAME).open("rb")
            # Open, and locked, for as long as this store is in use, and closed with it.
            weakref.finalize(self, self._file.close)
            lock(self._file, fcntl.LOCK_SH)
            opened = os.fstat(self._file.fileno())
            # Between opening and locking, another process may have removed it.
            in_place = (self.folder / SAMPLES_NAME).stat().st_ino == opened.st_ino
            index = json.loads((self.folder / INDEX_NAME).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise IncompletePack(self.folder) from error
        if not in_place or opened.st_size != index["samples"] * SAMPLE_BYTES:
            raise IncompletePack(self.folder)
        self._places: dict[str, list[int]] = index["places"]
        # Seen as a plain array, which is quicker to slice; an empty file cannot be mapped.
        self._samples = np.asarray(np.memmap(self._file, dtype=SAMPLE_TYPE, mode="r")) if opened.st_size else np.zeros(0, SAMPLE_TYPE)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


class IncompletePack(Exception):
    """A pack that is not there, or that was damaged: to be written anew."""


def lock(file: BinaryIO, kind: int) -> bool:
    """Takes an advisory lock; ``False`` where another process holds it or the file system knows none."""
    try:
        fcntl.flock(file, kind)
    except OSError:
        return False
    return True
