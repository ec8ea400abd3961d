"""A tiny real Whisper that hears given sentences at given times, whatever the sound: recognition without a download."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn.functional import layer_norm, normalize
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from sovits.data.preparation.transcription import WhisperTranscriber

WIDTH = 128


def save_rehearsed_whisper(path: Path, *sentences: tuple[str, float, float], language: str = "en") -> Path:
    """Writes a checkpoint that hears each sentence between its two times (s) in every window of 30 s, and returns ``path``.

    No block adds to the residual. Position ``i`` of the decoder points at the token to write there, and its cross-attention at the time
    to hear it: decoding, time stamps and alignment are Whisper's own.
    """
    tokenizer = get_tokenizer(True, language=language, task="transcribe")
    # What follows the start token alone is the language; then comes the task, which is given, and the first time stamp.
    written, times = [tokenizer.to_language_token(language), 0, tokenizer.timestamp_begin], [0.0, 0.0, 0.0]
    for text, start, end in sentences:
        tokens = tokenizer.encode(" " + text)
        written += tokens
        times += [start + (end - start) * index / len(tokens) for index in range(len(tokens))]
    last = sentences[-1][2]
    written += [tokenizer.timestamp_begin + round(last / 0.02), tokenizer.eot]
    times += [last, last]

    torch.manual_seed(0)
    dimensions = ModelDimensions(80, 1500, WIDTH, 2, 1, 51865, 448, WIDTH, 2, 1)
    model = Whisper(dimensions)
    directions = normalize(torch.randn(51865, WIDTH), dim=-1)
    attention = model.decoder.blocks[0].cross_attn
    with torch.no_grad():
        silenced = [model.encoder.conv1, model.encoder.conv2, attention.out]
        silenced += [layer for block in [*model.encoder.blocks, *model.decoder.blocks] for layer in (block.attn.out, block.mlp[2])]
        for parameter in (parameter for layer in silenced for parameter in layer.parameters()):
            parameter.zero_()
        model.decoder.token_embedding.weight.copy_(directions)
        model.decoder.positional_embedding.copy_(20 * directions[tokenizer.eot])
        model.decoder.positional_embedding[: len(written)] = 20 * directions[written]
        model.decoder.ln.weight.fill_(10)
        # Without sound the encoder gives its positions, 50 a second: those are the keys, and the queries are solved for.
        keys = layer_norm(model.encoder.positional_embedding, [WIDTH])
        queries = layer_norm(20 * directions[written], [WIDTH])
        attention.key.weight.copy_(torch.eye(WIDTH))
        attention.query.weight.copy_((torch.linalg.pinv(queries) @ (3 * keys[[round(time * 50) for time in times]])).T)
        attention.query.bias.zero_()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"dims": vars(dimensions), "model_state_dict": model.state_dict()}, path)
    return path


def rehearsed(folder: Path, *sentences: tuple[str, float, float], language: str = "en") -> WhisperTranscriber:
    """A transcriber with such a checkpoint, saved as ``folder/rehearsed.pt``."""
    return WhisperTranscriber(str(save_rehearsed_whisper(folder / "rehearsed.pt", *sentences, language=language)))
