"""Phones, tones, languages and semantics -> the prior of every phone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sovits.errors import SovitsError
from sovits.modules.layers.attention import TransformerLayer
from sovits.modules.layers.masking import length_mask
from sovits.text.batch import TextBatch


@dataclass
class TextEncoding:
    """What the text says about the latents."""

    hidden: Tensor
    """[B, hidden_channels, T_text]."""
    mean: Tensor
    """[B, inter_channels, T_text] mean of the prior of the frames of each phone."""
    log_std: Tensor
    """[B, inter_channels, T_text]."""
    mask: Tensor
    """[B, 1, T_text]."""


class TextEncoder(nn.Module):
    """Transformer over phones (VITS, Kim et al. 2021), with the semantic vectors of the GPT encoder added before chosen layers.

    Args:
        vocabulary: phone ids are below this.
        tones: tone and stress ids are below this.
        languages: language ids are below this.
        inter_channels: channels of the latents.
        semantic_channels: size of a semantic vector; 0 for no semantic input.
        semantic_layers: layers before which semantic vectors are added, each with its own projection: 0 is the input of the first, and
            ``n_layers`` the output of the last.

    Raises:
        SovitsError: a semantic layer that is not there.
    """

    def __init__(
        self,
        vocabulary: int,
        tones: int,
        languages: int,
        inter_channels: int,
        hidden_channels: int,
        filter_channels: int,
        n_heads: int,
        n_layers: int,
        kernel_size: int,
        dropout: float,
        semantic_channels: int = 0,
        semantic_layers: Sequence[int] = (0,),
    ) -> None:
        super().__init__()
        if semantic_channels and not (semantic_layers and set(semantic_layers) <= set(range(n_layers + 1))):
            raise SovitsError(
                f"model.text_encoder.semantic_layers={list(semantic_layers)} with n_layers={n_layers}: name one or more of 0-{n_layers}, "
                "0 for the input and the last for the output; without semantics choose semantic=none."
            )
        self.inter_channels = inter_channels
        self.hidden_channels = hidden_channels
        self.semantic_channels = semantic_channels
        self.phones = nn.Embedding(vocabulary, hidden_channels)
        self.tones = nn.Embedding(tones, hidden_channels)
        self.languages = nn.Embedding(languages, hidden_channels)
        for table in (self.phones, self.tones, self.languages):
            nn.init.normal_(table.weight, std=hidden_channels**-0.5)
        injected = sorted(set(semantic_layers)) if semantic_channels else []
        self.semantic = nn.ModuleDict({str(layer): nn.Linear(semantic_channels, hidden_channels) for layer in injected})
        self.layers = nn.ModuleList(
            TransformerLayer(hidden_channels, filter_channels, n_heads, kernel_size, dropout) for _ in range(n_layers)
        )
        self.prior = nn.Conv1d(hidden_channels, 2 * inter_channels, 1)
        self.scale = math.sqrt(hidden_channels)

    def forward(self, text: TextBatch, semantic: Tensor | None) -> TextEncoding:
        """A text batch and its semantic vectors [B, T_text, semantic_channels] (or None) -> :class:`TextEncoding`.

        Raises:
            SovitsError: an id is outside its table, or semantic vectors are missing or unexpected.
        """
        self._check(text, semantic)
        mask = length_mask(text.lengths, text.phones.shape[1])
        embedded = (self.phones(text.phones) + self.tones(text.tones) + self.languages(text.languages)) * self.scale
        hidden = embedded.transpose(1, 2) * mask
        for number, layer in enumerate(self.layers):
            hidden = layer(self._told(hidden, semantic, number, mask), mask)
        hidden = self._told(hidden, semantic, len(self.layers), mask)
        mean, log_std = (self.prior(hidden) * mask).chunk(2, dim=1)
        return TextEncoding(hidden, mean, log_std, mask)

    def _told(self, hidden: Tensor, semantic: Tensor | None, layer: int, mask: Tensor) -> Tensor:
        """``hidden`` with the semantic vectors in it, where this layer is one to be told."""
        if semantic is None or str(layer) not in self.semantic:
            return hidden
        return hidden + self.semantic[str(layer)](semantic).transpose(1, 2) * mask

    def _check(self, text: TextBatch, semantic: Tensor | None) -> None:
        if (semantic is None) != (self.semantic_channels == 0):
            raise SovitsError(
                f"model.text_encoder.semantic_channels={self.semantic_channels}, but semantic vectors are "
                f"{'missing' if semantic is None else 'given'}; set both or neither (semantic=none)."
            )
        # On a GPU reading the maximum would stall the queue, and its own index check speaks up; an exported graph has its own too.
        if torch.compiler.is_exporting() or text.phones.device.type != "cpu":
            return
        if text.phones.numel() and int(text.phones.max()) >= self.phones.num_embeddings:
            raise SovitsError(
                f"Token id {int(text.phones.max())} is outside the vocabulary of {self.phones.num_embeddings}; "
                "raise n_vocab (text.vocabulary in the config) to the size of the tokenizer's table."
            )
