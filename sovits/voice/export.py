"""A checkpoint in the forms that are served: smaller, faster, or without PyTorch; each compared with the checkpoint before it is kept."""

from __future__ import annotations

import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sovits import __version__
from sovits.audio.spectrogram import LinearSpectrogram
from sovits.errors import SovitsError
from sovits.modules import Synthesizer
from sovits.modules.graphs import plain, write_graphs
from sovits.voice.checkpoint import Checkpoint
from sovits.voice.engine import Engine, Line, drawn_latents, duration_noise
from sovits.voice.exported import INT8, ONNX, SPEAKERS, TORCH, TRAINABLE, WEIGHTS, Export, content_hash
from sovits.voice.onnx_engine import SPEAKER
from sovits.voice.quantization import to_int8
from sovits.voice.request import Request
from sovits.voice.speaker_bank import SpeakerBank
from sovits.voice.voice import Voice
from sovits.voice.weights import write_parts, write_weights

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Of weights in a file; they become numbers of single precision when they are loaded."""
KINDS = (*PRECISIONS, TRAINABLE, "onnx", INT8)
GOES_ON = ("audio", "text", "size", "embedding_size", "mel_spectrogram", "posterior_spectrogram", "model", "discriminators")
"""Parts of the config that a training which goes on needs; the others are the run's own."""


@dataclass(frozen=True)
class Figures:
    """How an export compares with its checkpoint on the same sentences, voices and noise."""

    megabytes: float
    """Of the folder."""
    equal_durations: float
    """Share of phones that last equally many frames."""
    prior_error: float
    """Largest difference of the prior's means, as a share of their standard deviation."""
    speech_error: float
    """Largest difference of the samples, as a share of the loudest, where both say the same drawn latents."""
    speech_snr: float
    """The power of the same samples' short-time spectra over that of the difference of their magnitudes, in dB.

    Not of their phases: those of a harmonic source are a sum, and drift apart with the last digits of the pitch.
    """
    voice_similarity: float | None
    """Least cosine between the voices that both read from the checkpoint's speech; None: it reads none from clips."""
    rtf: float
    """Seconds of work for a second of speech, a sentence at a time: the median of the rounds, on the machine that exported."""
    speedup: float
    """The checkpoint's seconds over its own, in rounds that took turns."""


class Exporter:
    """Writes one folder for each kind.

    Args:
        checkpoint: of `sovits train`.
        bank: folder of voices in place of the checkpoint's.
        sentences: what is compared.
        least_snr: dB of ``speech_snr`` for each kind, below which nothing is kept; None: whatever it is.
        rounds: of timing.
        part_megabytes: most of a file of the kind ``trainable``.

    Raises:
        SovitsError: an unusable checkpoint, or no sentence.
    """

    def __init__(
        self,
        checkpoint: Path,
        bank: Path | None,
        sentences: Sequence[str],
        least_snr: Mapping[str, float | None],
        rounds: int = 3,
        part_megabytes: float = 15.0,
    ) -> None:
        if not sentences:
            raise SovitsError("sentences is empty; give one or more that the exports are compared by.")
        if rounds < 1:
            raise SovitsError(f"rounds={rounds} leaves nothing to measure; give 1 or more.")
        self.carried = Checkpoint.read(checkpoint)
        self.voice = Voice.load(checkpoint, bank=bank)
        synthesizer: Synthesizer = self.carried.build("model")
        self.carried.fill(synthesizer)
        self.synthesizer = plain(synthesizer)
        self.sentences = list(sentences)
        self.least_snr, self.rounds, self.part_megabytes = least_snr, rounds, part_megabytes

    def write(self, kind: str, folder: Path) -> Figures:
        """Makes ``folder`` what :meth:`Voice.load` takes, in one step, after it was loaded and compared.

        Raises:
            SovitsError: an unknown kind, a folder that is there already, or speech that differs more than ``least_snr`` allows.
        """
        if kind not in KINDS:
            raise SovitsError(f"format={kind} is none of {', '.join(KINDS)}; choose among them.")
        if folder.exists():
            raise SovitsError(f"{folder} is there already; choose another output, or move it away.")
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            config = self._write_networks(kind, partial)
            bank: SpeakerBank = self.voice.bank
            if len(bank):
                bank.save(partial / SPEAKERS)
            self._describe(kind, config).write(partial, config)
            figures = self._compare(partial)
            self._check(kind, figures)
            self._describe(kind, config, figures).write(partial, config)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return figures

    def _write_networks(self, kind: str, folder: Path) -> dict[str, Any]:
        """Writes the networks, and returns the parts of the config that go with them."""
        if kind == TRAINABLE:
            learned = {name: weight for name, weight in self.carried.state.items() if name.startswith(("synthesizer.", "discriminators."))}
            write_parts(learned, folder, torch.float16, self.part_megabytes)
            if lacking := [part for part in GOES_ON if part not in self.carried.config]:
                raise SovitsError(f"{self.carried.path} carries a config without `{lacking[0]}`; train again with this version.")
            return {part: self.carried.config[part] for part in GOES_ON}
        config = {part: self.carried.config[part] for part in ("model", "text", "mel_spectrogram", "posterior_spectrogram")}
        if kind in PRECISIONS:
            write_weights(self.synthesizer, folder / WEIGHTS, PRECISIONS[kind])
            semantic = config["model"].get("semantic_encoder")
            # What LoRA learned is in the weights.
            changes = {"semantic_encoder": {**semantic, "lora": None}} if semantic else {}
            return config | {"model": config["model"] | changes}
        for graph in self._graphs:
            if kind == INT8:
                to_int8(graph, folder / graph.name, products=graph.name != SPEAKER)
            else:
                shutil.copyfile(graph, folder / graph.name)
        return config

    @cached_property
    def _graphs(self) -> list[Path]:
        """Of single precision, for all kinds that are made of them."""
        self._scratch = tempfile.TemporaryDirectory(prefix="sovits-export-")
        return write_graphs(self.synthesizer, Path(self._scratch.name), self.voice.sample_rate)

    def _describe(self, kind: str, config: Mapping[str, Any], figures: Figures | None = None) -> Export:
        synthesizer = self.synthesizer
        return Export(
            kind=kind,
            runtime=TORCH if kind in (*PRECISIONS, TRAINABLE) else ONNX,
            sample_rate=self.voice.sample_rate,
            hop_length=synthesizer.hop_length,
            embedding_size=synthesizer.embedding_size,
            context_frames=synthesizer.flow.context_frames + synthesizer.decoder.context_frames,
            noise_channels=synthesizer.duration_predictor.noise_channels,
            generator_step=self.carried.generator_step,
            checkpoint=str(content_hash(self.carried.path)),
            version=__version__,
            figures={} if figures is None else asdict(figures),
        )

    def _compare(self, folder: Path) -> Figures:
        other = Voice.load(folder)
        lines = [self._line(text, number) for number, text in enumerate(self.sentences)]
        spectrum = LinearSpectrogram(self.voice.sample_rate, 1024, 256)
        equal, prior_error, differences, wholes, apart, power = [], 0.0, [], [], 0.0, 0.0
        for line in lines:
            (wanted, ours), (said, own) = self._both_halves(line, self.voice.engine, other.engine)
            equal.append(wanted.durations == ours.durations)
            prior_error = max(prior_error, float(np.abs(wanted.mean - ours.mean).max() / wanted.mean.std()))
            differences.append((said - own).ravel())
            wholes.append(said.ravel())
            ours_heard, heard = (spectrum(torch.from_numpy(samples)) for samples in (own, said))
            apart += float((ours_heard.sqrt() - heard.sqrt()).square().sum())
            power += float(heard.sum())
        difference, whole = np.concatenate(differences), np.concatenate(wholes)
        spoken = [np.resize(said.samples, 2 * self.voice.sample_rate) for said in self.voice.engine.speak(lines)]
        times = self._times([self.voice, other], lines)
        seconds = sum(len(said.samples) for said in (self.voice.engine.speak([line])[0] for line in lines)) / self.voice.sample_rate
        return Figures(
            megabytes=round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 2),
            equal_durations=float(np.concatenate(equal, axis=1).mean()),
            prior_error=prior_error,
            speech_error=float(np.abs(difference).max() / np.abs(whole).max()),
            speech_snr=10 * math.log10(power / max(apart, 1e-20)),
            voice_similarity=min(float(self.voice.embed(one) @ other.embed(one)) for one in spoken) if self._reads_clips else None,
            rtf=statistics.median(own for _, own in times) / seconds,
            speedup=statistics.median(checkpoint / own for checkpoint, own in times),
        )

    @property
    def _reads_clips(self) -> bool:
        return self.synthesizer.speaker_encoder is not None and self.synthesizer.speaker_encoder.zero_shot

    def _line(self, text: str, number: int) -> Line:
        names = self.voice.speakers
        size = self.voice.embedding_size
        voice = self.voice.bank[names[number % len(names)]] if names else np.full(size, size**-0.5, dtype=np.float32)
        return Line(self.voice.front_end(text, None), voice, Request(text, voice, seed=number))

    @staticmethod
    def _both_halves(line: Line, first: Engine, second: Engine) -> tuple[tuple[Any, Any], tuple[np.ndarray, np.ndarray]]:
        """What two engines make of the same noise, and of the same drawn latents: those of ``first``."""
        generator = line.request.noise()
        noise = duration_noise([line], [generator], first.noise_channels)
        priors = first.prior([line], noise), second.prior([line], noise)
        drawn = drawn_latents(priors[0], [line], [generator])
        frames, voices = np.array([drawn.shape[-1]]), line.voice[None]
        return priors, (first.say(drawn, frames, voices), second.say(drawn, frames, voices))

    def _times(self, voices: Sequence[Voice], lines: Sequence[Line]) -> list[tuple[float, ...]]:
        """Seconds that each voice takes for all lines, one by one, in rounds that take turns."""

        def spent(voice: Voice) -> float:
            began = time.perf_counter()
            for line in lines:
                voice.engine.speak([line])
            return time.perf_counter() - began

        for voice in voices:
            spent(voice)
        return [tuple(spent(voice) for voice in voices) for _ in range(self.rounds)]

    def _check(self, kind: str, figures: Figures) -> None:
        least = self.least_snr.get(kind)
        if least is not None and not figures.speech_snr >= least:
            raise SovitsError(
                f"As {kind} the model speaks {figures.speech_snr:.1f} dB above its difference from the checkpoint, but least_snr.{kind} is "
                f"{least:g} dB; choose another format, or least_snr.{kind}=null to keep it all the same."
            )
