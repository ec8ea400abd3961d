"""The graphs that are exported: what PyTorch says, for every kind of network and at sizes that nobody traced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from sovits.modules import LoraSettings, SemanticEncoder, StochasticDurationPredictor, Synthesizer, UpsamplingDecoder
from sovits.modules.graphs import SpeechGraph, TextGraph, plain, write_graphs
from sovits.voice.onnx_engine import OnnxEngine
from tests.builders import EMBEDDING, HOP, SAMPLE_RATE, tiny_harmonic_decoder, tiny_synthesizer

GPT2 = {"model_type": "gpt2", "vocab_size": 60, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16, "n_inner": 16}
NETWORKS: dict[str, dict[str, Any]] = {
    "HiFi-GAN, stochastic durations, no semantics": {
        "semantic": False,
        "decoder": UpsamplingDecoder(8, HOP, [8, 8], 16, [3, 5], [[1, 3], [1, 3]], EMBEDDING),
        "duration_predictor": StochasticDurationPredictor(16, 8, 3, 0.0, EMBEDDING),
        "speaker_encoder": None,
    },
    "told the pitch": {"decoder": tiny_harmonic_decoder()},
    "iSTFTNet, LoRA on a GPT-2 that remembers": {
        "decoder": UpsamplingDecoder(8, HOP, [4, 4], 16, [3], [[1, 3]], EMBEDDING),
        "semantic_encoder": SemanticEncoder(None, GPT2, trainable=False, max_length=16, lora=LoraSettings(rank=2), cache_texts=9),
    },
}


def inputs(synthesizer: Synthesizer, texts: int, phones: int, tokens: int) -> dict[str, torch.Tensor]:
    """Of the text's graph."""

    def ids(most: int, *shape: int, least: int = 0) -> torch.Tensor:
        return torch.randint(least, most, shape)

    return {
        "phones": ids(50, texts, phones),
        "lengths": ids(phones + 1, texts, least=1),
        "tones": ids(6, texts, phones),
        "languages": ids(3, texts, phones),
        "tokens": ids(60, texts, tokens),
        "token_lengths": ids(tokens + 1, texts, least=1),
        "phone_to_token": ids(tokens, texts, phones),
        "voice": torch.nn.functional.normalize(torch.randn(texts, EMBEDDING), dim=1),
        "duration_noise": torch.randn(texts, synthesizer.duration_predictor.noise_channels, phones),
        "length_scale": torch.rand(texts) + 0.5,
    }


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_graphs_compute_what_the_networks_do(network: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    synthesizer = tiny_synthesizer(**NETWORKS[network])
    for name, weight in synthesizer.named_parameters():
        # As after training: what starts as nothing would hide what is left out.
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.05)
        assert weight.any(), name
    synthesizer = plain(synthesizer)
    paths = write_graphs(synthesizer, tmp_path, SAMPLE_RATE)
    assert [path.name for path in paths] == ["text.onnx", "speech.onnx", "speaker.onnx"][: 2 + (synthesizer.speaker_encoder is not None)]
    sessions = {path.name: onnxruntime.InferenceSession(path) for path in paths}
    text, speech = TextGraph(synthesizer), SpeechGraph(synthesizer)
    for texts, phones, tokens, frames in ((1, 1, 1, 1), (3, 23, 16, 70)):
        given = inputs(synthesizer, texts, phones, tokens)
        drawn, lengths = torch.randn(texts, 8, frames), torch.randint(1, frames + 1, (texts,))
        with torch.no_grad():
            wanted = [*text(**given), speech(drawn, lengths, given["voice"])]
        said = sessions["text.onnx"].run(None, {name: value.numpy() for name, value in given.items()})
        spoken = {"drawn": drawn.numpy(), "lengths": lengths.numpy(), "voice": given["voice"].numpy()}
        if synthesizer.decoder.hears_pitch:
            ids = np.zeros(texts, dtype=np.int64)
            spoken |= {"position": ids, "anchor": ids, "phase": np.zeros(texts, dtype=np.float32)}
        said += sessions["speech.onnx"].run(["audio"], spoken)
        for ours, theirs in zip(said, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=3e-5 * float(theirs.abs().max()))


@pytest.mark.slow
def test_a_stream_of_a_harmonic_decoder_is_the_whole(tmp_path: Path) -> None:
    """The phase of its source goes on from chunk to chunk, through pauses and from before them."""
    torch.manual_seed(0)
    decoder = tiny_harmonic_decoder()
    synthesizer = plain(tiny_synthesizer(decoder=decoder, semantic=False, speaker_encoder=None))
    write_graphs(synthesizer, tmp_path, SAMPLE_RATE)
    settings = {"sample_rate": SAMPLE_RATE, "hop_length": HOP, "embedding_size": EMBEDDING, "noise_channels": 0}
    engine = OnnxEngine(tmp_path, context_frames=synthesizer.flow.context_frames + decoder.context_frames, **settings)
    frames, voice = 300, torch.nn.functional.normalize(torch.randn(1, EMBEDDING), dim=1)
    drawn = torch.randn(1, 8, frames)
    with torch.no_grad():
        latent = synthesizer.flow.inverse(drawn, torch.ones(1, 1, frames), voice)
        voicing = decoder.pitch(decoder.excited(latent, None, voice)).voicing > 0
        whole = SpeechGraph(synthesizer)(drawn, torch.tensor([frames]), voice)[0, 0].numpy()
    assert 0.2 < voicing.float().mean() < 0.8
    for first, longest in ((1, 8), (40, 160)):
        parts = list(engine.say_in_chunks(drawn.numpy(), voice.numpy(), first, longest))
        assert len(parts) > 2
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-4 * float(np.abs(whole).max()))


def test_what_is_plain_speaks_as_before() -> None:
    torch.manual_seed(0)
    synthesizer = tiny_synthesizer(**NETWORKS["iSTFTNet, LoRA on a GPT-2 that remembers"]).eval()
    for name, weight in synthesizer.named_parameters():
        if ".lora_" in name:
            torch.nn.init.normal_(weight)
    given = inputs(synthesizer, 2, 9, 5)
    with torch.no_grad():
        wanted = TextGraph(synthesizer)(**given)
        own = plain(synthesizer)
        for ours, theirs in zip(TextGraph(own)(**given), wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    names = list(own.state_dict())
    assert not any("parametrizations" in name or "lora" in name for name in names)
