"""How high each voice speaks: medians of the pitch of recordings, reconstructions and speech from text, of some evaluations.

    python experiments/base_voice/pitches.py NAME=EVALUATION ...

An EVALUATION is a folder of `sovits evaluate`. Of every speaker the median of all voiced frames, Hz, and how far from that of the
recordings it is, cents.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile
import torch

from sovits.audio.pitch import PitchTracker

FRAME = 0.01
"""Seconds."""
KINDS = ("recording", "reconstruction", "synthesis")


def medians(evaluation: Path) -> dict[str, dict[str, float]]:
    """Hz by speaker and kind."""
    heard: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for kind in KINDS:
        for path in sorted((evaluation / "audio").glob(f"*/*_{kind}.wav")):
            samples, rate = soundfile.read(path, dtype="float32")
            hertz = PitchTracker(rate, round(FRAME * rate))(torch.from_numpy(samples).unsqueeze(0)).numpy().ravel()
            heard[path.parent.name][kind].append(hertz[hertz > 0])
    return {speaker: {kind: float(np.median(np.concatenate(parts))) for kind, parts in own.items()} for speaker, own in heard.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("evaluations", nargs="+", help="NAME=FOLDER")
    options = parser.parse_args()
    print("| | speaker | recordings, Hz | reconstructions | from text |\n| --- | --- | --- | --- | --- |")
    for name, _, folder in (given.partition("=") for given in options.evaluations):
        for speaker, own in medians(Path(folder)).items():
            cells = [f"{own[kind]:.0f} ({1200 * np.log2(own[kind] / own['recording']):+.0f} cents)" for kind in KINDS[1:]]
            print(f"| {name} | {speaker} | {own['recording']:.0f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
