"""How well speaker encoders tell apart people whom they never heard: equal error rates on the speakers that were left out.

    python experiments/base_voice/speakers.py --set outputs/prepared/strangers base outputs/train/.../checkpoints/last.ckpt

Every clip is cut into pieces of three seconds, and all pairs of pieces of different clips are compared. Beside each model's speaker encoder
Resemblyzer hears the same pieces. Intervals are 95 % bootstrap intervals over speakers.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sovits.audio.waveform import read_waveform
from sovits.data.manifest import Manifest
from sovits.errors import SovitsError
from sovits.metrics import EqualErrorRate, ResemblyzerEncoder, VoiceEncoder
from sovits.voice.checkpoint_encoder import CheckpointEncoder


@dataclass(frozen=True)
class Voices:
    """What an encoder read from all pieces."""

    voices: torch.Tensor
    speakers: torch.Tensor
    clips: torch.Tensor

    def rate(self, speakers: np.ndarray) -> float:
        """The equal error rate among these speakers; one who was drawn twice is two people to nobody, and counts once."""
        chosen = torch.isin(self.speakers, torch.from_numpy(np.unique(speakers)))
        metric = EqualErrorRate()
        metric.update(self.voices[chosen], self.speakers[chosen], self.clips[chosen])
        return float(metric.compute())


def pieces(root: Path, seconds: float, rate: int) -> Iterator[tuple[str, int, np.ndarray]]:
    """Speaker, number of the clip, and samples of each piece; a clip shorter than one is one."""
    length = round(seconds * rate)
    for number, utterance in enumerate(Manifest.load(root).utterances):
        samples = read_waveform(root / utterance.path, rate)
        for start in range(0, max(len(samples) - length, 0) + 1, length):
            yield utterance.speaker, number, samples[start : start + length]


def heard(encoder: VoiceEncoder, root: Path, seconds: float) -> Voices:
    """All pieces as ``encoder`` hears them."""
    every = list(pieces(root, seconds, encoder.sample_rate))
    names = sorted({speaker for speaker, _, _ in every})
    return Voices(
        torch.from_numpy(np.stack([encoder(samples) for _, _, samples in every])),
        torch.tensor([names.index(speaker) for speaker, _, _ in every]),
        torch.tensor([number for _, number, _ in every]),
    )


def interval(voices: Voices, draws: int) -> tuple[float, float]:
    """95 % of the rates of speakers drawn anew."""
    random, names = np.random.default_rng(0), np.unique(voices.speakers.numpy())
    rates = []
    while len(rates) < draws:
        try:
            rates.append(voices.rate(random.choice(names, len(names))))
        except SovitsError:
            continue  # speakers of one clip each were drawn alone: no pair of one speaker
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("checkpoints", nargs="+", help="base, or checkpoints")
    parser.add_argument("--set", type=Path, required=True, help="prepared set of speakers whom no encoder was trained on")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a piece")
    parser.add_argument("--draws", type=int, default=500, help="of the bootstrap")
    options = parser.parse_args()
    encoders: dict[str, VoiceEncoder] = {name: CheckpointEncoder(name) for name in options.checkpoints}
    encoders["Resemblyzer"] = ResemblyzerEncoder()
    print("| encoder | pieces | equal error rate |\n| --- | --- | --- |")
    for name, encoder in encoders.items():
        voices = heard(encoder, options.set, options.seconds)
        low, high = interval(voices, options.draws)
        print(f"| {name} | {len(voices.voices)} | {100 * voices.rate(voices.speakers.numpy()):.1f} % [{100 * low:.1f}, {100 * high:.1f}] |")


if __name__ == "__main__":
    main()
