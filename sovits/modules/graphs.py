"""The synthesizer as graphs of real numbers for runtimes without PyTorch: what surrounds the drawing of noise, which is left outside."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from sovits.modules.harmonic_decoder import HarmonicDecoder
from sovits.modules.layers.fourier import ConvolvedFourierFrames, FourierFrames
from sovits.modules.layers.harmonic_source import Start
from sovits.modules.layers.masking import length_mask
from sovits.modules.layers.normalization import fold_weight_norm
from sovits.modules.layers.state_cache import StateCache
from sovits.modules.synthesizer import Synthesizer
from sovits.text.batch import TextBatch

OPSET = 20
"""Of ONNX."""
SHORTEST_CLIP = 1.0
"""Seconds that the speaker's graph reads at least."""
MOST_TEXTS, MOST_PHONES, MOST_FRAMES, MOST_SAMPLES = 4096, 100_000, 1_000_000, 10**9
"""Bounds that an exporter wants for sizes that are free."""


class TextGraph(nn.Module):
    """Text and voice -> the prior of every phone and its duration: all that comes before anything of the latents is drawn."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        super().__init__()
        self.synthesizer = synthesizer

    def forward(
        self,
        phones: Tensor,
        lengths: Tensor,
        tones: Tensor,
        languages: Tensor,
        tokens: Tensor,
        token_lengths: Tensor,
        phone_to_token: Tensor,
        voice: Tensor,
        duration_noise: Tensor,
        length_scale: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A text batch as in :class:`TextBatch`, voices [B, E], scaled noise [B, 0 or 2, T_text] and scales [B].

        Returns:
            mean and log standard deviation [B, C, T_text], whole durations [B, T_text] as float32.
        """
        text = TextBatch(phones, lengths, tones, languages, tokens, token_lengths, phone_to_token)
        prior = self.synthesizer.prior(text, voice, duration_noise, length_scale.view(-1, 1, 1))
        return prior.mean, prior.log_std, prior.durations


class SpeechGraph(nn.Module):
    """What was drawn from the stretched prior, and a voice -> waveform: the flow and the decoder."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        super().__init__()
        self.flow = synthesizer.flow
        self.decoder = synthesizer.decoder

    def forward(self, drawn: Tensor, lengths: Tensor, voice: Tensor) -> Tensor:
        """[B, C, T_frames], [B], [B, E] -> [B, 1, T_frames * hop_length], zero past each clip's end."""
        mask = length_mask(lengths, drawn.shape[-1])
        return self.decoder(self.flow.inverse(drawn * mask, mask, voice), mask, voice)


class ContinuedSpeechGraph(nn.Module):
    """A :class:`SpeechGraph` of a decoder that is told the pitch, whose phase goes on from one part of a clip to the next."""

    def __init__(self, synthesizer: Synthesizer, decoder: HarmonicDecoder) -> None:
        super().__init__()
        self.flow = synthesizer.flow
        self.decoder = decoder

    def forward(
        self, drawn: Tensor, lengths: Tensor, voice: Tensor, position: Tensor, anchor: Tensor, phase: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As :class:`SpeechGraph`, and where each part begins [B], see :class:`Start`; three zeros at the beginning of a clip.

        Returns:
            waveform [B, 1, T_frames * hop_length] and the phase [B, T_frames] for a part that goes on at that frame.
        """
        mask = length_mask(lengths, drawn.shape[-1])
        latent = self.flow.inverse(drawn * mask, mask, voice)
        excited = self.decoder.excited(latent, mask, voice, start=Start(position, anchor, phase))
        return self.decoder.decode(excited, mask, voice), self.decoder.phase(excited)


class SpeakerGraph(nn.Module):
    """A clip [1, T_samples] of a second or more -> the voice in it [1, E]."""

    def __init__(self, speaker_encoder: nn.Module) -> None:
        super().__init__()
        self.speaker_encoder = speaker_encoder

    def forward(self, samples: Tensor) -> Tensor:
        return self.speaker_encoder(samples)


def plain(synthesizer: Synthesizer) -> Synthesizer:
    """Makes it one for speaking alone, in place: weight norm and low-rank updates in the weights, nothing remembered between texts."""
    if (semantic := synthesizer.semantic_encoder) is not None:
        synthesizer.semantic_encoder = semantic = semantic if semantic.lora is None else semantic.folded()
        semantic.remembered = StateCache(0)
    return fold_weight_norm(synthesizer).eval()


def write_graphs(synthesizer: Synthesizer, folder: Path, sample_rate: int) -> list[Path]:
    """Writes ``text.onnx``, ``speech.onnx`` and, where voices can be read from clips, ``speaker.onnx``; every size in them is free.

    Args:
        synthesizer: what :func:`plain` made.
        sample_rate: Hz of the clips.
    """
    synthesizer = copy.deepcopy(synthesizer)
    _without_complex_numbers(synthesizer.decoder)
    written = [_write_text(synthesizer, folder / "text.onnx"), _write_speech(synthesizer, folder / "speech.onnx")]
    if synthesizer.speaker_encoder is not None and synthesizer.speaker_encoder.zero_shot:
        shortest = round(SHORTEST_CLIP * sample_rate)
        samples = {"samples": (torch.zeros(1, 2 * shortest), {1: torch.export.Dim("samples", min=shortest, max=MOST_SAMPLES)})}
        graph = SpeakerGraph(synthesizer.speaker_encoder)  # type: ignore[arg-type]
        written.append(_write(graph, samples, ["voice"], folder / "speaker.onnx"))
    return written


def _without_complex_numbers(module: nn.Module) -> None:
    for name, part in module.named_children():
        if isinstance(part, FourierFrames):
            setattr(module, name, ConvolvedFourierFrames(part))
        else:
            _without_complex_numbers(part)


def _write_text(synthesizer: Synthesizer, path: Path) -> Path:
    most_tokens = synthesizer.semantic_encoder.max_length if synthesizer.semantic_encoder is not None else MOST_PHONES
    texts, phones, tokens = (
        torch.export.Dim(name, max=most) for name, most in (("texts", MOST_TEXTS), ("phones", MOST_PHONES), ("tokens", most_tokens))
    )
    each = {0: texts}
    # Each its own tensor: of equal objects the exporter makes one input.
    ids = {name: (torch.ones(2, 5, dtype=torch.long), {0: texts, 1: phones}) for name in ("phones", "tones", "languages", "phone_to_token")}
    noise = torch.zeros(2, synthesizer.duration_predictor.noise_channels, 5)
    inputs = {
        "phones": ids["phones"],
        "lengths": (torch.tensor([5, 4]), each),
        "tones": ids["tones"],
        "languages": ids["languages"],
        "tokens": (torch.ones(2, 3, dtype=torch.long), {0: texts, 1: tokens}),
        "token_lengths": (torch.tensor([3, 2]), each),
        "phone_to_token": ids["phone_to_token"],
        "voice": (_voices(synthesizer), each),
        "duration_noise": (noise, {0: texts, 2: phones}),
        "length_scale": (torch.ones(2), each),
    }
    return _write(TextGraph(synthesizer), inputs, ["mean", "log_std", "durations"], path)


def _write_speech(synthesizer: Synthesizer, path: Path) -> Path:
    texts, frames = torch.export.Dim("texts", max=MOST_TEXTS), torch.export.Dim("frames", max=MOST_FRAMES)
    inputs = {
        "drawn": (torch.zeros(2, synthesizer.flow.channels, 40), {0: texts, 2: frames}),
        "lengths": (torch.tensor([40, 33]), {0: texts}),
        "voice": (_voices(synthesizer), {0: texts}),
    }
    if not isinstance(synthesizer.decoder, HarmonicDecoder):
        return _write(SpeechGraph(synthesizer), inputs, ["audio"], path)
    # Each its own tensor again, and none like another.
    inputs |= {
        "position": (torch.tensor([3, 0]), {0: texts}),
        "anchor": (torch.tensor([2, 1]), {0: texts}),
        "phase": (torch.tensor([0.25, 0.5]), {0: texts}),
    }
    return _write(ContinuedSpeechGraph(synthesizer, synthesizer.decoder), inputs, ["audio", "phases"], path)


def _voices(synthesizer: Synthesizer) -> Tensor:
    return torch.full((2, synthesizer.embedding_size), synthesizer.embedding_size**-0.5)


def _write(graph: nn.Module, inputs: dict[str, tuple[Tensor, dict[int, torch.export.Dim]]], outputs: list[str], path: Path) -> Path:
    """Traces ``graph`` on an example of each input, whose dimensions with a name are free."""
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph.eval(),
            tuple(example for example, _ in inputs.values()),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=[free for _, free in inputs.values()],
        )
    assert program is not None
    program.save(path)
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter tells of itself: operators of vision that nobody has here, sizes of several names, what it merged."""
    loggers = {name: logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")}
    levels = {name: logger.level for name, logger in loggers.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers.values():
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, logger in loggers.items():
                logger.setLevel(levels[name])
