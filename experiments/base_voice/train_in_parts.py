"""Trains in slices of some minutes, on machines that are bare each time: what a slice leaves is all that the next one needs.

    python experiments/base_voice/train_in_parts.py --out parts/1 -- experiment=base_voice data.root=DIR trainer=gpu
    python experiments/base_voice/train_in_parts.py --parts parts/1 --out parts/2 -- experiment=base_voice data.root=DIR trainer=gpu

``--state full`` keeps the whole checkpoint, cut into files of ``--megabytes``: the next slice goes on as if there had been no end, bit
for bit on a CPU. ``--state weights`` keeps what both players learned in half precision, a fraction of that: the next slice starts warm,
with new optimisers and a new schedule. What follows ``--`` goes to `sovits train`, and must be the same in every slice of ``full``.
``parts.json`` in the folder tells how many generator steps are done, and whether that is all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sovits.errors import SovitsError
from sovits.voice.checkpoint import Checkpoint
from sovits.voice.export import Exporter

ABOUT = "parts.json"
FULL, WEIGHTS = "full", "weights"
CUT = "checkpoint.part"
SENTENCES = ["A small boat crossed the quiet harbour before the sun came up.", "你好，欢迎致电客服中心。"]
"""By which the weights that are kept are compared with those that were trained."""


@dataclass(frozen=True)
class Parts:
    """What ``parts.json`` says of a folder."""

    state: str
    generator_step: int
    finished: bool
    hashes: dict[str, str]
    """SHA-256 of each file of ``full``, in their order; an export of ``weights`` has its own."""


def train(run: Path, minutes: float, overrides: list[str]) -> None:
    """One slice of `sovits train`, ended in order after so many minutes.

    Raises:
        SovitsError: the training failed.
    """
    command = [sys.executable, "-m", "sovits.cli", "train", *overrides, f"hydra.run.dir={run}"]
    process = subprocess.Popen(command)
    try:
        code = process.wait(minutes * 60)
    except subprocess.TimeoutExpired:
        # It saves itself before the next batch and ends in order.
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    # What ends in order on a signal says so by 128 more than its number.
    if code not in (0, 128 + signal.SIGTERM):
        raise SovitsError(f"The training ended with code {code}; its own message is above.")


def keep(run: Path, folder: Path, state: str, megabytes: float) -> Parts:
    """Writes what the next slice needs into ``folder``, the description last.

    Raises:
        SovitsError: the slice was too short for a checkpoint.
    """
    checkpoint = run / "checkpoints" / "last.ckpt"
    if not checkpoint.is_file():
        raise SovitsError(f"{run} has no checkpoint: the slice ended before the first one; give more --minutes.")
    carried = Checkpoint.read(checkpoint)
    hashes: dict[str, str] = {}
    if state == WEIGHTS:
        Exporter(checkpoint, None, SENTENCES, {}, rounds=1, part_megabytes=megabytes).write("trainable", folder)
    else:
        folder.mkdir(parents=True)
        with checkpoint.open("rb") as file:
            while piece := file.read(int(megabytes * 1e6)):
                name = f"{CUT}{len(hashes):03d}"
                (folder / name).write_bytes(piece)
                hashes[name] = hashlib.sha256(piece).hexdigest()
    parts = Parts(state, carried.generator_step, carried.generator_step >= carried.config["training"]["steps"], hashes)
    (folder / ABOUT).write_text(json.dumps(asdict(parts), indent=1) + "\n", encoding="utf-8")
    return parts


def go_on_from(folder: Path, run: Path) -> list[str]:
    """The overrides by which training goes on from an earlier slice's folder; a cut checkpoint is put together in ``run``.

    Raises:
        SovitsError: the folder has no parts, or one of them is missing or damaged, by name.
    """
    try:
        parts = Parts(**json.loads((folder / ABOUT).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise SovitsError(f"{folder} has no whole {ABOUT} ({error}); give the --out of an earlier slice.") from error
    if parts.finished:
        raise SovitsError(f"{folder} is the end of a training, at step {parts.generator_step}: nothing is left to do.")
    if parts.state == WEIGHTS:
        return [f"warm_start={folder}", "warm_start_parts=null"]
    checkpoint = run / "checkpoints" / "last.ckpt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    partial = checkpoint.with_name("joining.partial")
    with partial.open("wb") as file:
        for name, expected in parts.hashes.items():
            path = folder / Path(name).name
            piece = path.read_bytes() if path.is_file() else b""
            if hashlib.sha256(piece).hexdigest() != expected:
                raise SovitsError(f"{path} is {'damaged' if piece else 'missing'}; copy the folder of that slice again.")
            file.write(piece)
    partial.replace(checkpoint)
    return ["resume=true"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="of training, start included")
    parser.add_argument("--out", type=Path, required=True, help="folder to leave the state in; must not be there yet")
    parser.add_argument("--parts", type=Path, help="folder that an earlier slice left")
    parser.add_argument("--state", choices=(FULL, WEIGHTS), default=FULL)
    parser.add_argument("--megabytes", type=float, default=15.0, help="most of one file")
    parser.add_argument("--run", type=Path, default=Path("outputs/train/in_parts"), help="folder of the run on this machine")
    parser.add_argument("overrides", nargs="*", help="of `sovits train`, behind --")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"--out {options.out} is there already; give each slice a folder of its own")
    began = time.monotonic()
    try:
        further = go_on_from(options.parts, options.run) if options.parts else []
        train(options.run, options.minutes, [*options.overrides, *further])
        parts = keep(options.run, options.out, options.state, options.megabytes)
    except SovitsError as error:
        sys.exit(f"train_in_parts: {error}")
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file()) / 1e6
    told = "all steps are done" if parts.finished else f"go on with --parts {options.out}"
    print(f"{parts.generator_step} generator steps, {size:.0f} MB in {options.out}, {time.monotonic() - began:.0f} s; {told}.")


if __name__ == "__main__":
    main()
