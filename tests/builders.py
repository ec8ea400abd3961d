"""Tiny real objects for tests: the same classes as in production, at sizes that train in milliseconds."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader

from sovits.audio.spectrogram import MelSpectrogram
from sovits.data.batch import Batch
from sovits.losses import MultiScaleMelLoss
from sovits.modules import (
    Discriminators,
    DurationPredictor,
    EcapaSpeakerEncoder,
    Flow,
    FrameRateDecoder,
    HarmonicDecoder,
    PosteriorEncoder,
    SemanticEncoder,
    SpeakerClassifier,
    Synthesizer,
    TextEncoder,
    TrainedSpeakerEncoder,
)
from sovits.text.batch import TextBatch
from sovits.text.encoding import EncodedText
from sovits.training.lightning_module import VoiceTraining
from sovits.training.optimisation import WarmUpCosine

SAMPLE_RATE, N_FFT, HOP, N_MELS, EMBEDDING = 8000, 256, 64, 20, 192
NARROW = [
    "size.segment_frames=8", "size.text_encoder={filter_channels: 32, n_layers: 2}", "size.hidden_channels=16", "size.inter_channels=8",
    "size.posterior_encoder={hidden_channels: 16, n_layers: 2}", "size.flow={hidden_channels: 16, n_layers: 2}",
    "size.duration={filter_channels: 16, stochastic_channels: 16, dropout: 0.1}",
    "size.semantic={hidden_size: 8, num_layers: 1, intermediate_size: 16}",
    "size.ecapa={channels: [16, 16, 16, 16, 48], attention_channels: 8}",
    "size.frame_rate_decoder={channels: 16, filter_channels: 32, n_layers: 2}", "size.pitch_channels=8",
    "size.upsampling_decoder.initial_channel=32",
    "size.discriminators={period_channels: [4, 8], n_ffts: [512], spectrogram_channels: 4, strides: [4, 2, 1], scale_channels: [4, 8, 8]}",
]  # fmt: skip
"""Overrides of `sovits train` that leave every part of the model a few channels."""

Trained = TypeVar("Trained", bound=VoiceTraining)


def tiny_mels() -> MelSpectrogram:
    """What all tiny networks read."""
    return MelSpectrogram(SAMPLE_RATE, N_FFT, HOP, N_MELS)


def tiny_synthesizer(semantic: bool = True, **changes: Any) -> Synthesizer:
    """Every part of a synthesizer, a few channels wide; ``changes`` replaces parts."""
    architecture = {
        "model_type": "gpt_neo", "vocab_size": 60, "hidden_size": 8, "num_layers": 1, "num_heads": 2,
        "attention_types": [[["global"], 1]], "max_position_embeddings": 16, "intermediate_size": 16,
    }  # fmt: skip
    parts: dict[str, Any] = {
        "text_encoder": TextEncoder(50, 6, 3, 8, 16, 32, 2, 1, 3, 0.1, 8 if semantic else 0),
        "posterior_encoder": PosteriorEncoder(N_MELS, 8, 16, 5, 2, EMBEDDING),
        "flow": Flow(8, 16, 5, 2, 2, EMBEDDING),
        "duration_predictor": DurationPredictor(16, 16, 3, 0.1, EMBEDDING),
        "decoder": FrameRateDecoder(8, HOP, [2], 16, 32, 2, EMBEDDING),
        "segment_frames": 8,
        "semantic_encoder": SemanticEncoder(None, architecture, trainable=True, max_length=16) if semantic else None,
        "speaker_encoder": TrainedSpeakerEncoder(
            tiny_mels(), EcapaSpeakerEncoder(N_MELS, EMBEDDING, channels=(16, 16, 16, 16, 48), attention_channels=8)
        ),
    }
    return Synthesizer(**parts | changes)


def tiny_training(steps: int = 4, adversary_from: int = 0, kind: type[Trained] = VoiceTraining, **changes: Any) -> Trained:
    """Both players and their optimisers; ``kind`` is the training's class."""
    settings: dict[str, Any] = {
        "synthesizer": tiny_synthesizer(),
        "discriminators": Discriminators((2, 3), (4, 8), (256,), 4),
        "mel_spectrogram": tiny_mels(),
        "posterior_spectrogram": tiny_mels(),
        "mel_loss": MultiScaleMelLoss(SAMPLE_RATE, [256, 128], [20, 10]),
        "weights": dict.fromkeys(kind.known_losses, 1.0) | {"pitch": 0.0, "melody": 0.0},
        "generator_optimizer": partial(torch.optim.AdamW, lr=1e-3),
        "discriminator_optimizer": partial(torch.optim.AdamW, lr=1e-3),
        "schedule": partial(WarmUpCosine, warm_up_steps=0, steps=steps, floor=0.1),
        "clip_norm": 10.0,
        "carried_config": {},
        "speakers": ["ana", "bo"],
        "speaker_classifier": SpeakerClassifier(EMBEDDING, 2),
    }
    return kind(**{**settings, "steps": steps, "adversary_from": adversary_from, **changes})


def tiny_harmonic_decoder() -> HarmonicDecoder:
    """Its voice comes and goes and has fewer highs than lows, as speech has: equal harmonics multiply every rounding of the pitch."""
    decoder = HarmonicDecoder(8, HOP, SAMPLE_RATE, [2], 16, 32, 2, 8, EMBEDDING)
    with torch.no_grad():
        decoder.pitch_predictor.output.weight[1] *= 6
        gains = decoder.head.projection.bias.view(3, -1)  # type: ignore[union-attr]
        gains[0] -= torch.linspace(0, 5, gains.shape[1])
    return decoder


def tiny_text(*lengths: int) -> TextBatch:
    """Random phones, one text for each of ``lengths``."""
    return TextBatch.collate(
        [
            EncodedText("x", ["a"] * n, torch.randint(1, 50, (n,)).tolist(), [1] * n, [1] * n, [3, 4], [0] * (n // 2) + [1] * (n - n // 2))
            for n in lengths
        ]
    )


def tiny_batch() -> Batch:
    """Two clips of two speakers, one padded."""
    waveforms = 0.3 * torch.randn(2, 24 * HOP)
    waveforms[1, 15 * HOP :] = 0
    return Batch(
        tiny_text(9, 6),
        waveforms,
        torch.tensor([24, 15]),
        0.3 * torch.randn(2, 30 * HOP),
        torch.tensor([0, 1]),
        torch.tensor([True, True]),
        torch.tensor([[4, 4, 4, 2, 2, 2, 2, 2, 2], [3, 3, 3, 2, 2, 2, 0, 0, 0]]),
        torch.tensor([torch.inf, torch.inf]),
        ["ana/1", "bo/1"],
        ["x", "x"],
    )


def batches(n: int) -> DataLoader:
    """A loader of ``n`` fixed batches."""
    items = [tiny_batch() for _ in range(n)]
    # Its own generator: otherwise every pass over it would draw from the one that training uses.
    return DataLoader(items, batch_size=None, shuffle=False, generator=torch.Generator())  # type: ignore[arg-type]
