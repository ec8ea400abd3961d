"""Speaking with PyTorch, on any device it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sovits.audio.spectrogram import LinearSpectrogram, MelSpectrogram, log_compress
from sovits.errors import SovitsError
from sovits.modules import Synthesizer
from sovits.modules.layers.masking import length_mask
from sovits.modules.layers.normalization import fold_weight_norm
from sovits.modules.streaming import decode_in_chunks
from sovits.text.batch import TextBatch
from sovits.voice.engine import Line, Said, SpokenPrior
from sovits.voice.request import Request


class TorchEngine:
    """A synthesizer in evaluation mode, its weight norm folded; see :class:`~sovits.voice.engine.Engine`.

    Args:
        device: such as ``cpu`` or ``cuda:0``.

    Raises:
        SovitsError: a device that is not there.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        mel_spectrogram: MelSpectrogram,
        posterior_spectrogram: MelSpectrogram | LinearSpectrogram,
        device: torch.device | str = "cpu",
    ) -> None:
        _check_device(device)
        self.device = str(device)
        fold_weight_norm(synthesizer)
        self.synthesizer = synthesizer.to(device).eval()
        self.mel_spectrogram = mel_spectrogram.to(device)
        self.posterior_spectrogram = posterior_spectrogram.to(device)
        self.sample_rate = mel_spectrogram.sample_rate
        self.hop_length = mel_spectrogram.hop_length
        self.embedding_size = synthesizer.embedding_size
        self.noise_channels = synthesizer.duration_predictor.noise_channels

    @torch.inference_mode()
    def speak(self, lines: Sequence[Line]) -> list[Said]:
        """See :class:`~sovits.voice.engine.Engine`."""
        synthesis = self.synthesizer.synthesize(*self._asked(lines), **self._delivery(lines))
        audio, durations = synthesis.audio[:, 0].float().cpu().numpy(), synthesis.durations.cpu().numpy()
        said = zip(lines, audio, synthesis.sample_lengths.tolist(), durations, strict=True)
        return [Said(samples[:length].copy(), frames[: len(line.text.phones)].copy()) for line, samples, length, frames in said]

    @torch.inference_mode()
    def stream(self, line: Line, first: int, longest: int) -> Iterator[np.ndarray]:
        """See :class:`~sovits.voice.engine.Engine`."""
        text, voice = self._asked([line])
        drawn = self.synthesizer.draw(text, voice, **self._delivery([line]))
        for audio in decode_in_chunks(self.synthesizer.decoder, drawn.latent, voice, first, longest):
            yield audio[0, 0].float().cpu().numpy()

    @torch.inference_mode()
    def prior(self, lines: Sequence[Line], noise: np.ndarray) -> SpokenPrior:
        """See :class:`~sovits.voice.engine.Engine`."""
        scale = self._tensor(np.array([1 / line.request.speed for line in lines])).view(-1, 1, 1)
        prior = self.synthesizer.prior(*self._asked(lines), self._tensor(noise), scale)
        return SpokenPrior(prior.mean.cpu().numpy(), prior.log_std.cpu().numpy(), prior.durations.long().cpu().numpy())

    @torch.inference_mode()
    def say(self, drawn: np.ndarray, lengths: np.ndarray, voices: np.ndarray) -> np.ndarray:
        """See :class:`~sovits.voice.engine.Engine`."""
        voice, mask = self._tensor(voices), length_mask(torch.from_numpy(lengths).to(self.device), drawn.shape[-1])
        latent = self.synthesizer.flow.inverse(self._tensor(drawn) * mask, mask, voice)
        return self.synthesizer.decoder(latent, mask, voice)[:, 0].float().cpu().numpy()

    @torch.inference_mode()
    def embed(self, samples: np.ndarray) -> np.ndarray:
        """See :class:`~sovits.voice.engine.Engine`."""
        return self.synthesizer.embed_speaker(self._tensor(samples).unsqueeze(0))[0].cpu().numpy()

    @torch.inference_mode()
    def reconstruct(self, samples: np.ndarray, voice: np.ndarray) -> np.ndarray:
        """See :class:`~sovits.voice.engine.Engine`."""
        spectrogram = log_compress(self.posterior_spectrogram(self._tensor(samples).unsqueeze(0)))
        frames = torch.tensor([len(samples) // self.hop_length], device=self.device)
        return self.synthesizer.reconstruct(spectrogram, frames, self._tensor(voice).unsqueeze(0))[0, 0].float().cpu().numpy()

    def _asked(self, lines: Sequence[Line]) -> tuple[TextBatch, Tensor]:
        """The texts and voices [B, E] on the device."""
        return TextBatch.collate([line.text for line in lines]).to(self.device), self._tensor(np.stack([line.voice for line in lines]))

    def _delivery(self, lines: Sequence[Line]) -> dict[str, Any]:
        """What the synthesizer is to be told of each line beside its text and voice."""

        def each(value: Callable[[Request], float]) -> Tensor:
            return self._tensor(np.array([value(line.request) for line in lines]))

        return {
            "noise_scale": each(lambda request: request.noise_scale),
            "duration_noise_scale": each(lambda request: request.duration_noise_scale),
            "length_scale": each(lambda request: 1 / request.speed),
            "generators": [line.request.noise() for line in lines],
        }

    def _tensor(self, values: np.ndarray) -> Tensor:
        # Copied: torch warns of arrays that nobody may write to.
        return torch.from_numpy(np.array(values, dtype=np.float32)).to(self.device)


def _check_device(device: torch.device | str) -> None:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SovitsError(f"device={device} cannot be used here ({str(error).splitlines()[0]}); choose device=cpu.") from error
