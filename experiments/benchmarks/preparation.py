"""How fast `sovits prepare` is: new recordings, unchanged ones, other thresholds, and hours in one file.

    python experiments/benchmarks/preparation.py                                 generated speech
    python experiments/benchmarks/preparation.py --recordings DIR --metadata FILE    your own
    python experiments/benchmarks/preparation.py --long-hours 3

Every figure is seconds of audio per second of wall time, the median of the rounds with the slowest and the fastest.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from sovits.audio.waveform import read_waveform
from sovits.cli import config_directory
from sovits.data.corpora.folders import Folders
from sovits.data.corpora.recording import Recording
from sovits.data.demo import generate_demo
from sovits.data.preparation.preparation import Preparation
from sovits.data.quality.gate import Gate

PAUSE = 0.8
"""Seconds between two sentences of the long file."""
RATE = 22050
"""Hz of the long file."""


def main() -> None:
    arguments = parsed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.long_hours is not None:
            long_recording(folder, arguments)
            return
        found = recordings(folder, arguments)
        seconds = sum(soundfile.info(recording.path).duration for recording in found)
        print(f"{len(found)} recordings, {seconds / 60:.1f} minutes; {arguments.rounds} rounds")
        figures: dict[str, list[float]] = {}
        for number in range(arguments.rounds):
            for label, speed in one_round(found, seconds, folder / str(number), arguments.workers):
                figures.setdefault(label, []).append(speed)
        for label, speeds in figures.items():
            print(f"{label:<36}{statistics.median(speeds):9.1f} x real time   ({min(speeds):.1f} to {max(speeds):.1f})")


def one_round(found: list[Recording], seconds: float, output: Path, workers: int | None) -> list[tuple[str, float]]:
    """Each way once, so that the rounds are interleaved."""
    full, quick = preparation("workers=null"), preparation("judge.mos=false", "encoder=none")
    full, quick = replace(full, workers=workers), replace(quick, workers=workers)

    def speed(run: Callable[[], object]) -> float:
        began = time.perf_counter()
        run()
        return seconds / (time.perf_counter() - began)

    return [
        ("new, as configured", speed(lambda: full.run(found, output / "full"))),
        ("unchanged", speed(lambda: full.run(found, output / "full"))),
        ("unchanged, another gate", speed(lambda: replace(full, gate=Gate()).run(found, output / "full"))),
        ("new, neither DNSMOS nor voices", speed(lambda: quick.run(found, output / "quick"))),
    ]


def long_recording(folder: Path, arguments: argparse.Namespace) -> None:
    """Hours in one file with its transcript, and without DNSMOS and voices: speed, and the most memory the process ever held."""
    demo = generate_demo(folder / "demo", speakers=["alice"]) / "alice"
    spoken = [
        (read_waveform(path, RATE), path.with_suffix(".txt").read_text(encoding="utf-8").strip()) for path in sorted(demo.glob("*.wav"))
    ]
    # A comma may be a pause as long as one between sentences.
    spoken = [(sound, text) for sound, text in spoken if "," not in text]
    path, text, seconds = folder / "book.flac", "", 0.0
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        while seconds < 3600 * arguments.long_hours:
            for sound, sentence in spoken:
                file.write(np.concatenate([sound, np.zeros(round(PAUSE * RATE), np.float32)]))
                text += f"{sentence} "
                seconds += len(sound) / RATE + PAUSE
    before = peak_megabytes()
    quick = replace(preparation("judge.mos=false", "encoder=none", "gate=off"), workers=arguments.workers)
    began = time.perf_counter()
    prepared = quick.run([Recording(path, "alice/book.flac", "alice", "book", text, "sidecar:book.txt", "en")], folder / "set")
    elapsed = time.perf_counter() - began
    assert prepared is not None
    report = prepared.report
    print(f"{seconds / 3600:.2f} hours in one file of {path.stat().st_size / 1e6:.0f} MB")
    print(f"{len(report.kept)} clips, {len(report.omissions)} left out")
    print(f"{seconds / elapsed:.0f} x real time; at most {peak_megabytes():.0f} MB of memory, {before:.0f} of them before it began")


def preparation(*overrides: str) -> Preparation:
    """What `sovits prepare` would run."""
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        return instantiate(compose("prepare", overrides=list(overrides)).preparation)


def recordings(folder: Path, arguments: argparse.Namespace) -> list[Recording]:
    """Those given, or the demo's."""
    root = arguments.recordings or generate_demo(folder / "demo")
    found = Folders(root, metadata=arguments.metadata).find()
    return [recording for recording in found if recording.problem is None][: arguments.limit]


def peak_megabytes() -> float:
    """The most memory this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, help="folder with one folder for each speaker (default: the demo's speech)")
    parser.add_argument("--metadata", type=Path, help="table of their transcripts")
    parser.add_argument("--limit", type=int, help="only so many recordings")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, help="threads (default: one for each core)")
    parser.add_argument("--long-hours", type=float, help="measure one long file instead")
    return parser.parse_args()


if __name__ == "__main__":
    main()
