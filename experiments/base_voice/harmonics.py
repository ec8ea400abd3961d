"""Narrow-band spectrograms of one sentence: recorded, reconstructed and from text, by several models, to see whether harmonics are there.

    python experiments/base_voice/harmonics.py --output PICTURE SPEAKER/CLIP NAME=EVALUATION ...

``SPEAKER/CLIP`` is a sentence that every EVALUATION, a folder of `sovits evaluate`, has in its ``audio``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import soundfile
from matplotlib import pyplot as plt
from scipy.signal import stft

WINDOW = 0.07
"""Seconds: long enough to tell the harmonics of a low voice apart."""
HIGHEST = 5000
"""Hz that is drawn."""
RANGE = 70
"""dB below the loudest that are drawn."""
KINDS = ("reconstruction", "synthesis")


def spectrogram(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hz, seconds and dB below the loudest [Hz, seconds]."""
    samples, rate = soundfile.read(path, dtype="float32")
    width = int(WINDOW * rate)
    frequencies, times, spectrum = stft(samples, rate, nperseg=width, noverlap=width - 128, boundary=None)
    level = 20 * np.log10(np.abs(spectrum) + 1e-9)
    drawn = frequencies <= HIGHEST
    return frequencies[drawn], times, level[drawn] - level.max()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("sentence", help="SPEAKER/CLIP")
    parser.add_argument("evaluations", nargs="+", help="NAME=FOLDER")
    parser.add_argument("--output", type=Path, required=True, help="picture to write")
    options = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (given.partition("=") for given in options.evaluations)}
    panels = {"recording": next(iter(folders.values())) / "audio" / f"{options.sentence}_recording.wav"}
    panels |= {f"{name}: {kind}": folder / "audio" / f"{options.sentence}_{kind}.wav" for kind in KINDS for name, folder in folders.items()}
    figure, axes = plt.subplots(len(panels), 1, figsize=(9, 1.8 * len(panels)), layout="constrained", sharey=True)
    for axis, (title, path) in zip(axes, panels.items(), strict=True):
        frequencies, times, level = spectrogram(path)
        axis.pcolormesh(times, frequencies / 1000, level, vmin=-RANGE, vmax=0, cmap="magma", rasterized=True)
        axis.set(title=title, ylabel="kHz")
    axes[-1].set_xlabel("s")
    figure.savefig(options.output, dpi=64)


if __name__ == "__main__":
    main()
