from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPTNeoConfig, GPTNeoForCausalLM

from sovits.errors import SovitsError
from sovits.modules import SemanticEncoder
from sovits.text.encoding import TextBatch

TINY = {
    "model_type": "gpt_neo", "vocab_size": 100, "hidden_size": 16, "num_layers": 2, "num_heads": 2,
    "attention_types": [[["global"], 2]], "max_position_embeddings": 32, "intermediate_size": 32,
}  # fmt: skip


@pytest.fixture
def text() -> TextBatch:
    batch = TextBatch.from_phones(torch.randint(1, 50, (2, 6)))
    batch.tokens = torch.randint(1, 100, (2, 4))
    batch.token_lengths = torch.tensor([4, 2])
    batch.phone_to_token = torch.tensor([[0, 0, 1, 2, 3, 3], [0, 0, 0, 1, 1, 0]])
    return batch


def test_each_phone_gets_the_last_hidden_state_of_its_token(text: TextBatch) -> None:
    encoder = SemanticEncoder(None, TINY, trainable=True, max_length=32).eval()
    semantic = encoder(text)
    states = encoder.model(input_ids=text.tokens[:1]).last_hidden_state
    assert semantic.shape == (2, 6, encoder.channels) == (2, 6, 16)
    torch.testing.assert_close(semantic[0, 4], states[0, 3])
    torch.testing.assert_close(semantic[0, 0], semantic[0, 1])


def test_padding_does_not_change_a_text(text: TextBatch) -> None:
    encoder = SemanticEncoder(None, TINY, trainable=True, max_length=32).eval()
    alone = encoder.read(text.tokens[1:, :2], torch.tensor([2]))
    torch.testing.assert_close(encoder.read(text.tokens, text.token_lengths)[1, :2], alone[0])


def test_reads_a_local_directory_and_a_loaded_causal_model_alike(tmp_path: Path, text: TextBatch) -> None:
    settings = {key: value for key, value in TINY.items() if key != "model_type"}
    GPTNeoForCausalLM(GPTNeoConfig(**settings)).save_pretrained(tmp_path)
    from_directory = SemanticEncoder(str(tmp_path), None, trainable=False, max_length=32)
    from_model = SemanticEncoder.from_model(AutoModelForCausalLM.from_pretrained(tmp_path), max_length=32)
    assert torch.equal(from_directory(text), from_model(text))


def test_its_architecture_rebuilds_it(text: TextBatch) -> None:
    encoder = SemanticEncoder(None, TINY, trainable=True, max_length=32).eval()
    rebuilt = SemanticEncoder(None, encoder.architecture, trainable=True, max_length=32).eval()
    rebuilt.load_state_dict(encoder.state_dict())
    assert torch.equal(encoder(text), rebuilt(text))


@pytest.mark.parametrize("trainable", [True, False])
def test_frozen_means_no_gradient_and_no_dropout(trainable: bool, text: TextBatch) -> None:
    encoder = SemanticEncoder(None, TINY, trainable=trainable, max_length=32).train()
    assert encoder(text).requires_grad is trainable
    assert encoder.model.training is trainable
    assert any(weight.requires_grad for weight in encoder.parameters()) is trainable


def test_what_cannot_be_read_is_named() -> None:
    with pytest.raises(SovitsError, match="nobody/nothing"):
        SemanticEncoder("nobody/nothing", None, trainable=False)
    with pytest.raises(SovitsError, match="model_type"):
        SemanticEncoder(None, {"hidden_size": 16}, trainable=True)
    with pytest.raises(SovitsError, match="max_length=64 is longer than the 32 positions"):
        SemanticEncoder(None, TINY, trainable=True, max_length=64)
