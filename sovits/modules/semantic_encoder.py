"""What to say: a light GPT reads the text, and its hidden states condition every phone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from sovits.errors import SovitsError
from sovits.text.encoding import TextBatch


class SemanticEncoder(nn.Module):
    """The sequence of last hidden states of a causal language model, repeated over the phones each token was read as.

    Args:
        source: hub id or local directory of a pretrained causal LM (reference: ``EleutherAI/gpt-neo-125M``); None builds one
            from ``architecture``.
        architecture: keyword arguments of a transformers configuration with its ``model_type``; used when ``source`` is None.
        trainable: whether gradients reach the language model; frozen, it stays in eval mode.
        max_length: longest token sequence; longer ones are an error here, the tokenizer cuts them.

    Raises:
        SovitsError: the model can be read neither locally nor from the hub, or its position table is shorter than ``max_length``.
    """

    def __init__(self, source: str | None, architecture: dict[str, Any] | None, trainable: bool, max_length: int = 128) -> None:
        super().__init__()
        self.model = _pretrained(source) if source else _from_scratch(architecture)
        self.trainable = trainable
        self.max_length = max_length
        positions = getattr(self.model.config, "max_position_embeddings", max_length)
        if positions < max_length:
            raise SovitsError(
                f"model.semantic_encoder.max_length={max_length} is longer than the {positions} positions of the language model; lower it."
            )
        self.model.requires_grad_(trainable)
        self.train(self.training)

    @classmethod
    def from_model(cls, model: PreTrainedModel, trainable: bool = False, max_length: int = 128) -> SemanticEncoder:
        """Wraps a loaded ``AutoModelForCausalLM`` (or its base model)."""
        encoder = cls(None, _definition(model.config), trainable, max_length)
        encoder.model.load_state_dict(model.base_model.state_dict())
        return encoder

    @property
    def channels(self) -> int:
        """Size of one semantic vector."""
        return self.model.config.hidden_size

    @property
    def architecture(self) -> dict[str, Any]:
        """What rebuilds this language model without its source: a checkpoint carries it beside the weights."""
        return _definition(self.model.config)

    def train(self, mode: bool = True) -> SemanticEncoder:
        """Training mode, except that a frozen language model keeps its dropout off."""
        super().train(mode)
        self.model.train(mode and self.trainable)
        return self

    def forward(self, text: TextBatch) -> Tensor:
        """A text batch with tokens [B, T_tokens] -> semantic vectors on phones [B, T_text, channels]."""
        with torch.set_grad_enabled(self.trainable and torch.is_grad_enabled()):
            states = self.read(text.tokens, text.token_lengths)
        index = text.phone_to_token.unsqueeze(-1).expand(-1, -1, states.shape[-1])
        return states.gather(1, index)

    def read(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """[B, T_tokens], [B] -> ``last_hidden_state`` [B, T_tokens, channels]."""
        mask = torch.arange(tokens.shape[1], device=tokens.device) < token_lengths[:, None]
        return self.model(input_ids=tokens, attention_mask=mask.long(), use_cache=False).last_hidden_state


def _definition(config: PretrainedConfig) -> dict[str, Any]:
    definition = config.to_diff_dict() | {"model_type": config.model_type}
    # Written by the library for its own records; a newer one would complain.
    definition.pop("transformers_version", None)
    return definition


def _pretrained(source: str) -> PreTrainedModel:
    try:
        return AutoModel.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise SovitsError(
            f"model.semantic_encoder.source={source!r} can be read neither as a local directory nor from the model hub; "
            "give a directory with config.json and weights, connect to the hub, or leave it null for the small built-in one."
        ) from error


def _from_scratch(architecture: dict[str, Any] | None) -> PreTrainedModel:
    if not architecture or "model_type" not in architecture:
        raise SovitsError("model.semantic_encoder needs a source, or an architecture with its model_type (for example gpt_neo).")
    settings = dict(architecture)
    return AutoModel.from_config(AutoConfig.for_model(settings.pop("model_type"), **settings))
