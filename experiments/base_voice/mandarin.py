"""Mandarin strangers of whom there is one clip: the first half makes the voice, the second half judges it.

    python experiments/base_voice/mandarin.py --set outputs/prepared/strangers base outputs/train/.../checkpoints/last.ckpt

Each stranger says some sentences in the voice of the first half. Resemblyzer compares them with the second halves of all strangers: how
similar to the own one, how similar to the others', and whose they are taken for. The first halves themselves, as heard by the same judge,
are what a perfect copy would get. Nothing here judges the words.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sovits.audio.pitch import PitchTracker
from sovits.audio.waveform import read_waveform, resample
from sovits.data.manifest import Manifest
from sovits.hearing import Dnsmos
from sovits.metrics import ResemblyzerEncoder
from sovits.voice import Voice

SENTENCES = ("今天下午的会议改到三点半开始。", "请把窗户打开，让新鲜空气进来。", "这趟列车的终点站是南京。")
LEAST_SECONDS = 3.0
"""Of a clip that is cut in two."""


@dataclass(frozen=True)
class Heard:
    """What the judges make of one stretch of speech."""

    voice: np.ndarray
    opinion: float
    """DNSMOS."""
    hertz: float
    """Median pitch."""


class Ears:
    """Resemblyzer, DNSMOS and a pitch tracker."""

    def __init__(self) -> None:
        self.encoder, self.scorer = ResemblyzerEncoder(), Dnsmos()

    def __call__(self, samples: np.ndarray, rate: int) -> Heard:
        pitch = PitchTracker(rate, 256)(torch.from_numpy(samples)[None])
        voice = self.encoder(resample(samples, rate, self.encoder.sample_rate))
        return Heard(voice, self.scorer(samples, rate).overall, float(pitch[pitch > 0].median()))


def halves(root: Path, prefix: str, rate: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The longest clip of each speaker whose name begins so, in two."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for utterance in sorted(Manifest.load(root).utterances, key=lambda one: one.duration):
        if utterance.speaker.startswith(prefix) and utterance.duration >= LEAST_SECONDS:
            samples = read_waveform(root / utterance.path, rate)
            found[utterance.speaker] = (samples[: len(samples) // 2], samples[len(samples) // 2 :])
    return found


def line(name: str, speech: Mapping[str, Sequence[Heard]], second: Mapping[str, Heard]) -> str:
    """Means over speakers of each one's stretches, as a row."""
    own, others, opinions, level, hits = [], [], [], [], []
    for speaker, stretches in speech.items():
        cosines = np.array([[heard.voice @ other.voice for other in second.values()] for heard in stretches])
        place = list(second).index(speaker)
        own.append(cosines[:, place].mean())
        others.append(np.delete(cosines, place, axis=1).mean())
        hits += list(cosines.argmax(axis=1) == place)
        opinions.append(np.mean([heard.opinion for heard in stretches]))
        level.append(1200 * np.mean([np.log2(heard.hertz / second[speaker].hertz) for heard in stretches]))
    figures = f"{np.mean(own):.2f} | {np.mean(others):.2f} | {sum(hits)} of {len(hits)} | {np.mean(opinions):.2f}"
    return f"| {name} | {figures} | {np.mean(level):+.0f} ({', '.join(f'{one:+.0f}' for one in level)}) |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--set", type=Path, required=True, dest="root", help="prepared set")
    parser.add_argument("--speakers", default="aishell3_", help="how their names begin")
    parser.add_argument("checkpoints", nargs="+", help="checkpoints or exports")
    options = parser.parse_args()
    ears = Ears()
    print("| speech | similarity to the own second half | to the others' | taken for the own | DNSMOS | pitch against it, cents |")
    print("| --- |" + " --- |" * 5)
    for checkpoint in options.checkpoints:
        voice = Voice.load(checkpoint)
        rate = voice.sample_rate
        clips = halves(options.root, options.speakers, rate)
        second = {speaker: ears(samples, rate) for speaker, (_, samples) in clips.items()}
        voices = {speaker: voice.embed(first) for speaker, (first, _) in clips.items()}
        said = {
            speaker: [ears(voice.speak(text, own, language="zh", seed=seed).samples, rate) for seed, text in enumerate(SENTENCES)]
            for speaker, own in voices.items()
        }
        print(line("recorded first halves", {speaker: [ears(first, rate)] for speaker, (first, _) in clips.items()}, second))
        print(line(Path(checkpoint).name, said, second))


if __name__ == "__main__":
    main()
