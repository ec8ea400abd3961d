"""A tiny but whole checkpoint: untrained weights, the config that rebuilds them, two voices."""

from __future__ import annotations

from typing import Any

import torch
from hydra.utils import instantiate

from sovits.voice.checkpoint import FORMAT
from tests.builders import EMBEDDING, HOP, N_FFT, N_MELS, SAMPLE_RATE

MELS: dict[str, Any] = {
    "_target_": "sovits.audio.spectrogram.MelSpectrogram", "sample_rate": SAMPLE_RATE, "n_fft": N_FFT, "hop_length": HOP, "n_mels": N_MELS,
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "mel_spectrogram": MELS,
    "posterior_spectrogram": MELS,
    "text": {
        "_target_": "sovits.text.TextFrontEnd",
        "english": {"_target_": "sovits.text.EnglishLetters"},
        "mandarin": {"_target_": "sovits.text.MandarinPhonemizer"},
        "tokenizer": {"_target_": "sovits.text.SemanticTokenizer", "source": None, "max_length": 128},
        "vocabulary": 512,
        "tones": 16,
        "languages": 8,
    },
    "model": {
        "_target_": "sovits.modules.Synthesizer",
        "segment_frames": 8,
        "text_encoder": {
            "_target_": "sovits.modules.TextEncoder", "vocabulary": 512, "tones": 16, "languages": 8, "inter_channels": 8,
            "hidden_channels": 16, "filter_channels": 32, "n_heads": 2, "n_layers": 1, "kernel_size": 3, "dropout": 0.1,
            "semantic_channels": 8,
        },
        "semantic_encoder": {
            "_target_": "sovits.modules.SemanticEncoder", "source": None, "trainable": True, "max_length": 128,
            "architecture": {
                "model_type": "gpt_neo", "vocab_size": 50257, "hidden_size": 8, "num_layers": 1, "num_heads": 2,
                "attention_types": [[["global"], 1]], "max_position_embeddings": 128, "intermediate_size": 16,
            },
        },
        "posterior_encoder": {
            "_target_": "sovits.modules.PosteriorEncoder", "spec_channels": N_MELS, "inter_channels": 8, "hidden_channels": 16,
            "kernel_size": 5, "n_layers": 2, "speaker_channels": EMBEDDING,
        },
        "flow": {
            "_target_": "sovits.modules.Flow", "channels": 8, "hidden_channels": 16, "kernel_size": 5, "n_layers": 2, "n_steps": 2,
            "speaker_channels": EMBEDDING,
        },
        "duration_predictor": {
            "_target_": "sovits.modules.DurationPredictor", "hidden_channels": 16, "filter_channels": 16, "kernel_size": 3, "dropout": 0.1,
            "speaker_channels": EMBEDDING,
        },
        "decoder": {
            "_target_": "sovits.modules.FrameRateDecoder", "inter_channels": 8, "hop_length": HOP, "upsample_rates": [2], "channels": 16,
            "filter_channels": 32, "n_layers": 2, "speaker_channels": EMBEDDING,
        },
        "speaker_encoder": {
            "_target_": "sovits.modules.TrainedSpeakerEncoder", "spectrogram": MELS,
            "encoder": {
                "_target_": "sovits.modules.EcapaSpeakerEncoder", "n_mels": N_MELS, "embedding_size": EMBEDDING,
                "channels": [16, 16, 16, 16, 48], "attention_channels": 8,
            },
        },
    },
}  # fmt: skip


def tiny_checkpoint() -> dict[str, Any]:
    """What a file of `sovits train` holds, apart from the states of loops and callbacks."""
    torch.manual_seed(1)
    synthesizer = instantiate(CONFIG["model"], _convert_="all")
    weights = {f"synthesizer.{name}": weight for name, weight in synthesizer.state_dict().items()}
    bank = {name: torch.nn.functional.normalize(torch.randn(EMBEDDING), dim=0) for name in ("ana", "bo")}
    carried = {"format": FORMAT, "config": CONFIG, "speakers": ["ana", "bo"], "speaker_bank": bank, "generator_step": 7}
    return {"state_dict": weights | {"discriminators.x": torch.zeros(3)}, "sovits": carried, "optimizer_states": [], "global_step": 14}
