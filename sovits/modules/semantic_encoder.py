"""What to say: a light GPT reads the text, and its hidden states condition every phone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from sovits.errors import SovitsError
from sovits.modules.layers.state_cache import StateCache
from sovits.text.batch import TextBatch

ATTENTION_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj", "o_proj", "c_attn")
"""What the projections around attention are called in GPT-Neo, Llama and GPT-2."""


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adaptation (Hu et al. 2021): a frozen weight W learns as W + alpha / rank * B A, with narrow B and A.

    Raises:
        SovitsError: ``rank`` is not positive, or ``dropout`` is no probability.
    """

    rank: int = 8
    """Rows of A and columns of B."""
    alpha: float = 16.0
    """Weight of what is learned, before it is divided by ``rank``."""
    dropout: float = 0.0
    """Probability that an input of A is dropped in training."""
    target_modules: list[str] | None = None
    """Names of the linear layers that learn, whole or from a dot on; None for the projections around attention."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise SovitsError(f"model.semantic_encoder.lora.rank={self.rank} leaves nothing to learn; set it to 1 or more, 8 by default.")
        if not 0 <= self.dropout < 1:
            raise SovitsError(f"model.semantic_encoder.lora.dropout={self.dropout} is no probability; set it from 0 to below 1.")


class SemanticEncoder(nn.Module):
    """The sequence of last hidden states of a causal language model, repeated over the phones each token was read as.

    Args:
        source: hub id or local directory of a pretrained causal LM (reference: ``EleutherAI/gpt-neo-125M``), read as float32; None
            builds one from ``architecture``.
        architecture: keyword arguments of a transformers configuration with its ``model_type``; used when ``source`` is None.
        trainable: whether gradients reach the whole language model; frozen, it stays in eval mode.
        max_length: longest token sequence; longer ones are an error here, the tokenizer cuts them.
        lora: what a frozen language model learns beside its weights; None for nothing.
        cache_texts: how many texts' hidden states a frozen language model remembers, the latest used, in float32 on its own device
            (3 kB a token at 768 channels); 0 for none. Idle where anything is learned. On a GPU each batch is then copied to the host
            once, as token ids are what a text is known by: worth it where the same texts come back every epoch.

    Raises:
        SovitsError: the model can be read neither locally nor from the hub, its position table is shorter than ``max_length``, it is
            both ``trainable`` and to learn by ``lora``, or a layer that ``lora`` names does not exist.
    """

    def __init__(
        self,
        source: str | None,
        architecture: dict[str, Any] | None,
        trainable: bool,
        max_length: int = 128,
        lora: LoraSettings | None = None,
        cache_texts: int = 0,
    ) -> None:
        super().__init__()
        _check_not_both(trainable, lora)
        self.model = _pretrained(source) if source else _from_scratch(architecture)
        self.max_length = max_length
        positions = getattr(self.model.config, "max_position_embeddings", max_length)
        if positions < max_length:
            raise SovitsError(
                f"model.semantic_encoder.max_length={max_length} is longer than the {positions} positions of the language model; lower it."
            )
        self.lora = lora
        self.remembered = StateCache(cache_texts)
        # Loading may go through any parent or straight to the model: its own hook sees both.
        self.model.register_load_state_dict_post_hook(self._weights_loaded)
        if lora is not None:
            _add_lora(self.model, lora)
        self.trainable = trainable

    @classmethod
    def from_model(cls, model: PreTrainedModel, trainable: bool = False, max_length: int = 128) -> SemanticEncoder:
        """Wraps a loaded ``AutoModelForCausalLM`` (or its base model)."""
        encoder = cls(None, _definition(model.config), trainable, max_length)
        encoder.model.load_state_dict(model.base_model.state_dict())
        return encoder

    @property
    def trainable(self) -> bool:
        """Whether gradients reach the whole language model; it can be switched at any time.

        Raises:
            SovitsError: switched on where ``lora`` learns in its place.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        _check_not_both(trainable, self.lora)
        self._trainable = trainable
        for name, weight in self.model.named_parameters():
            weight.requires_grad_(trainable or _is_lora(name))
        self.remembered.clear()
        self.train(self.training)

    @property
    def channels(self) -> int:
        """Size of one semantic vector."""
        return self.model.config.hidden_size

    @property
    def architecture(self) -> dict[str, Any]:
        """What rebuilds this language model without its source: a checkpoint carries it beside the weights."""
        return _definition(self.model.config)

    def train(self, mode: bool = True) -> SemanticEncoder:
        """Training mode, except that frozen weights keep their dropout off; LoRA's own is on."""
        super().train(mode)
        self.model.train(mode and self.trainable)
        for name, part in self.model.named_modules():
            if name.endswith("lora_dropout"):
                part.train(mode)
        return self

    def forward(self, text: TextBatch) -> Tensor:
        """A text batch with tokens [B, T_tokens] -> semantic vectors on phones [B, T_text, channels]."""
        learns = self.trainable or self.lora is not None
        read = self._remember if self.remembered.capacity and not learns else self.read
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            states = read(text.tokens, text.token_lengths)
        index = text.phone_to_token.unsqueeze(-1).expand(-1, -1, states.shape[-1])
        return states.gather(1, index)

    def read(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """[B, T_tokens], [B] -> ``last_hidden_state`` [B, T_tokens, channels]."""
        mask = torch.arange(tokens.shape[1], device=tokens.device) < token_lengths[:, None]
        return self.model(input_ids=tokens, attention_mask=mask.long(), use_cache=False).last_hidden_state

    def folded(self) -> SemanticEncoder:
        """A frozen copy with what LoRA learned added to the weights, as fast and as plain as the language model was without it."""
        plain = SemanticEncoder(None, self.architecture, False, self.max_length, cache_texts=self.remembered.capacity)
        weights = {name.replace(".base_layer", ""): weight for name, weight in self.model.state_dict().items() if not _is_lora(name)}
        for name, part in self.model.named_modules():
            if hasattr(part, "get_delta_weight"):
                weights[f"{name}.weight"] = weights[f"{name}.weight"] + part.get_delta_weight("default").detach()
        plain.model.load_state_dict(weights)
        return plain.to(self.model.device).train(self.training)

    def _remember(self, tokens: Tensor, token_lengths: Tensor) -> Tensor:
        """As :meth:`read`, of new texts only, and zero after a text's end."""
        device = tokens.device.type
        precision = str(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else ""
        # Lengths and tokens together, so that a GPU is waited for once.
        rows = torch.cat([token_lengths[:, None], tokens], dim=1).cpu().numpy()
        keys = [precision.encode() + row[: 1 + row[0]].tobytes() for row in rows]

        def compute(places: list[int]) -> list[Tensor]:
            longest = max(rows[place, 0] for place in places)
            chosen = torch.tensor(places, device=tokens.device)
            states = self.read(tokens[chosen, :longest], token_lengths[chosen]).float()
            # Copied: a view would keep the whole padded batch in memory.
            return [state[: rows[place, 0]].clone() for place, state in zip(places, states, strict=True)]

        return pad_sequence(self.remembered(keys, compute), batch_first=True).to(self.model.dtype)

    def _weights_loaded(self, module: nn.Module, incompatible_keys: Any) -> None:
        self.remembered.clear()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SemanticEncoder:
        # Where the weights go, to another device or precision, what they once gave stays behind.
        self.remembered.clear()
        return super()._apply(fn, recurse)


def _check_not_both(trainable: bool, lora: LoraSettings | None) -> None:
    if trainable and lora is not None:
        raise SovitsError(
            "model.semantic_encoder.trainable=true trains the whole language model, but model.semantic_encoder.lora trains small "
            "matrices beside a frozen one; set trainable=false, or lora=null."
        )


def _is_lora(name: str) -> bool:
    return ".lora_" in name


def _add_lora(model: PreTrainedModel, lora: LoraSettings) -> None:
    """Puts LoRA's matrices beside the layers it names; at first they change nothing."""
    from peft import LoraConfig, inject_adapter_in_model

    linear = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear | Conv1D)}
    existing = sorted({name.rsplit(".", 1)[-1] for name in linear})
    wanted = lora.target_modules or [name for name in ATTENTION_PROJECTIONS if name in existing]
    lacking = [target for target in wanted if not any(f".{name}".endswith(f".{target}") for name in linear)]
    if lacking or not wanted:
        raise SovitsError(
            f"model.semantic_encoder.lora.target_modules names {', '.join(lacking) or 'no layer, and none is an attention projection'}; "
            f"the linear layers of this language model are {', '.join(existing)}: choose among them."
        )
    chosen = [part for name, part in linear.items() if any(f".{name}".endswith(f".{target}") for target in wanted)]
    settings = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=list(wanted),
        fan_in_fan_out=isinstance(chosen[0], Conv1D),
    )
    inject_adapter_in_model(settings, model)


def _definition(config: PretrainedConfig) -> dict[str, Any]:
    definition = config.to_diff_dict() | {"model_type": config.model_type}
    # Written by the library for its own records; a newer one would complain.
    definition.pop("transformers_version", None)
    return definition


def _pretrained(source: str) -> PreTrainedModel:
    try:
        return AutoModel.from_pretrained(source, dtype=torch.float32)
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
