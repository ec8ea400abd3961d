"""Mel spectrograms and alignments as matplotlib figures.

Every function returns a ``Figure`` that belongs to nobody: no pyplot, no global state, safe in a training loop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from sovits.audio.spectrogram import LOG_FLOOR, MelSpectrogram
from sovits.reporting.fonts import drawable, fonts

NICE_HERTZ = (0, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
DPI = 110
COLOURS = "magma"
MOST_PHONES_NAMED = 160


@dataclass(frozen=True)
class MelScale:
    """What the numbers of a mel spectrogram's axes mean: the same values as the spectrogram was made with.

    Args:
        sample_rate: Hz.
        hop_length: samples from one frame to the next.
        f_min: Hz, lower edge of the lowest band.
        f_max: Hz, upper edge of the highest band; ``None`` for half the sample rate.
    """

    sample_rate: int
    hop_length: int
    f_min: float = 0.0
    f_max: float | None = None

    @classmethod
    def of(cls, mel_spectrogram: MelSpectrogram) -> MelScale:
        """The scale of what ``mel_spectrogram`` makes."""
        transform = mel_spectrogram.transform
        return cls(mel_spectrogram.sample_rate, mel_spectrogram.hop_length, transform.f_min, transform.f_max)

    @property
    def seconds_per_frame(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_length / self.sample_rate

    def centres(self, n_mels: int) -> np.ndarray:
        """Centre frequency in Hz of each of ``n_mels`` triangular filters, on the HTK mel scale."""
        low, high = self._edges()
        return _hertz(np.linspace(low, high, n_mels + 2)[1:-1])

    def band(self, hertz: float, n_mels: int) -> float:
        """The (fractional) index of the filter centred on ``hertz``."""
        low, high = self._edges()
        return float((_mels(hertz) - low) / (high - low) * (n_mels + 1) - 1)

    def _edges(self) -> tuple[float, float]:
        return _mels(self.f_min), _mels(self.sample_rate / 2 if self.f_max is None else self.f_max)


def mel_figure(mels: Mapping[str, np.ndarray | Tensor], scale: MelScale, title: str = "") -> Figure:
    """Log-mel spectrograms [n_mels, T_frames] side by side, with one scale of time, frequency and colour.

    Args:
        mels: each with its heading, drawn left to right; values in nats. Wider where longer, so that a second is as wide in each.
        scale: of the axes.
        title: above all of them.
    """
    arrays = {heading: _array(mel) for heading, mel in mels.items()}
    seconds = [max(mel.shape[1] * scale.seconds_per_frame, 0.3) for mel in arrays.values()]
    limits = _limits(list(arrays.values()))
    with fonts():
        figure = Figure(figsize=(min(max(3.0 + 1.3 * sum(seconds), 7.0), 22.0), 3.6), dpi=DPI, layout="constrained")
        axes = figure.subplots(1, len(arrays), sharey=True, squeeze=False, width_ratios=seconds)[0]
        for axis, (heading, mel) in zip(axes, arrays.items(), strict=True):
            image = _draw_mel(axis, mel, scale, limits)
            axis.set_title(drawable(heading), fontsize=10)
            axis.set_xlabel("Time (s)")
        axes[0].set_ylabel("Frequency (Hz, mel scale)")
        figure.colorbar(image, ax=list(axes), label="Log power (nats)", fraction=0.05, pad=0.01)
        if title:
            figure.suptitle(drawable(title), fontsize=11)
    return figure


def alignment_figure(
    alignment: np.ndarray | Tensor, symbols: Sequence[str], scale: MelScale, title: str = "", mel: np.ndarray | Tensor | None = None
) -> Figure:
    """Which frames belong to which phone.

    Args:
        alignment: [T_text, T_frames] of zeros and ones, or of weights.
        symbols: [T_text] phones as written; from top to bottom, in reading order.
        scale: of time, and of frequency where ``mel`` is given.
        title: above it.
        mel: log-mel [n_mels, T_frames], drawn above the alignment on the same time axis with the phones' boundaries.

    Raises:
        ValueError: not one symbol for each row.
    """
    weights = _array(alignment)
    if weights.shape[0] != len(symbols):
        raise ValueError(f"An alignment of {weights.shape[0]} rows needs as many symbols, not {len(symbols)}.")
    seconds = weights.shape[1] * scale.seconds_per_frame
    height = min(max(0.15 * len(symbols), 2.5), 16.0)
    with fonts():
        rows = [2.2, height] if mel is not None else [height]
        figure = Figure(figsize=(min(max(3 + 1.8 * seconds, 7.0), 18.0), sum(rows) + 1.0), dpi=DPI, layout="constrained")
        axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=rows)[:, 0]
        if mel is not None:
            _draw_mel(axes[0], _array(mel), scale, _limits([_array(mel)]))
            axes[0].set_ylabel("Frequency (Hz)")
            for boundary in _boundaries(weights):
                axes[0].axvline(boundary * scale.seconds_per_frame, color="white", linewidth=0.4, alpha=0.6)
        _draw_alignment(axes[-1], weights, symbols, seconds, height)
        if title:
            axes[0].set_title(drawable(title), fontsize=11)
    return figure


def save_figure(figure: Figure, path: Path | str) -> Path:
    """Writes ``figure`` as PNG in one atomic step, making its folder, and returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    FigureCanvasAgg(figure)
    with fonts():
        figure.savefig(partial, format="png")
    partial.replace(path)
    return path


def _draw_mel(axis: Axes, mel: np.ndarray, scale: MelScale, limits: tuple[float, float]) -> AxesImage:
    n_mels, frames = mel.shape
    # Frame i is centred on (i + 1/2) hops, so that the picture begins at 0 s and ends with the clip.
    extent = (0.0, frames * scale.seconds_per_frame, -0.5, n_mels - 0.5)
    image = axis.imshow(
        mel, origin="lower", aspect="auto", extent=extent, cmap=COLOURS, vmin=limits[0], vmax=limits[1], interpolation="nearest"
    )
    shown = [hertz for hertz in NICE_HERTZ if -0.5 <= scale.band(hertz, n_mels) <= n_mels - 0.5]
    axis.set_yticks([scale.band(hertz, n_mels) for hertz in shown], [str(hertz) for hertz in shown])
    return image


def _draw_alignment(axis: Axes, weights: np.ndarray, symbols: Sequence[str], seconds: float, height: float) -> None:
    extent = (0.0, seconds, len(symbols) - 0.5, -0.5)
    axis.imshow(
        weights, aspect="auto", extent=extent, cmap="Blues", vmin=0.0, vmax=max(float(weights.max()), 1e-6), interpolation="nearest"
    )
    step = math.ceil(len(symbols) / MOST_PHONES_NAMED)
    size = min(9.0, 0.8 * 72 * height / math.ceil(len(symbols) / step))
    named = range(0, len(symbols), step)
    axis.set_yticks(list(named), [drawable(symbols[row]) if symbols[row].strip() else "␣" for row in named], fontsize=size)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", linewidth=0.3)
    axis.set_ylabel("Phones, in reading order")
    axis.set_xlabel("Time (s)")


def _boundaries(weights: np.ndarray) -> np.ndarray:
    """Frames at which another phone begins."""
    return np.flatnonzero(np.diff(weights.argmax(axis=0))) + 1


def _limits(mels: Sequence[np.ndarray]) -> tuple[float, float]:
    """One scale of colour; its dark end is the 2nd percentile, since silence is far below the softest speech."""
    values = np.concatenate([mel[np.isfinite(mel)] for mel in mels])
    floor = math.log(LOG_FLOOR)
    if not values.size:
        return floor, 0.0
    low, high = max(floor, float(np.percentile(values, 2))), float(values.max())
    return low, max(high, low + 1.0)


def _array(values: np.ndarray | Tensor) -> np.ndarray:
    array = values.detach().cpu().float().numpy() if isinstance(values, Tensor) else np.asarray(values, dtype=np.float32)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"Expected a picture of two axes, [n_mels or T_text, T_frames], not {array.shape}.")
    return array


def _mels(hertz: float) -> float:
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def _hertz(mels: np.ndarray) -> np.ndarray:
    return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
