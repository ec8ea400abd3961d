"""Puts a trained base voice into the package, in place of the one that is there; the model card beside it is yours to keep true.

    python experiments/base_voice/ship.py outputs/train/.../checkpoints/last.ckpt
    python experiments/base_voice/ship.py RUN/checkpoints/step_*.ckpt RUN/checkpoints/last.ckpt

Several checkpoints of one run become one, the mean of their weights (stochastic weight averaging; Izmailov et al. 2018), which foresees
strangers better than the last of them.
Of its voices only generated ones go along: a person's voice under a name would need that person's word.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sovits.errors import SovitsError
from sovits.voice import SpeakerBank
from sovits.voice.base import FOLDER
from sovits.voice.checkpoint import Checkpoint
from sovits.voice.export import Exporter

VOICES = {
    "english_1": "generated_en_00",
    "english_2": "generated_en_13",
    "english_3": "generated_en_05",
    "mandarin_1": "generated_zh_00",
    "mandarin_2": "generated_zh_05",
}
"""What they are called in the package, and in the training."""
SENTENCES = ["A small boat crossed the quiet harbour before the sun came up.", "你好，欢迎致电客服中心，请问有什么可以帮您？"]
MOST_MEGABYTES = 40


def ship(checkpoint: Path, folder: Path = FOLDER) -> float:
    """Exports ``checkpoint`` into ``folder``; returns its size in MB.

    Raises:
        SovitsError: it lacks one of the voices, or is too large.
    """
    known = Checkpoint.read(checkpoint).speaker_bank
    if lacking := [name for name in VOICES.values() if name not in known]:
        raise SovitsError(f"{checkpoint} has no voice {lacking[0]}; train it with experiment=base_voice on what collect.py gathers.")
    with tempfile.TemporaryDirectory() as scratch:
        bank = SpeakerBank.from_embeddings({name: known[own].numpy() for name, own in VOICES.items()})
        bank.save(Path(scratch) / "voices")
        made = Path(scratch) / "base"
        figures = Exporter(checkpoint, Path(scratch) / "voices", SENTENCES, {"trainable": 30}, rounds=1).write("trainable", made)
        if figures.megabytes > MOST_MEGABYTES:
            raise SovitsError(f"{checkpoint} makes {figures.megabytes:.1f} MB, more than {MOST_MEGABYTES}; ship a smaller model.")
        for path in folder.glob("*"):
            if path.name != "README.md":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(made, folder, dirs_exist_ok=True)
    return figures.megabytes


def mean_of(checkpoints: Sequence[Path], output: Path) -> Path:
    """Writes ``output``: the last of ``checkpoints``, with the mean of all their weights.

    Raises:
        SovitsError: one has other weights than the rest.
    """
    states = [Checkpoint.read(path).state for path in checkpoints]
    whole = torch.load(checkpoints[-1], map_location="cpu", weights_only=True)
    for path, state in zip(checkpoints, states, strict=True):
        if _shapes(state) != _shapes(states[-1]):
            raise SovitsError(f"{path} has other weights than {checkpoints[-1]}; give checkpoints of one run.")
    for name, weight in states[-1].items():
        if weight.is_floating_point():
            whole["state_dict"][name] = torch.stack([state[name].double() for state in states]).mean(0).to(weight.dtype)
    torch.save(whole, output)
    return output


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in state.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("checkpoints", type=Path, nargs="+")
    checkpoints = parser.parse_args().checkpoints
    with tempfile.TemporaryDirectory() as scratch:
        one = checkpoints[0] if len(checkpoints) == 1 else mean_of(checkpoints, Path(scratch) / "mean.ckpt")
        print(f"{ship(one):.1f} MB in {FOLDER}")


if __name__ == "__main__":
    main()
