"""Speaking with onnxruntime, without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from sovits.audio.chunks import growing_chunks
from sovits.errors import SovitsError
from sovits.text.encoding import padded_rows
from sovits.voice.engine import Line, Said, SpokenPrior, drawn_latents, duration_noise

TEXT, SPEECH, SPEAKER = "text.onnx", "speech.onnx", "speaker.onnx"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

UNREADABLE = tuple(
    getattr(onnx_errors, name)
    for name in ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented", "RuntimeException")
)
"""What onnxruntime raises of a file; they have no parent of their own."""


class OnnxEngine:
    """The graphs of an export at work; see :class:`~sovits.voice.engine.Engine`.

    Between the two graphs that speak, the prior of every phone is stretched over its frames and noise is drawn, by NumPy.

    Args:
        folder: with the graphs.
        sample_rate: Hz.
        hop_length: samples a frame.
        embedding_size: numbers of a voice.
        context_frames: frames on each side that a sample depends on.
        noise_channels: of the noise of durations.
        alone: lines that are asked for together are spoken one by one, since what one call rounds depends on all that is in it.
        device: ``cpu``, or ``cuda`` with onnxruntime-gpu.
        threads: of each graph at work; None: as many as there are cores.

    Raises:
        SovitsError: a graph that cannot be read, or a device that onnxruntime does not have.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sample_rate: int,
        hop_length: int,
        embedding_size: int,
        context_frames: int,
        noise_channels: int,
        alone: bool = False,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.sample_rate, self.hop_length, self.embedding_size = sample_rate, hop_length, embedding_size
        self.context_frames, self.noise_channels = context_frames, noise_channels
        self.alone = alone
        self.device = f"{device} (onnxruntime)"
        self.text, self.speech = (_session(folder / name, device, threads) for name in (TEXT, SPEECH))
        self.continues = any(given.name == "phase" for given in self.speech.get_inputs())
        self.speaker = _session(folder / SPEAKER, device, threads) if (folder / SPEAKER).is_file() else None

    def speak(self, lines: Sequence[Line]) -> list[Said]:
        """See :class:`~sovits.voice.engine.Engine`."""
        if self.alone and len(lines) > 1:
            return [self.speak([line])[0] for line in lines]
        drawn, durations = self._draw(lines)
        frames = durations.sum(1)
        audio = self.say(drawn, frames, np.stack([line.voice for line in lines]))
        said = zip(lines, audio, frames * self.hop_length, durations, strict=True)
        return [Said(samples[:length].copy(), frames[: len(line.text.phones)].copy()) for line, samples, length, frames in said]

    def stream(self, line: Line, first: int, longest: int) -> Iterator[np.ndarray]:
        """See :class:`~sovits.voice.engine.Engine`."""
        drawn, _ = self._draw([line])
        yield from self.say_in_chunks(drawn, line.voice[None], first, longest)

    def say_in_chunks(self, drawn: np.ndarray, voice: np.ndarray, first: int, longest: int) -> Iterator[np.ndarray]:
        """One clip [1, C, T_frames] in a voice [1, E] -> its samples piece by piece; sizes are frames."""
        phase = 0.0
        for chunk in growing_chunks(drawn.shape[-1], self.context_frames, first, longest):
            part = drawn[..., chunk.first : chunk.last]
            begins, ends = chunk.start - chunk.first, chunk.end - chunk.first
            audio, phases = self._say(part, np.array([part.shape[-1]]), voice, chunk.first, begins, phase)
            if self.continues and chunk.end < chunk.last:
                # Where the next one begins.
                phase = float(phases[0, ends])
            yield audio[0, begins * self.hop_length : ends * self.hop_length]

    def embed(self, samples: np.ndarray) -> np.ndarray:
        """See :class:`~sovits.voice.engine.Engine`."""
        if self.speaker is None:
            raise SovitsError("This export reads no voice from a clip: its model has no speaker encoder; choose one of its speakers.")
        return self.speaker.run(None, {"samples": np.asarray(samples, dtype=np.float32)[None]})[0][0]

    def reconstruct(self, samples: np.ndarray, voice: np.ndarray) -> np.ndarray:
        """See :class:`~sovits.voice.engine.Engine`."""
        raise SovitsError("An export to ONNX has no posterior encoder to reconstruct recordings with; take the checkpoint.")

    def prior(self, lines: Sequence[Line], noise: np.ndarray) -> SpokenPrior:
        """See :class:`~sovits.voice.engine.Engine`."""
        texts = [line.text for line in lines]
        mean, log_std, durations = self.text.run(
            None,
            {
                "phones": padded_rows([text.phones for text in texts]),
                "lengths": np.array([len(text.phones) for text in texts]),
                "tones": padded_rows([text.tones for text in texts]),
                "languages": padded_rows([text.languages for text in texts]),
                "tokens": padded_rows([text.tokens for text in texts]),
                "token_lengths": np.array([len(text.tokens) for text in texts]),
                "phone_to_token": padded_rows([text.phone_to_token for text in texts]),
                "voice": np.stack([line.voice for line in lines]),
                "duration_noise": noise,
                "length_scale": np.array([1 / line.request.speed for line in lines], dtype=np.float32),
            },
        )
        return SpokenPrior(mean, log_std, durations.astype(np.int64))

    def say(self, drawn: np.ndarray, lengths: np.ndarray, voices: np.ndarray) -> np.ndarray:
        """See :class:`~sovits.voice.engine.Engine`."""
        return self._say(drawn, lengths, voices)[0]

    def _say(
        self, drawn: np.ndarray, lengths: np.ndarray, voices: np.ndarray, position: int = 0, anchor: int = 0, phase: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Parts of clips that begin after ``position`` frames and have ``phase`` at frame ``anchor`` -> audio and phases [B, T_frames]."""
        inputs = {"drawn": drawn, "lengths": lengths, "voice": voices}
        if not self.continues:
            return self.speech.run(None, inputs)[0][:, 0], np.empty((len(drawn), 0))
        for name, value in {"position": np.int64(position), "anchor": np.int64(anchor), "phase": np.float32(phase)}.items():
            inputs[name] = np.full(len(drawn), value)
        audio, phases = self.speech.run(None, inputs)
        return audio[:, 0], phases

    def _draw(self, lines: Sequence[Line]) -> tuple[np.ndarray, np.ndarray]:
        """What the flow and the decoder are to say [B, C, T_frames], and the frames of every phone [B, T_text]."""
        generators = [line.request.noise() for line in lines]
        prior = self.prior(lines, duration_noise(lines, generators, self.noise_channels))
        return drawn_latents(prior, lines, generators), prior.durations


def _session(path: Path, device: str, threads: int | None) -> onnxruntime.InferenceSession:
    kind = device.partition(":")[0]
    available = onnxruntime.get_available_providers()
    if PROVIDERS.get(kind) not in available:
        raise SovitsError(f"device={device} cannot be used here: this onnxruntime has {', '.join(available)}; choose device=cpu.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    # Weights that are kept as whole numbers become numbers of single precision once, and not at every call.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return onnxruntime.InferenceSession(path, options, providers=[PROVIDERS[kind]])
    except UNREADABLE as error:
        raise SovitsError(f"{path} is no graph that onnxruntime reads ({str(error).splitlines()[0]}); export it again.") from error
