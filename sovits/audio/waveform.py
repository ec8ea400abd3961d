"""Waveforms on disk and in memory: read any format at any rate, write, resample, bring to one loudness.

A waveform is a float32 array [T_samples] in [-1, 1], mono.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sovits.errors import SovitsError

READABLE = (".wav", ".flac", ".mp3", ".ogg", ".opus")
PEAK = 10 ** (-1 / 20)
"""Highest sample after loudness normalisation: -1 dBFS, so that a lossy copy does not clip."""
LOUDNESS_BLOCK = 0.4
"""Seconds of the gating block of ITU-R BS.1770-4."""
_OGG_HEADER = 27
_LONGEST_OGG_PAGE = _OGG_HEADER + 255 + 255 * 255
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_WRITERS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}


def read_waveform(path: Path | str, sample_rate: int, *, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """Reads ``path`` from ``start`` to ``end`` (s), averages its channels and resamples to ``sample_rate`` Hz.

    Returns:
        float32 [T_samples].

    Raises:
        SovitsError: the file is missing, empty, not audio, cut short, or holds samples that are not numbers.
    """
    path = Path(path)
    _check_readable(path)
    try:
        with soundfile.SoundFile(path) as file:
            rate, expected = file.samplerate, file.frames
            first = min(max(round(start * rate), 0), expected)
            last = expected if end is None else min(max(round(end * rate), first), expected)
            file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SovitsError(f"{path} is damaged or not audio ({error.error_string.rstrip('.')}); export it again as WAV or FLAC.") from error
    if len(samples) < last - first:
        raise SovitsError(f"{path} is cut short: {first + len(samples)} of {expected} samples are there; copy it again from its source.")
    if not len(samples):
        span = f" from {start:g} s to {'its end' if end is None else f'{end:g} s'}" if expected else ""
        raise SovitsError(f"{path} holds no samples{span}; record it again.")
    if not np.isfinite(samples).all():
        raise SovitsError(f"{path} holds samples that are not numbers (NaN or infinite); export it again as 16-bit WAV.")
    return resample(samples.mean(axis=1), rate, sample_rate)


def _check_readable(path: Path) -> None:
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


def write_waveform(path: Path | str, samples: np.ndarray, sample_rate: int) -> Path:
    """Writes [T_samples] in the format of the suffix (16 bits for WAV and FLAC) in one atomic step; returns ``path``.

    Opus knows few rates: the samples are resampled to the next one above.

    Raises:
        SovitsError: the suffix is none of wav, flac, mp3, ogg, opus, or the format does not know this rate.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise SovitsError(f"Cannot write {path}: the name must end in one of {' '.join(READABLE)}.")
    container, subtype = _WRITERS[path.suffix.lower()]
    if subtype == "OPUS" and sample_rate not in _OPUS_RATES:
        target = next((rate for rate in _OPUS_RATES if rate >= sample_rate), _OPUS_RATES[-1])
        samples, sample_rate = resample(samples, sample_rate, target), target
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        data = np.clip(samples, -1.0, 1.0).astype(np.float32)
        if subtype == "PCM_16":
            # Rounded here, as libsndfile would scale by 32767 and read by 32768.
            data = np.clip(np.round(data * 32768), -32768, 32767).astype(np.int16)
        soundfile.write(partial, data, sample_rate, format=container, subtype=subtype)
        partial.replace(path)
    except soundfile.LibsndfileError as error:
        raise SovitsError(f"Cannot write {path} at {sample_rate} Hz ({error.error_string.rstrip('.')}); choose .wav or .flac.") from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """[T_samples] at ``from_rate`` Hz -> float32 at ``to_rate`` Hz, band-limited (soxr, very high quality)."""
    if from_rate == to_rate:
        return np.ascontiguousarray(samples, dtype=np.float32)
    return soxr.resample(np.asarray(samples, dtype=np.float32), from_rate, to_rate, quality="VHQ")


def normalize_loudness(samples: np.ndarray, sample_rate: int, lufs: float) -> np.ndarray:
    """Scales [T_samples] to ``lufs`` of integrated loudness (ITU-R BS.1770-4), less where a peak would pass -1 dBFS.

    Digital silence comes back as it is. A clip shorter than the standard's 0.4 s block is measured as one block.
    """
    import pyloudnorm

    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        return samples.astype(np.float32)
    # Measured at full scale: the standard's absolute gate at -70 LUFS would otherwise drop a very quiet recording.
    scaled = samples.astype(np.float64) / peak
    block = min(LOUDNESS_BLOCK, len(samples) / sample_rate)
    loudness = pyloudnorm.Meter(sample_rate, block_size=block).integrated_loudness(scaled)
    gain = min(10 ** ((lufs - loudness) / 20), PEAK) if np.isfinite(loudness) else PEAK
    return (scaled * gain).astype(np.float32)
