"""Puts a trained base voice into the package, in place of the one that is there; the model card beside it is yours to keep true.

    python experiments/base_voice/ship.py outputs/train/.../checkpoints/last.ckpt

Of its voices only generated ones go along: a person's voice under a name would need that person's word.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("checkpoint", type=Path)
    print(f"{ship(parser.parse_args().checkpoint):.1f} MB in {FOLDER}")


if __name__ == "__main__":
    main()
