"""Small mel pictures of a set's clips, each made once: their names come from the clip's content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from sovits.audio.spectrogram import MelSpectrogram, log_compress
from sovits.audio.waveform import read_waveform
from sovits.data.manifest import Utterance
from sovits.data.preparation.workers import work_through
from sovits.errors import SovitsError
from sovits.reporting.pictures import COLOURS

FRAMES_PER_SECOND = 100
"""The width in pixels of a second of speech."""
N_MELS = 80
RANGE = 70.0
"""dB from the lightest colour, the clip's strongest band, down to the darkest."""
LEVELS = 64
"""Colours: more cannot be told apart, and cost twice the bytes."""


@dataclass(frozen=True)
class ClipPicture:
    """A clip's mel spectrogram as a file, and what was measured on the way."""

    name: str
    level: float
    """dBFS, root mean square."""
    peak: float
    """dBFS."""


def picture_name(utterance: Utterance, sample_rate: int) -> str:
    """The file's name, which changes with the clip's bytes and with how the picture is made."""
    made_so = hashlib.sha256(repr((sample_rate, FRAMES_PER_SECOND, N_MELS, RANGE, LEVELS, COLOURS)).encode()).hexdigest()
    return f"{utterance.content_hash[:16]}-{made_so[:4]}.png"


def make_pictures(
    root: Path, folder: Path, utterances: Sequence[Utterance], sample_rate: int, workers: int | None
) -> dict[str, ClipPicture | str]:
    """Pictures of all ``utterances``, by id; those that are in ``folder`` already are taken as they are.

    Args:
        root: of the set.
        folder: where the pictures are kept.
        utterances: what to draw.
        sample_rate: of the set, Hz.
        workers: threads; ``None``: one for each core.

    Returns:
        Instead of a picture a sentence where the clip's audio cannot be read: the page is to open all the same.
    """
    known: dict[str, ClipPicture | str | None] = {
        name: _known(folder / name) for name in {picture_name(utterance, sample_rate) for utterance in utterances}
    }
    missing = list({name: u for u in utterances if known[name := picture_name(u, sample_rate)] is None}.values())
    if missing:
        hop_length = round(sample_rate / FRAMES_PER_SECOND)
        # A window of 5 hops, 50 ms: long enough to see the harmonics of a voice, and the padding comes out even.
        mel = MelSpectrogram(sample_rate, n_fft=5 * hop_length, hop_length=hop_length, n_mels=N_MELS)
        folder.mkdir(parents=True, exist_ok=True)

        def draw(utterance: Utterance, _: Callable[[float], None]) -> ClipPicture | str:
            try:
                samples = read_waveform(root / utterance.path, sample_rate)
            except (SovitsError, OSError) as error:
                return str(error).replace(f"{root}/", "")
            return _draw(samples, mel, folder / picture_name(utterance, sample_rate))

        weights = [utterance.duration for utterance in missing]
        made = work_through(missing, draw, weights=weights, workers=workers, title="Drawing clips", unit="clips")
        known |= {picture_name(utterance, sample_rate): picture for utterance, picture in zip(missing, made, strict=True)}
    return {utterance.id: picture for utterance in utterances if (picture := known[picture_name(utterance, sample_rate)]) is not None}


def _draw(samples: np.ndarray, mel: MelSpectrogram, path: Path) -> ClipPicture:
    """Writes the picture of [T_samples] in one atomic step, its levels inside."""
    with torch.inference_mode():
        values = log_compress(mel(torch.from_numpy(samples)[None]))[0].numpy()
    if not values.size:
        values = np.zeros((N_MELS, 1), dtype=np.float32)
    top = values.max()
    darkness = np.clip((top - values) / (RANGE / 10 * np.log(10)), 0.0, 1.0)
    # Low frequencies at the bottom, where a picture has its last row.
    indices = np.ascontiguousarray(np.round((1.0 - darkness) * (LEVELS - 1)).astype(np.uint8)[::-1])
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette(np.round(colormaps[COLOURS](np.linspace(0, 1, LEVELS))[:, :3] * 255).astype(np.uint8).tobytes())
    level, peak = _decibels(float(np.sqrt(np.mean(samples**2)))), _decibels(float(np.abs(samples).max()))
    notes = PngImagePlugin.PngInfo()
    notes.add_text("level", f"{level:.1f}")
    notes.add_text("peak", f"{peak:.1f}")
    partial = path.with_suffix(".partial")
    image.save(partial, format="PNG", pnginfo=notes)
    partial.replace(path)
    return ClipPicture(path.name, round(level, 1), round(peak, 1))


def _known(path: Path) -> ClipPicture | None:
    """What an earlier run drew, or None where there is no picture or it is damaged."""
    try:
        with Image.open(path) as image:
            return ClipPicture(path.name, float(image.info["level"]), float(image.info["peak"]))
    except (FileNotFoundError, UnidentifiedImageError, KeyError, ValueError):
        return None


def _decibels(amplitude: float) -> float:
    return 20.0 * float(np.log10(max(amplitude, 1e-6)))
