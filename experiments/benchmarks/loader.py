"""How fast the data module delivers batches, how much of them is padding, and how many bytes a step reads.

    python experiments/benchmarks/loader.py --steps 40 --write outputs/loader

Without ``--root`` a set of noise with the lengths of a read audiobook is written and measured. All ways of reading are measured in turn in
every round, on the same batches, so that a busy machine slows all of them; a figure is the median over the rounds with the range behind it.
Clips are counted per second of this process's CPU time on one thread: per core. The files were read before and lie in the page cache.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import lightning
import numpy as np
import soundfile
import torch
from batch_padding import BATCH, HEADROOM, HOP_LENGTH, SAMPLE_RATE, audiobook_lengths, frames_of, padding_rows
from hydra import compose, initialize_config_dir

from sovits.cli import config_directory
from sovits.data.datamodule import SpeechDataModule
from sovits.data.dataset import ClipDataset, collate, padded
from sovits.data.manifest import Manifest, Utterance
from sovits.data.sampler import Draw
from sovits.data.waveform_store import WaveformStore
from sovits.text.encoding import EncodedText
from sovits.verbs.train import build_training

N_FFT = 2048
PHONES_PER_SECOND = 14
TRAINING_BATCH = 8
WARM_UP_STEPS = 2
Row = dict[str, str]


def read_letters(text: str, _: str | None) -> EncodedText:
    """One phone a letter and one token for four of them, about what a real front end gives."""
    ids = [1 + ord(letter) % 30 for letter in text]
    zeros = [0] * len(ids)
    return EncodedText(text, list(text), ids, zeros, zeros, ids[::4], [place // 4 for place in range(len(ids))])


def write_set(root: Path, clips: int) -> None:
    """A prepared set of noise."""
    random = np.random.default_rng(1)
    utterances = []
    (root / "audio").mkdir(parents=True)
    for number, seconds in enumerate(audiobook_lengths(clips).tolist()):
        path = root / "audio" / f"{number:05d}.wav"
        soundfile.write(path, (3000 * random.standard_normal(int(seconds * SAMPLE_RATE))).astype(np.int16), SAMPLE_RATE)
        text = "".join(random.choice(list("abcdefghij klmnop"), int(seconds * PHONES_PER_SECOND)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        place = (f"audio/{path.name}", "reader", "en", text, 0.0, seconds, seconds, "train", path.name, "made", digest)
        utterances.append(Utterance(f"reader/{number:05d}", *place))
    Manifest(SAMPLE_RATE, tuple(utterances)).save(root)


def data_module(root: Path, *, clips: int = BATCH, **options: object) -> SpeechDataModule:
    """Over ``root``, with batches of about so many ``clips``."""
    manifest = Manifest.load(root)
    frames = frames_of(np.array([utterance.duration for utterance in manifest.utterances]))
    budget = max(int(HEADROOM * clips * frames.mean()), int(frames.max()))
    settings = {"frame_budget": budget, "max_clips": clips, "balance": 1.0, **options}
    return SpeechDataModule(str(root), read_letters, manifest.sample_rate, HOP_LENGTH, **settings)


class Counting:
    """A store that adds up the bytes of the clips it reads."""

    def __init__(self, store: WaveformStore) -> None:
        self.store, self.bytes = store, 0
        self.samples = store.samples

    def read(self, utterance: Utterance) -> np.ndarray:
        samples = self.store.read(utterance)
        self.bytes += samples.nbytes
        return samples


class Spectrograms:
    """As VITS reads: a clip's WAV file, and its linear spectrogram from a file of its own, padded into a batch beside the waveforms."""

    def __init__(self, dataset: ClipDataset, folder: Path, plan: Sequence[Sequence[Draw]]) -> None:
        self.dataset, self.folder = dataset, folder
        window = torch.hann_window(N_FFT)
        for draw in (draw for batch in plan for draw in batch):
            item = dataset[draw]
            spectrum = torch.stft(padded([item.waveform])[0], N_FFT, HOP_LENGTH, window=window, return_complex=True).abs()
            torch.save(spectrum[:, : item.frames].clone(), self.path(draw))

    def path(self, draw: Draw) -> Path:
        return self.folder / f"{draw.clip}.pt"

    def __call__(self, draws: Sequence[Draw]) -> None:
        collate([self.dataset[draw] for draw in draws])
        spectra = [torch.load(self.path(draw), weights_only=True) for draw in draws]
        rows = torch.zeros(len(spectra), N_FFT // 2 + 1, max(spectrum.shape[1] for spectrum in spectra))
        for row, spectrum in zip(rows, spectra, strict=True):
            row[:, : spectrum.shape[1]] = spectrum


def reading_rows(root: Path, rounds: int, batches: int) -> tuple[list[Row], float]:
    """Clips a second and core, and bytes a step, of every way of reading; and the first way's clips a second."""
    loader = data_module(root).train_dataloader()
    mapped: ClipDataset = loader.dataset  # type: ignore[assignment]
    files: ClipDataset = data_module(root, cache=False).train_dataloader().dataset  # type: ignore[assignment]
    plan = loader.batch_sampler.plan(0)[:batches]
    with tempfile.TemporaryDirectory() as folder:
        spectrograms = Spectrograms(files, Path(folder), plan)
        ways: dict[str, Callable[[Sequence[Draw]], object]] = {
            "packed memory map": lambda draws: collate([mapped[draw] for draw in draws]),
            "WAV files": lambda draws: collate([files[draw] for draw in draws]),
            "WAV and spectrogram files": spectrograms,
        }
        speeds: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds + 1):
            for way, read in ways.items():
                began = time.process_time()
                for draws in plan:
                    read(draws)
                # The first round fills the page cache.
                if number:
                    speeds[way].append(sum(map(len, plan)) / (time.process_time() - began))
        bytes_read = bytes_a_step(mapped, files, plan)
        bytes_read.append(bytes_read[-1] + sum(spectrograms.path(draw).stat().st_size for batch in plan for draw in batch) / len(plan))
    first = speeds["packed memory map"]
    rows = [
        {
            "reading": way,
            "clips/s/core": f"{statistics.median(found):.0f} ({min(found):.0f}-{max(found):.0f})",
            "map against it": f"{statistics.median(map(float.__truediv__, first, found)):.1f} x",
            "MB a step": f"{size / 1e6:.1f}",
        }
        for (way, found), size in zip(speeds.items(), bytes_read, strict=True)
    ]
    return rows, statistics.median(first)


def bytes_a_step(mapped: ClipDataset, files: ClipDataset, plan: Sequence[Sequence[Draw]]) -> list[float]:
    """Of the map only what becomes a batch is touched; files are read whole."""
    items = [mapped[draw] for batch in plan for draw in batch]
    counting = Counting(files.store)
    files.store = counting
    for draw in (draw for batch in plan for draw in batch):
        files[draw]
    files.store = counting.store
    return [sum(item.waveform.nbytes + item.reference.nbytes for item in items) / len(plan), counting.bytes / len(plan)]


class StepTimes(lightning.Callback):
    """When each training step was done, in CPU seconds, and how many clips it had."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.clips: list[int] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.times.append(time.process_time())
        self.clips.append(len(batch))


def consumption_rows(root: Path, steps: int, delivered: float) -> list[Row]:
    """Clips that the small model trains on in a second of CPU time, with and without the adversary, and how often the loader gives that."""
    rows = []
    for phase, adversary_from in (("without adversary", steps + WARM_UP_STEPS + 1), ("with adversary", 0)):
        with initialize_config_dir(str(config_directory()), version_base="1.3"):
            config = compose(
                "train", ["model=small", f"training.adversary_from={adversary_from}", f"training.steps={steps + WARM_UP_STEPS}"]
            )
        times = StepTimes()
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            limit_val_batches=0,
            callbacks=[times],
        )
        trainer.fit(build_training(config, ["reader"]), data_module(root, clips=TRAINING_BATCH))
        seconds = np.diff(times.times)[WARM_UP_STEPS - 1 :]
        taken = np.array(times.clips)[WARM_UP_STEPS:] / seconds
        rows.append(
            {
                "small model, batch 8": phase,
                "steps/s": f"{statistics.median(1 / seconds):.2f} ({(1 / seconds).min():.2f}-{(1 / seconds).max():.2f})",
                "clips/s": f"{statistics.median(taken):.1f}",
                "the loader gives": f"{delivered / statistics.median(taken):.0f} x",
            }
        )
    return rows


def show(tables: Sequence[list[Row]], folder: Path | None) -> None:
    """Prints the tables, and writes each as CSV and all as Markdown."""
    texts = []
    for rows in tables:
        heads = list(rows[0])
        lines = [heads, ["---"] * len(heads), *(list(row.values()) for row in rows)]
        texts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / f"{heads[0].split(',')[0].replace(' ', '_')}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, heads)
                writer.writeheader()
                writer.writerows(rows)
    print("\n\n".join(texts))
    if folder is not None:
        (folder / "tables.md").write_text("\n\n".join(texts) + "\n", encoding="utf-8")


def durations_in(path: Path) -> np.ndarray:
    """Seconds of the clips of 1 to 17 s in the column ``duration_s`` of a table."""
    with path.open(encoding="utf-8") as file:
        seconds = np.array([float(row["duration_s"]) for row in csv.DictReader(file)])
    return seconds[(seconds >= 1) & (seconds <= 17)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a prepared set, instead of noise")
    parser.add_argument("--clips", type=int, default=1000, help="of the set of noise")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=12, help="read in each round")
    parser.add_argument("--durations", type=Path, help="a CSV table with a column duration_s, whose padding to measure too")
    parser.add_argument("--steps", type=int, default=0, help="training steps of the small model to time in each phase")
    parser.add_argument("--write", type=Path, help="folder for the tables as CSV and Markdown")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tables = [[row for clips in (13100, 3000, 1000, 300) for row in padding_rows("audiobook", audiobook_lengths(clips))]]
    if arguments.durations:
        found = durations_in(arguments.durations)
        tables[0] += padding_rows("many corpora", found)
        several = np.random.default_rng(0).choice(found, 13000) * np.random.default_rng(1).uniform(0.97, 1.03, 13000)
        tables[0] += padding_rows("the same, drawn with 3 % of change", several)
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.root or Path(folder) / "set"
        if arguments.root is None:
            write_set(root, arguments.clips)
        rows, delivered = reading_rows(root, arguments.rounds, arguments.batches)
        tables.append(rows)
        if arguments.steps:
            tables.append(consumption_rows(root, arguments.steps, delivered))
    show(tables, arguments.write)


if __name__ == "__main__":
    main()
