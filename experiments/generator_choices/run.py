"""Trains every choice for the same CPU time on the same clips, from the same seed. A finished choice is not trained again.

python -m experiments.generator_choices.run --sets outputs/prepared/choices --output outputs/generator_choices
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from experiments.generator_choices.choices import CHOICES, Choice, make_models

ROOT = Path(__file__).resolve().parents[2]
STOPWATCH = "experiments.generator_choices.stopwatch.Stopwatch"
SETTINGS = (
    "model=small",
    "seed=0",
    "data.num_workers=0",
    "data.frame_budget=1500",
    "data.max_clips=8",
    "training.steps=1000000",  # the stopwatch ends it long before: after its warm-up the learning rate is constant
    "training.schedule.warm_up_steps=10",
    "training.mel_only_steps=0",  # a run is too short for it
    "trainer.val_check_interval=1000000",
    "trainer.log_every_n_steps=1",
    "callbacks.progress.line_every=10",
    "evaluation=none",
    "~callbacks.judging",
    "~callbacks.samples",
    "~logger.wandb",
    "~logger.tensorboard",
)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True, help="prepared set; those at other rates are beside it, with _24k and _32k")
    parser.add_argument("--output", type=Path, required=True, help="folder for a run of each choice")
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU time of each training")
    parser.add_argument("--adversary-from", type=int, default=20, help="generator step at which the adversary joins")
    parser.add_argument("--jobs", type=int, default=1, help="choices trained at once, on one thread each")
    parser.add_argument("--choices", nargs="+", default=[choice.name for choice in CHOICES], metavar="NAME", help="only these")
    arguments = parser.parse_args()
    known = {choice.name: choice for choice in CHOICES}
    if unknown := [name for name in arguments.choices if name not in known]:
        parser.error(f"there is no choice {', '.join(unknown)}; there are {', '.join(known)}")
    output = arguments.output.resolve()
    make_models(output / "models")
    began = time.monotonic()

    def report(choice: Choice) -> None:
        outcome = train(choice, arguments.sets.resolve(), output, arguments.seconds, arguments.adversary_from)
        print(f"{(time.monotonic() - began) / 60:5.1f} min  {choice.name:30} {outcome}", flush=True)

    chosen = [known[name] for name in arguments.choices]
    # A warm start needs the default's checkpoint.
    for choice in chosen:
        if choice.name == "default":
            report(choice)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(report, [choice for choice in chosen if choice.name != "default"]))


def train(choice: Choice, sets: Path, output: Path, seconds: float, adversary_from: int) -> str:
    """One run of ``sovits train``; what came of it in a few words."""
    folder = output / choice.name
    done = folder / "done"
    if done.is_file():
        return "was trained before"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "csv" / "metrics.csv").unlink(missing_ok=True)
    root = sets if choice.audio == "default" else sets.with_name(f"{sets.name}_{choice.audio}")
    own = [override.format(models=output / "models", default=output / "default") for override in choice.overrides]
    watch = [f"+callbacks.stopwatch._target_={STOPWATCH}", f"+callbacks.stopwatch.seconds={seconds}"]
    watch.append(f"+callbacks.stopwatch.path={folder / 'stopwatch.json'}")
    place = [f"data.root={root}", f"hydra.run.dir={folder}", f"training.adversary_from={adversary_from}"]
    command = ["nice", "-n", "5", str(Path(sys.executable).with_name("sovits")), "train", *SETTINGS, *watch, *place, *own]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False).returncode
    lines = (folder / "log.txt").read_text(encoding="utf-8").splitlines() or [""]
    if code:
        return f"FAILED: {lines[-1]}  (all of it: {folder / 'log.txt'})"
    done.touch()
    trained = next((line for line in lines if "Trained" in line), lines[-1])
    return f"{time.monotonic() - began:.0f} s: {trained.split(' - ')[-1]}"


if __name__ == "__main__":
    main()
