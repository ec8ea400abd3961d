"""Voices as vectors: one ``<speaker>.npy`` for each in a folder, all in memory from the start."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike

from sovits.data.corpora.names import checked_name
from sovits.errors import SovitsError

MOST_NAMED = 20
"""Speakers that an error lists."""


class SpeakerBank:
    """Embeddings [E] of norm 1 by speaker id; an id is a name, never a path."""

    def __init__(self) -> None:
        self._voices: dict[str, np.ndarray] = {}

    @classmethod
    def from_embeddings(cls, embeddings: Mapping[str, ArrayLike]) -> SpeakerBank:
        """A bank of ``embeddings`` [E].

        Raises:
            SovitsError: as ``add``.
        """
        bank = cls()
        for speaker, embedding in embeddings.items():
            bank.add(speaker, embedding)
        return bank

    @classmethod
    def load(cls, folder: Path | str) -> SpeakerBank:
        """Reads every ``.npy`` file of ``folder``.

        Raises:
            SovitsError: no such folder, none in it, or a file that is no embedding of the size of the others.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise SovitsError(f"There is no speaker bank {folder}; give the folder `speakers` of a training run.")
        bank = cls()
        for path in sorted(folder.glob("*.npy")):
            bank._add(path.stem, read_embedding(path), source=str(path))
        if not len(bank):
            raise SovitsError(f"The speaker bank {folder} holds no .npy file; give the folder `speakers` of a training run.")
        return bank

    @property
    def names(self) -> list[str]:
        """Every speaker id, sorted."""
        return sorted(self._voices)

    @property
    def embedding_size(self) -> int | None:
        """``E``, ``None`` while the bank is empty."""
        return next((len(voice) for voice in self._voices.values()), None)

    def add(self, speaker: str, embedding: ArrayLike) -> None:
        """Adds or replaces a voice [E], scaled to norm 1.

        Raises:
            SovitsError: an id that is not a name, or an embedding of another size than the others, of zeros or of no numbers.
        """
        self._add(speaker, embedding, source=f"The embedding of speaker {speaker!r}")

    def save(self, folder: Path | str) -> Path:
        """Writes one ``.npy`` file (float32 [E]) for each speaker, each in one atomic step, and returns the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for speaker, voice in self._voices.items():
            write_embedding(folder / f"{speaker}.npy", voice)
        return folder

    def __getitem__(self, speaker: str) -> np.ndarray:
        """[E] float32 of norm 1.

        Raises:
            SovitsError: an unknown speaker; names the nearest and the known ones.
        """
        name = unicodedata.normalize("NFC", speaker)
        if name not in self._voices:
            raise SovitsError(self._unknown(speaker))
        return self._voices[name]

    def __contains__(self, speaker: object) -> bool:
        return isinstance(speaker, str) and unicodedata.normalize("NFC", speaker) in self._voices

    def __len__(self) -> int:
        return len(self._voices)

    def _add(self, speaker: str, embedding: ArrayLike, *, source: str) -> None:
        name = checked_name(speaker)
        # Twice the precision: the square of a finite number of single precision may be none.
        voice = np.array(embedding, dtype=np.float32).astype(np.float64)
        if voice.ndim != 1 or not np.isfinite(voice).all() or not np.linalg.norm(voice) > 0:
            raise SovitsError(
                f"{source} is not a voice: expected one row of finite numbers that are not all zero, got {_described(voice)}."
            )
        if self.embedding_size not in (None, len(voice)):
            raise SovitsError(
                f"{source} has {len(voice)} numbers where the others of the bank have {self.embedding_size}; "
                "keep the voices of different models in different folders."
            )
        self._voices[name] = (voice / np.linalg.norm(voice)).astype(np.float32)
        self._voices[name].flags.writeable = False

    def _unknown(self, speaker: str) -> str:
        if not self._voices:
            return f"There is no speaker {speaker!r}: the bank is empty; give a clip of the voice instead (reference=clip.wav)."
        near = difflib.get_close_matches(speaker, self.names, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        more = f" and {len(self) - MOST_NAMED} more" if len(self) > MOST_NAMED else ""
        known = ", ".join(self.names[:MOST_NAMED]) + more
        return f"There is no speaker {speaker!r}{hint}; choose one of {known}, or give a clip (reference=clip.wav)."


def write_embedding(path: Path, embedding: np.ndarray) -> None:
    """Writes one voice [E] as float32, in one atomic step."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.save(file, np.asarray(embedding, dtype=np.float32), allow_pickle=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_embedding(path: Path) -> np.ndarray:
    """The values of a ``.npy`` file in float32, whatever their number.

    Raises:
        SovitsError: it cannot be read, or holds something else than floating-point numbers.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile, MemoryError) as error:
        raise SovitsError(f"{path} is not an embedding that NumPy can read ({error}); make it again with `sovits train`.") from error
    if not isinstance(values, np.ndarray):
        raise SovitsError(f"{path} is an archive of arrays and not one embedding; make it again with `sovits train`.")
    if not np.issubdtype(values.dtype, np.floating):
        raise SovitsError(
            f"{path} holds {values.dtype} values instead of one row of floating-point numbers; make it again with `sovits train`."
        )
    return values.astype(np.float32)


def _described(voice: np.ndarray) -> str:
    return f"shape {list(voice.shape)}" if voice.ndim != 1 or not len(voice) else f"values such as {float(voice[0])}"
