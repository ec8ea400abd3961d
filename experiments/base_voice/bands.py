"""How loud speech is, band by band, against the recordings of the same sentences, and whether the decoder's frames are heard in it.

    python experiments/base_voice/bands.py EVALUATION ...

``EVALUATION`` is a folder of `sovits evaluate`. A figure is the level of a speaker's syntheses, or reconstructions, less that of the
recordings, in dB, each relative to what is below 1 kHz, so that loudness has no say. A recording at 16 kHz has nothing in the last band:
there its level is next to nothing, and the difference large where the model says what the recording could not hold.

"Frames" is the correlation of what lies above 2 kHz with itself one frame of the decoder later, in place of a difference: 0 for speech, and
towards 1 or -1 where each frame begins with the same phases, so that one hears the frame rate instead of a voice's pitch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, sosfilt, welch

BANDS = ((1000, 2000), (2000, 4000), (4000, 7000), (8500, 11000))
"""Hz."""
FRAMES_ABOVE = 2000
"""Hz; below it neighbouring harmonics of a voice correlate by themselves."""


def levels(paths: list[Path]) -> np.ndarray:
    """dB in each of ``BANDS`` against what is below 1 kHz, of all files together."""
    total = 0.0
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        frequencies, power = welch(samples, rate, nperseg=2048)
        total = total + power * len(samples)
    below = total[frequencies < BANDS[0][0]].sum()
    return np.array([10 * np.log10(total[(frequencies >= low) & (frequencies < high)].sum() / below) for low, high in BANDS])


def frames_heard(paths: list[Path], frame: int) -> float:
    """Mean correlation with itself ``frame`` samples later, above ``FRAMES_ABOVE``."""
    found = []
    for path in paths:
        samples, rate = soundfile.read(path)
        high = sosfilt(butter(6, FRAMES_ABOVE, "high", fs=rate, output="sos"), samples)
        found.append(np.dot(high[:-frame], high[frame:]) / np.dot(high, high))
    return float(np.mean(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("evaluations", nargs="+", type=Path)
    parser.add_argument("--frame", type=int, default=256, help="samples of a decoder's frame: hop over the product of its upsample rates")
    options = parser.parse_args()
    names = " | ".join(f"{low / 1000:g} to {high / 1000:g} kHz" for low, high in BANDS)
    print(f"| evaluation | speaker | what | {names} | frames |\n| --- | --- | --- |{' --- |' * (len(BANDS) + 1)}")
    for evaluation in options.evaluations:
        for folder in sorted(path for path in (evaluation / "audio").iterdir() if path.is_dir()):
            recorded = levels(sorted(folder.glob("*_recording.wav")))
            for kind in ("recording", "reconstruction", "synthesis"):
                paths = sorted(folder.glob(f"*_{kind}.wav"))
                told = " | ".join(f"{figure:+.1f}" for figure in levels(paths) - recorded)
                print(f"| {evaluation.name} | {folder.name} | {kind} | {told} | {frames_heard(paths, options.frame):+.2f} |")


if __name__ == "__main__":
    main()
