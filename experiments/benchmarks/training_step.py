"""The cost of a training step: whole and part by part, beside the step as the original VITS orders it.

    OMP_NUM_THREADS=1 python experiments/benchmarks/training_step.py                      # CPU: vits, base, small at batch 4
    python experiments/benchmarks/training_step.py --device cuda --batch 32 --write outputs/step   # GPU: eager and compiled, fp32 and bf16

Steps are those of ``lightning.Trainer.fit`` on a fixed batch, timed from batch to batch. All runs take turns, so that ratios are fair.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from networks import batch_of, build, interleaved, matmul_rate, on, print_table, ratio, settled, speech_lengths
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from sovits import losses
from sovits.audio.spectrogram import log_compress
from sovits.data.batch import Batch
from sovits.modules.layers.masking import length_mask
from sovits.training.lightning_module import VoiceTraining

USUAL = "vits, usual order"
WARM_UP = 2
"""Steps of a turn that do not count: optimiser states are made in the first."""
PHONES_PER_SECOND = {"vits": 29.0}
"""VITS puts a blank between all phones; others hear about half as many."""
NO_COMPUTE = (
    *("view", "reshape", "expand", "slice", "select", "transpose", "permute", "unsqueeze", "squeeze", "detach", "alias", "as_strided"),
    *("t.default", "split", "chunk", "unbind", "empty", "lift", "sym_"),
)
"""Beginnings of the names of operations that only look at memory in another way."""


@dataclass
class Run:
    """One row of the table of steps."""

    name: str
    training: VoiceTraining
    batch: Batch
    precision: str


class StepTimer(Callback):
    """Seconds of each batch, device included."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.peak_bytes = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._began = settled(pl_module.device)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.seconds.append(settled(pl_module.device) - self._began)
        if pl_module.device.type == "cuda":
            self.peak_bytes = torch.cuda.max_memory_allocated(pl_module.device)


def fit(run: Run, steps: int, device: torch.device, *callbacks: Callback) -> None:
    """``steps`` training steps on the run's batch."""
    run.training.generator_step, run.training.steps = 0, steps
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    trainer = Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu", devices=1, precision=run.precision, max_epochs=1, logger=False,  # type: ignore[arg-type]
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, limit_val_batches=0, callbacks=list(callbacks),
    )  # fmt: skip
    trainer.fit(run.training, DataLoader([run.batch] * steps, batch_size=None))  # type: ignore[arg-type]


class SavedActivations:
    """Bytes that the backward keeps of a forward, each storage once, weights not counted."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._weights = {weight.untyped_storage().data_ptr() for weight in [*module.parameters(), *module.buffers()]}
        self._kept: dict[int, int] = {}

    def pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._weights:
            self._kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    @property
    def megabytes(self) -> float:
        return sum(self._kept.values()) / 2**20


class ComputeOperations(TorchDispatchMode):
    """Counts what is launched, other than looking at memory in another way."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__
        self.count += not name.startswith(NO_COMPUTE)
        return func(*args, **(kwargs or {}))


@contextmanager
def host_synchronisations() -> Iterator[list[int]]:
    """A list that holds, after the block, how often the host waited for the GPU."""
    waits: list[int] = []
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield waits
    torch.cuda.set_sync_debug_mode("default")
    waits.append(sum("synchroniz" in str(warning.message) for warning in caught))


class Counters(Callback):
    """Of the third step, when all is set up: operations, FLOPs, and the host's waits for a GPU."""

    def __init__(self) -> None:
        self.operations = 0
        self.flops = 0
        self.waits: int | str = "-"

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx == WARM_UP:
            self._operations, self._flops = ComputeOperations(), FlopCounterMode(display=False)
            self._flops.__enter__()
            self._operations.__enter__()
        if batch_idx == WARM_UP + 1 and pl_module.device.type == "cuda":
            self._waits = host_synchronisations()
            self._found = self._waits.__enter__()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == WARM_UP:
            self._operations.__exit__(None, None, None)
            self._flops.__exit__(None, None, None)
            self.operations, self.flops = self._operations.count, self._flops.get_total_flops()
        if batch_idx == WARM_UP + 1 and pl_module.device.type == "cuda":
            self._waits.__exit__(None, None, None)
            self.waits = self._found[0]


def saved_megabytes(run: Run, device: torch.device) -> float:
    """Of the largest graph, that of the generator's losses."""
    training, batch = run.training.to(device).train(), on(run.batch, device)
    saved = SavedActivations(training)
    with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda tensor: tensor):
        output, voices = training._forward(batch)
        losses_of = training._generator_losses(batch, output, voices, training._real_slices(batch, output), adversary=True)
    del losses_of
    return saved.megabytes


def steps_table(runs: list[Run], rounds: int, repeats: int, device: torch.device) -> list[dict[str, object]]:
    """The runs in turn, ``rounds`` times."""
    seconds: dict[str, list[float]] = {run.name: [] for run in runs}
    peaks: dict[str, int] = {}
    for turn in range(rounds):
        for run in runs:
            timer = StepTimer()
            fit(run, WARM_UP + repeats, device, timer)
            seconds[run.name].append(statistics.median(timer.seconds[WARM_UP:]))
            peaks[run.name] = timer.peak_bytes
            print(f"  round {turn + 1} of {rounds}: {run.name} {1000 * seconds[run.name][-1]:.1f} ms", flush=True)
    rates = {
        precision: matmul_rate(device, torch.bfloat16 if "bf16" in precision else torch.float32)
        for precision in {r.precision for r in runs}
    }
    rows = []
    for run in runs:
        counters = Counters()
        if not run.training.compiled:
            fit(run, WARM_UP + 2, device, counters)
        weights = sum(weight.numel() for weight in run.training.synthesizer.parameters())
        floor = counters.flops / rates[run.precision]
        median = statistics.median(seconds[run.name])
        rows.append(
            {
                "step": run.name,
                "ms": f"{1000 * median:.1f} ({1000 * min(seconds[run.name]):.1f}-{1000 * max(seconds[run.name]):.1f})",
                f"of {runs[0].name}": ratio(seconds[run.name], seconds[runs[0].name]),
                "GFLOP": f"{counters.flops / 1e9:.0f}" if counters.flops else "-",
                "share of floor": f"{floor / median:.2f}" if counters.flops else "-",
                "operations": counters.operations or "-",
                "host waits": counters.waits,
                "saved MB": "-" if run.training.compiled else f"{saved_megabytes(run, device):.0f}",
                "peak GB": f"{peaks[run.name] / 2**30:.2f}" if peaks[run.name] else "-",
                "M weights": f"{weights / 1e6:.1f}",
            }
        )
    return rows


def parts_of(training: VoiceTraining, batch: Batch) -> dict[str, Callable[[], Tensor]]:
    """A forward of each part that ends in a scalar."""
    synthesizer = training.synthesizer
    voices = synthesizer.embed_speaker(batch.references, batch.speakers).detach()
    spectrograms = log_compress(training.posterior_spectrogram(batch.waveforms))
    mask = length_mask(batch.frame_lengths, spectrograms.shape[-1])
    with torch.no_grad():
        output, _ = training._forward(batch)
        encoding = synthesizer.read(batch.text)
    latent = output.prior_latent.detach().requires_grad_()
    piece = latent[..., : synthesizer.segment_frames].detach().requires_grad_()
    audio = output.audio.detach().requires_grad_()
    real = training._real_slices(batch, output)
    durations = output.alignment.sum(-1)

    def matching() -> Tensor:
        verdicts = training.adversary.for_generator(real, audio)
        return losses.adversarial_loss(verdicts[1]) + losses.feature_matching_loss(*verdicts)

    def posterior() -> Tensor:
        found = synthesizer.posterior_encoder(spectrograms, mask, voices)
        return found.mean.sum() + found.log_std.sum()

    def text() -> Tensor:
        read = synthesizer.read(batch.text)
        return read.mean.sum() + read.log_std.sum()

    return {
        "speaker encoder": lambda: synthesizer.embed_speaker(batch.references, batch.speakers).sum(),
        "text and semantics": text,
        "posterior encoder": posterior,
        "flow": lambda: synthesizer.flow(latent, mask, voices).sum(),
        "duration predictor": lambda: synthesizer.duration_predictor(encoding.hidden, encoding.mask, voices, durations).sum(),
        "decoder": lambda: synthesizer.decoder(piece, None, voices).sum(),
        "mel loss": lambda: training.mel_loss(audio, real),
        "discriminators, own update": lambda: losses.discriminator_loss(*training.adversary.for_discriminators(real, audio)),
        "discriminators, for the generator": matching,
    }


def parts_table(runs: list[Run], rounds: int, device: torch.device) -> list[dict[str, object]]:
    """Forward and backward of each part, in milliseconds."""
    rows: dict[str, dict[str, object]] = {}
    for run in runs:
        training, batch = run.training.to(device).train(), on(run.batch, device)
        bf16 = "bf16" in run.precision
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            parts = parts_of(training, batch)

        def backward(part: Callable[[], Tensor], bf16: bool = bf16) -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = part()
            loss.backward()

        turns: dict[str, Callable[[], object]] = {}
        for name, part in parts.items():
            turns[f"{name} | forward"] = part
            turns[f"{name} | both"] = lambda part=part: backward(part)
        seconds = interleaved(turns, rounds, 1, device)
        for name in parts:
            row = rows.setdefault(name, {"part": name})
            forward, both = (1000 * statistics.median(seconds[f"{name} | {kind}"]) for kind in ("forward", "both"))
            row[f"{run.name}: forward"], row[f"{run.name}: and backward"] = f"{forward:.1f}", f"{both:.1f}"
    return list(rows.values())


def runs_of(models: list[str], precisions: list[str], compiled: list[bool], lengths: list[float]) -> list[Run]:
    usual = build(["model=vits", "training._target_=usual_order.UsualOrderTraining", *(
        f"training.{player}_optimizer.{key}=false" for player in ("generator", "discriminator") for key in ("fused",)
    ), "+training.generator_optimizer.foreach=false", "+training.discriminator_optimizer.foreach=false"])  # fmt: skip
    runs = [Run(USUAL, usual, batch_of(usual, lengths, PHONES_PER_SECOND["vits"]), "32-true")]
    for model in models:
        for precision in precisions:
            for compile_it in compiled:
                training = build([f"model={model}", f"training.compile={str(compile_it).lower()}"])
                name = f"{model}, {'bf16' if 'bf16' in precision else 'fp32'}{', compiled' if compile_it else ''}"
                runs.append(Run(name, training, batch_of(training, lengths, PHONES_PER_SECOND.get(model, 14.5)), precision))
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--models", nargs="+", default=["vits", "base", "small"])
    parser.add_argument("--batch", type=int, default=4, help="clips")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every run")
    parser.add_argument("--repeats", type=int, default=3, help="steps of a turn that count")
    parser.add_argument("--compile", action="store_true", help="also compiled on a CPU; on a GPU that is so anyway")
    parser.add_argument("--write", type=Path, help="folder for steps.csv and parts.csv")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    device = torch.device(options.device)
    cuda = device.type == "cuda"
    machine = torch.cuda.get_device_name() if cuda else "CPU"
    print(f"{machine}, torch {torch.__version__}, {torch.get_num_threads()} threads, batch {options.batch}")
    runs = runs_of(
        options.models,
        ["32-true", "bf16-mixed"] if cuda else ["32-true"],
        [False, True] if cuda or options.compile else [False],
        speech_lengths(options.batch),
    )
    print_table(steps_table(runs, options.rounds, options.repeats, device), options.write, "steps")
    eager = [run for run in runs if not run.training.compiled and run.name != USUAL]
    print_table(parts_table(eager, options.rounds, device), options.write, "parts")


if __name__ == "__main__":
    main()
