"""How well models foresee speakers that none of them has heard: the losses of their sentences, without any training.

    python experiments/base_voice/losses_on_strangers.py --set outputs/prepared/strangers RUN/checkpoints/last.ckpt ...

``kl`` (nats a frame) says how well the text foretells the latents of a stranger, ``mel`` (nats) how well the latents tell the sound,
``duration`` (squared error of log frames) how well the rhythm is foretold. Each is a mean over speakers of the means over their clips,
with a 95 % bootstrap interval over speakers; the last row of a pair is the difference, speaker by speaker.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from sovits import losses
from sovits.audio.spectrogram import log_compress
from sovits.data.datamodule import SpeechDataModule
from sovits.data.dataset import collate
from sovits.data.sampler import Draw
from sovits.modules.layers.masking import masked_mean
from sovits.voice.checkpoint import Checkpoint

FIGURES = ("kl", "mel", "duration")
DRAWS = 4
"""Of the posterior, for each clip."""


@torch.no_grad()
def losses_of(checkpoint: Path, root: Path) -> dict[str, dict[str, float]]:
    """Figures by speaker, each the mean over the speaker's clips."""
    carried = Checkpoint.read(checkpoint)
    synthesizer = carried.build("model")
    carried.fill(synthesizer)
    synthesizer.eval()
    mel, spectrogram = carried.build("mel_spectrogram"), carried.build("posterior_spectrogram")
    data = SpeechDataModule(str(root), carried.build("text"), mel.sample_rate, mel.hop_length, balance=1.0)
    data.setup()
    found: dict[str, list[list[float]]] = defaultdict(list)
    for split in ("train", "val", "test"):
        dataset = data._dataset(data._clips[split])
        for number, clip in enumerate(dataset.clips):
            batch = collate([dataset[Draw(number, epoch=0, turn=0)]])
            torch.manual_seed(number)
            read = log_compress(spectrogram(batch.waveforms))
            voice = synthesizer.embed_speaker(batch.references)
            outputs = [synthesizer(batch.text, read, batch.frame_lengths, voice) for _ in range(DRAWS)]
            audio = synthesizer.reconstruct(read, batch.frame_lengths, voice).squeeze(1)
            distance = (log_compress(mel(audio)) - log_compress(mel(batch.waveforms))).abs()
            kl, duration = (float(np.mean([loss(output) for output in outputs])) for loss in (losses.kl_loss, losses.duration_loss))
            found[clip.utterance.speaker].append([kl, float(masked_mean(distance, outputs[0].frame_mask)), duration])
    return {speaker: dict(zip(FIGURES, np.mean(own, axis=0).tolist(), strict=True)) for speaker, own in found.items()}


def interval(values: np.ndarray) -> str:
    """``mean [low, high]`` over speakers."""
    drawn = np.random.default_rng(0).choice(values, (4000, len(values))).mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{values.mean():.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--set", type=Path, required=True, help="prepared set of the speakers left out")
    options = parser.parse_args()
    every = {path.parent.parent.name: losses_of(path, options.set) for path in options.checkpoints}
    speakers = sorted(next(iter(every.values())))
    print(f"{len(speakers)} speakers: {', '.join(speakers)}\n")
    print(f"| run | {' | '.join(FIGURES)} |\n| --- |{' --- |' * len(FIGURES)}")
    columns = {run: {name: np.array([told[speaker][name] for speaker in speakers]) for name in FIGURES} for run, told in every.items()}
    first = next(iter(columns))
    for run, told in columns.items():
        print(f"| `{run}` | {' | '.join(interval(told[name]) for name in FIGURES)} |")
        if run != first:
            print(f"| `{run}` - `{first}` | {' | '.join(interval(told[name] - columns[first][name]) for name in FIGURES)} |")


if __name__ == "__main__":
    main()
