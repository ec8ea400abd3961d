"""A Whisper small enough to ship, in the form it is trained in: only the used tokens, any length of window, attention in view."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from whisper.model import ModelDimensions, MultiHeadAttention, Whisper, sinusoids
from whisper.tokenizer import Tokenizer, get_tokenizer

from experiments.tiny_whisper.sentences import FIRST_WORDS, WORDS

WIDTH, HEADS = 64, 4
DIMENSIONS = ModelDimensions(
    n_mels=80,
    n_audio_ctx=1500,
    n_audio_state=WIDTH,
    n_audio_head=HEADS,
    n_audio_layer=3,
    n_vocab=51865,
    n_text_ctx=448,
    n_text_state=WIDTH,
    n_text_head=HEADS,
    n_text_layer=3,
)
TIMES = 1501
"""Time tokens, 0.02 s apart as the encoder's positions are."""
# The last channel of the decoder's output is constant: an unused token's entry there keeps it from ever being written.
_CONSTANT, _NEVER = 4.0, -8.0
_HEAD_OFFSETS = ((-6, -2, 2, 6), (-12, -4, 4, 12), (-24, -8, 8, 24))
"""Encoder positions (20 ms) away at which each head begins to look, layer by layer."""


def tokenizer() -> Tokenizer:
    """Whisper's own, for English."""
    return get_tokenizer(True, language="en", task="transcribe")


def used_tokens() -> list[int]:
    """The tokens of the closed vocabulary, without the times."""
    known = tokenizer()
    words = [known.encode(" " + word)[0] for word in WORDS + FIRST_WORDS]
    return [*words, *known.encode("."), *known.encode(","), *known.sot_sequence, known.eot, known.no_speech, known.no_timestamps]


class GuidedWhisper(nn.Module):
    """Whisper with the embeddings of the used tokens only; times are embedded by a linear map of the encoder's positions."""

    def __init__(self) -> None:
        super().__init__()
        self.whisper = Whisper(DIMENSIONS)
        self.whisper.decoder.token_embedding = nn.Embedding(1, WIDTH)  # stands in for the whole until ``export``
        self.used = used_tokens()
        self.rows = nn.Parameter(0.05 * torch.randn(len(self.used), WIDTH))
        self.time_rows = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("times", sinusoids(TIMES, WIDTH), persistent=False)
        self.current_word = nn.Linear(WIDTH, len(self.used) + 1)
        """Training only: the word said at each encoder position, and the one before it."""
        self.previous_word = nn.Linear(WIDTH, len(self.used) + 1)
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        self.time_rows.weight.copy_(0.2 * torch.eye(WIDTH))
        self.time_rows.bias.zero_()
        decoder = self.whisper.decoder
        decoder.positional_embedding.copy_(0.1 * sinusoids(DIMENSIONS.n_text_ctx, WIDTH, 1000))
        for layer, (block, offsets) in enumerate(zip(self.whisper.encoder.blocks, _HEAD_OFFSETS, strict=True)):
            _look_at(block.attn, offsets, first_frequency=2 * layer)
        self.hold_constant()

    @torch.no_grad()
    def hold_constant(self) -> None:
        """After every step: the decoder's last channel is the constant that keeps unused tokens away."""
        final = self.whisper.decoder.ln
        final.weight[-1] = 0
        final.bias[-1] = _CONSTANT

    def embeddings(self) -> Tensor:
        """[U + 1501, C]: the used tokens, then the times."""
        return torch.cat([self.rows, self.time_rows(self.times)])

    def encode(self, mel: Tensor, offsets: Tensor) -> Tensor:
        """[B, 80, 2 T] of any length -> [B, T, C], as if the window began at ``offsets`` [B] of Whisper's 1500 positions."""
        encoder = self.whisper.encoder
        x = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
        positions = offsets[:, None] + torch.arange(x.shape[1])
        x = x + encoder.positional_embedding[positions]
        for block in encoder.blocks:
            x = block(x)
        return encoder.ln_post(x)

    def decode(self, tokens: Tensor, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits [B, N, U + 1501] for tokens [B, N] (indices of ``embeddings``), and each layer's log attention [B, H, N, T]."""
        decoder, rows = self.whisper.decoder, self.embeddings()
        x = rows[tokens] + decoder.positional_embedding[: tokens.shape[1]]
        attentions = []
        for block in decoder.blocks:
            x = x + block.attn(block.attn_ln(x), mask=decoder.mask)[0]
            seen, attention = _attend(block.cross_attn, block.cross_attn_ln(x), features)
            attentions.append(attention)
            x = x + seen
            x = x + block.mlp(block.mlp_ln(x))
        return decoder.ln(x) @ rows.T, attentions

    @torch.no_grad()
    def export(self) -> dict[str, object]:
        """What openai-whisper loads: ``dims`` and ``model_state_dict``, in half precision."""
        table = torch.zeros(DIMENSIONS.n_vocab, WIDTH)
        table[:, -1] = _NEVER
        embeddings = self.embeddings()
        table[self.used] = embeddings[: len(self.used)]
        table[tokenizer().timestamp_begin :] = embeddings[len(self.used) :]
        state = self.whisper.state_dict() | {"decoder.token_embedding.weight": table}
        return {"dims": vars(DIMENSIONS), "model_state_dict": {name: value.half() for name, value in state.items()}}


def _attend(attention: MultiHeadAttention, x: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-attention as Whisper computes it, and its log weights."""

    def heads(values: Tensor) -> Tensor:
        return values.unflatten(-1, (attention.n_head, -1)).transpose(1, 2)

    queries, keys, values = heads(attention.query(x)), heads(attention.key(features)), heads(attention.value(features))
    weights = (queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5).log_softmax(-1)
    return attention.out((weights.exp() @ values).transpose(1, 2).flatten(2)), weights


@torch.no_grad()
def _look_at(attention: MultiHeadAttention, offsets: tuple[int, ...], first_frequency: int) -> None:
    """Starts each head with the neighbourhood ``offset`` positions away, through the sinusoids of the positions.

    sin and cos of one frequency are turned by ``offset``: query times key is then a sum of cosines with its peak there.
    """
    pairs, half = WIDTH // HEADS // 2, WIDTH // 2
    frequencies = torch.exp(-torch.log(torch.tensor(10000.0)) / (half - 1) * torch.arange(half))
    attention.query.weight.mul_(0.2)
    attention.key.weight.mul_(0.2)
    attention.query.bias.zero_()
    for head, offset in enumerate(offsets):
        for pair in range(pairs):
            channel, row = first_frequency + pair, head * 2 * pairs + 2 * pair
            angle = frequencies[channel] * offset
            attention.key.weight[row, channel] += 1.3
            attention.key.weight[row + 1, channel + half] += 1.3
            attention.query.weight[row, channel] += 1.3 * torch.cos(angle)
            attention.query.weight[row, channel + half] += 1.3 * torch.sin(angle)
            attention.query.weight[row + 1, channel + half] += 1.3 * torch.cos(angle)
            attention.query.weight[row + 1, channel] -= 1.3 * torch.sin(angle)
