"""Waveforms on disk and in memory: read any format at any rate, write, resample, bring to one loudness.

A waveform is a float32 array [T_samples] in [-1, 1], mono.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sovits.audio.waveform_file import WaveformFile
from sovits.errors import SovitsError

READABLE = (".wav", ".flac", ".mp3", ".ogg", ".opus")
PEAK = 10 ** (-1 / 20)
"""Highest sample after loudness normalisation: -1 dBFS, so that a lossy copy does not clip."""
LOUDNESS_BLOCK = 0.4
"""Seconds of the gating block of ITU-R BS.1770-4."""
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
        SovitsError: as ``WaveformFile``, or there are no samples from ``start`` to ``end``.
    """
    with WaveformFile(path) as file:
        first = min(max(round(start * file.sample_rate), 0), file.frames)
        last = file.frames if end is None else min(max(round(end * file.sample_rate), first), file.frames)
        if first == last:
            span = f" from {start:g} s to {'its end' if end is None else f'{end:g} s'}" if file.frames else ""
            raise SovitsError(f"{path} holds no samples{span}; record it again.")
        file.seek(first)
        return resample(file.read(last - first), file.sample_rate, sample_rate)


def write_waveform(path: Path | str, samples: np.ndarray, sample_rate: int) -> Path:
    """Writes [T_samples] in the format of the suffix (16 bits for WAV and FLAC) in one atomic step; returns ``path``.

    Opus knows few rates: the samples are resampled to the next one above.

    Raises:
        SovitsError: the suffix is none of wav, flac, mp3, ogg, opus, or the format does not know this rate.
        OSError: the file cannot be written.
    """
    path = Path(path)
    require_writable(path)
    try:
        encoded = encode_waveform(samples, sample_rate, path.suffix.lower())
    except SovitsError as error:
        raise SovitsError(f"{path}: {error}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        # Written by Python, which tells of a full disk; libsndfile does not always.
        partial.write_bytes(encoded)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def encode_waveform(samples: np.ndarray, sample_rate: int, suffix: str) -> bytes:
    """[T_samples] as the bytes of a file that ends in ``suffix``, one of ``READABLE``; see :func:`write_waveform`.

    Raises:
        SovitsError: the format does not know this rate.
    """
    container, subtype = _WRITERS[suffix]
    if subtype == "OPUS" and sample_rate not in _OPUS_RATES:
        target = next((rate for rate in _OPUS_RATES if rate >= sample_rate), _OPUS_RATES[-1])
        samples, sample_rate = resample(samples, sample_rate, target), target
    data = pcm16(samples) if subtype == "PCM_16" else np.clip(samples, -1.0, 1.0).astype(np.float32)
    encoded = io.BytesIO()
    try:
        soundfile.write(encoded, data, sample_rate, format=container, subtype=subtype)
    except soundfile.LibsndfileError as error:
        told = error.error_string.rstrip(".")
        raise SovitsError(f"Cannot write {suffix} at {sample_rate} Hz ({told}); choose .wav or .flac.") from error
    return encoded.getvalue()


def pcm16(samples: np.ndarray) -> np.ndarray:
    """[T_samples] in [-1, 1] -> int16, rounded here, as libsndfile would scale by 32767 and read by 32768."""
    return np.clip(np.round(np.clip(samples, -1.0, 1.0) * 32768), -32768, 32767).astype("<i2")


def require_writable(path: Path) -> None:
    """Raises a ``SovitsError`` where the suffix is no format of audio."""
    if path.suffix.lower() not in _WRITERS:
        raise SovitsError(f"Cannot write {path}: the name must end in one of {' '.join(READABLE)}.")


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
    # Just below the clip's own length: rounded, it could come out longer than the clip.
    block = min(LOUDNESS_BLOCK, float(np.nextafter(len(samples) / sample_rate, 0.0)))
    loudness = pyloudnorm.Meter(sample_rate, block_size=block).integrated_loudness(scaled)
    gain = min(10 ** ((lufs - loudness) / 20), PEAK) if np.isfinite(loudness) else PEAK
    return (scaled * gain).astype(np.float32)
