"""An audio file opened for reading in blocks, checked for being whole: what libsndfile would refuse less clearly, or not at all."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from sovits.errors import SovitsError

_BLOCK = 1 << 20
"""Samples of a channel decoded at once: what bounds the memory of a file of many channels."""
_OGG_HEADER = 27
_LONGEST_OGG_PAGE = _OGG_HEADER + 255 + 255 * 255


class WaveformFile:
    """An open audio file of any format, rate and width; its channels are averaged.

    Args:
        path: of the file.

    Raises:
        SovitsError: it is missing, empty, not audio, or shows to be cut short before it is read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        _check_whole(self.path)
        try:
            self._file = soundfile.SoundFile(self.path)
        except soundfile.LibsndfileError as error:
            raise self._damaged(error) from error
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int = self._file.frames
        """Samples of each channel, as the header says."""
        self.subtype: str = self._file.subtype
        """libsndfile's name of the sample format, such as ``PCM_16``."""
        self._position = 0

    def __enter__(self) -> WaveformFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def seek(self, sample: int) -> None:
        """Goes to a sample, where the next ``read`` begins.

        Raises:
            SovitsError: the file is damaged.
        """
        try:
            self._file.seek(sample)
        except soundfile.LibsndfileError as error:
            raise self._damaged(error) from error
        self._position = sample

    def read(self, samples: int) -> np.ndarray:
        """The next ``samples``, or as many as there are: float32 [T_samples] in [-1, 1], mono.

        Raises:
            SovitsError: the file is damaged, cut short, or holds samples that are not numbers.
        """
        wanted = min(samples, self.frames - self._position)
        mono = np.empty(wanted, dtype=np.float32)
        filled = 0
        try:
            while filled < wanted:
                block = self._file.read(min(_BLOCK, wanted - filled), dtype="float32", always_2d=True)
                if not len(block):
                    break
                block.mean(axis=1, out=mono[filled : filled + len(block)])
                filled += len(block)
        except soundfile.LibsndfileError as error:
            raise self._damaged(error) from error
        self._position += filled
        if filled < wanted:
            raise SovitsError(
                f"{self.path} is cut short: {self._position} of {self.frames} samples are there; copy it again from its source."
            )
        if not np.isfinite(mono).all():
            raise SovitsError(f"{self.path} holds samples that are not numbers (NaN or infinite); export it again as 16-bit WAV.")
        return mono

    def _damaged(self, error: soundfile.LibsndfileError) -> SovitsError:
        return SovitsError(f"{self.path} is damaged or not audio ({error.error_string.rstrip('.')}); export it again as WAV or FLAC.")


def _check_whole(path: Path) -> None:
    """Refuses what libsndfile would refuse less clearly, or read as if nothing were missing."""
    if not path.is_file():
        raise SovitsError(f"There is no audio file {path}; check the path.")
    if path.stat().st_size == 0:
        raise SovitsError(f"{path} is empty (0 bytes); copy or record it again.")
    if _lacks_ogg_end(path):
        raise SovitsError(f"{path} is cut short: its last page is missing; copy it again from its source.")
    if (lacking := _missing_wav_bytes(path)) > 0:
        raise SovitsError(f"{path} is cut short by {lacking} bytes; copy it again from its source.")


def _missing_wav_bytes(path: Path) -> int:
    """Bytes that a RIFF header promises beyond the end of the file; libsndfile would silently read what is there.

    Programs that write to a pipe leave 0 or 2^32 - 1 (or close to it) as the size: that is no promise.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or file.seek(8) != 8 or file.read(4) != b"WAVE":
            return 0
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if name == b"data":
                return 0 if length in (0, 0x7FFFFFFF) or length >= 0xFFFFFF00 else file.tell() + length - size
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0


def _lacks_ogg_end(path: Path) -> bool:
    """Whether an Ogg file's last page is cut, or not marked as the last (RFC 3533); libsndfile would not always tell."""
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return False
        file.seek(max(path.stat().st_size - _LONGEST_OGG_PAGE, 0))
        page = file.read()
    page = page[page.rfind(b"OggS") :]
    if len(page) < _OGG_HEADER:
        return True
    end_of_stream, segments = page[5] & 4, page[26]
    return not end_of_stream or len(page) < _OGG_HEADER + segments + sum(page[_OGG_HEADER : _OGG_HEADER + segments])
