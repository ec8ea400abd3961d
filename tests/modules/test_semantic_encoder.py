import copy
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, GPTNeoConfig, GPTNeoForCausalLM

from sovits.errors import SovitsError
from sovits.modules.semantic_encoder import LoraSettings, SemanticEncoder
from sovits.text.batch import TextBatch

TINY = {
    "model_type": "gpt_neo", "vocab_size": 100, "hidden_size": 16, "num_layers": 2, "num_heads": 2,
    "attention_types": [[["global"], 2]], "max_position_embeddings": 32, "intermediate_size": 32,
}  # fmt: skip


GPT2 = {"model_type": "gpt2", "vocab_size": 100, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32}
PROJECTIONS = {"q_proj", "k_proj", "v_proj", "out_proj"}


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


def test_a_directory_in_half_precision_is_read_as_float32(tmp_path: Path, text: TextBatch) -> None:
    SemanticEncoder(None, TINY, trainable=False, max_length=32).model.bfloat16().save_pretrained(tmp_path)
    assert SemanticEncoder(str(tmp_path), None, trainable=False, max_length=32)(text).dtype == torch.float32


def adapted(lora: LoraSettings | None = None, architecture: dict | None = None) -> SemanticEncoder:
    return SemanticEncoder(None, architecture or TINY, trainable=False, max_length=32, lora=lora or LoraSettings(rank=2))


def stirred(encoder: SemanticEncoder) -> SemanticEncoder:
    """As after training: LoRA's B, which starts at zero, holds something."""
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    return encoder


def learning(encoder: SemanticEncoder) -> set[str]:
    return {name for name, weight in encoder.named_parameters() if weight.requires_grad}


def test_lora_starts_as_the_plain_language_model(tmp_path: Path, text: TextBatch) -> None:
    plain = SemanticEncoder(None, TINY, trainable=False, max_length=32)
    plain.model.save_pretrained(tmp_path)
    with_lora = SemanticEncoder(str(tmp_path), None, trainable=False, max_length=32, lora=LoraSettings())
    assert torch.equal(with_lora(text), plain(text))
    assert not torch.equal(stirred(with_lora)(text), plain(text))


def test_lora_is_a_scaled_product_beside_the_weight() -> None:
    encoder = stirred(adapted(LoraSettings(rank=2, alpha=6.0, target_modules=["q_proj"])))
    layer = encoder.model.h[0].attn.attention.q_proj
    values = torch.randn(3, 16)
    expected = values @ (layer.base_layer.weight + 6.0 / 2 * layer.lora_B.default.weight @ layer.lora_A.default.weight).T
    torch.testing.assert_close(layer(values), expected)


def test_lora_equals_what_peft_makes_of_the_whole_model(text: TextBatch) -> None:
    encoder = stirred(adapted())
    config = LoraConfig(r=2, lora_alpha=16, target_modules=sorted(PROJECTIONS))
    reference = get_peft_model(AutoModel.from_config(AutoConfig.for_model(**TINY)), config).base_model.model.eval()
    reference.load_state_dict(encoder.model.state_dict())
    torch.testing.assert_close(reference(input_ids=text.tokens[:1]).last_hidden_state[0, 3], encoder(text)[0, 4])


def test_an_optimiser_step_moves_lora_and_nothing_else(text: TextBatch) -> None:
    encoder = adapted().train()
    before = {name: weight.detach().clone() for name, weight in encoder.named_parameters()}
    optimizer = torch.optim.AdamW([weight for weight in encoder.parameters() if weight.requires_grad], 0.1, weight_decay=0.1)
    for _ in range(2):  # A moves in the second: its gradient goes through B, which is zero at first
        optimizer.zero_grad()
        (encoder(text) * torch.randn(2, 6, 16)).sum().backward()
        optimizer.step()
    moved = {name for name, weight in encoder.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == learning(encoder) == {name for name in before if ".lora_" in name}
    assert {name.split(".lora_")[0].rsplit(".", 1)[1] for name in moved} == PROJECTIONS
    assert len(moved) == 2 * 2 * 4, "A and B of four projections in two layers"


def test_gradients_go_where_each_mode_sends_them(text: TextBatch) -> None:
    frozen, whole = (SemanticEncoder(None, TINY, trainable=trainable, max_length=32) for trainable in (False, True))
    assert not frozen(text).requires_grad
    assert learning(frozen) == set()
    assert learning(whole) == {name for name, _ in whole.named_parameters()}
    whole.trainable = False
    assert learning(whole) == set()
    assert not whole(text).requires_grad
    assert not whole.train().model.training
    whole.trainable = True
    assert whole.model.training
    assert whole(text).requires_grad
    with torch.no_grad():
        assert not adapted()(text).requires_grad


def test_dropout_of_a_frozen_language_model_is_off_and_loras_own_is_on(text: TextBatch) -> None:
    dropping = TINY | {"attention_dropout": 0.5, "resid_dropout": 0.5, "embed_dropout": 0.5}
    encoder = stirred(adapted(LoraSettings(rank=2), dropping)).train()
    assert torch.equal(encoder(text), encoder(text)), "no dropout of the language model"
    own = stirred(adapted(LoraSettings(rank=2, dropout=0.5), dropping)).train()
    assert not torch.equal(own(text), own(text)), "LoRA's own"
    own.eval()
    assert torch.equal(own(text), own(text))


def test_lora_can_be_rebuilt_and_loaded_without_its_source(tmp_path: Path, text: TextBatch) -> None:
    SemanticEncoder(None, TINY, trainable=False, max_length=32).model.save_pretrained(tmp_path)
    settings = LoraSettings(rank=3, alpha=5.0, dropout=0.1)
    encoder = stirred(SemanticEncoder(str(tmp_path), None, False, 32, settings)).eval()
    rebuilt = SemanticEncoder(None, encoder.architecture, False, 32, settings).eval()
    assert list(rebuilt.state_dict()) == list(encoder.state_dict())
    assert not torch.equal(rebuilt(text), encoder(text))
    rebuilt.load_state_dict(encoder.state_dict())
    assert torch.equal(rebuilt(text), encoder(text))


def test_the_names_of_weights_in_a_checkpoint_stay() -> None:
    names = [
        name for name in adapted(LoraSettings(target_modules=["q_proj"])).state_dict() if name.startswith("model.h.0.attn.attention.q_")
    ]
    assert names == [f"model.h.0.attn.attention.q_proj.{part}.weight" for part in ("base_layer", "lora_A.default", "lora_B.default")]


@pytest.mark.parametrize("architecture", [TINY, GPT2])
def test_folded_it_says_the_same_without_lora(architecture: dict, text: TextBatch) -> None:
    encoder = stirred(adapted(architecture=architecture)).eval()
    folded = encoder.folded()
    torch.testing.assert_close(folded(text), encoder(text), atol=1e-5, rtol=1e-5)
    assert folded.lora is None
    assert learning(folded) == set()
    assert list(folded.state_dict()) == list(SemanticEncoder(None, architecture, False, 32).state_dict())
    stirred(encoder)
    assert not torch.allclose(folded(text), encoder(text), atol=1e-3), "it is a copy"


def test_which_layers_learn_is_told_or_refused() -> None:
    assert {name.split(".lora_")[0].rsplit(".", 1)[1] for name in learning(adapted(architecture=GPT2))} == {"c_attn"}
    exact = adapted(LoraSettings(target_modules=["h.1.attn.attention.v_proj", "c_fc"]))
    places = {name.split(".lora_")[0].removeprefix("model.") for name in learning(exact)}
    assert places == {"h.1.attn.attention.v_proj", "h.0.mlp.c_fc", "h.1.mlp.c_fc"}
    existing = "c_fc, c_proj, k_proj, out_proj, q_proj, v_proj"
    with pytest.raises(SovitsError, match=f"names query, proj; the linear layers of this language model are {existing}:"):
        adapted(LoraSettings(target_modules=["q_proj", "query", "proj"]))
    bert = {"model_type": "bert", "vocab_size": 100, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 32, "max_position_embeddings": 32}  # fmt: skip
    with pytest.raises(SovitsError, match="names no layer, .* are dense, key, query, value:"):
        adapted(architecture=bert)


def test_settings_that_contradict_or_make_no_sense_are_refused() -> None:
    with pytest.raises(SovitsError, match=r"semantic_encoder.trainable=true .* model.semantic_encoder.lora"):
        SemanticEncoder("nobody/nothing", None, trainable=True, lora=LoraSettings())
    encoder = adapted()
    with pytest.raises(SovitsError, match="lora=null"):
        encoder.trainable = True
    assert not encoder.trainable
    with pytest.raises(SovitsError, match="lora.rank=0"):
        LoraSettings(rank=0)
    with pytest.raises(SovitsError, match="lora.dropout=1.0"):
        LoraSettings(dropout=1.0)
    with pytest.raises(SovitsError, match="cache_texts=-1"):
        SemanticEncoder(None, TINY, trainable=False, max_length=32, cache_texts=-1)


TEXTS = [[5, 6, 7, 8], [9, 10], [5, 6, 7], [11]]


def batch_of(*texts: list[int]) -> TextBatch:
    """Each phone is read as one token."""
    lengths = torch.tensor([len(text) for text in texts])
    tokens = nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
    batch = TextBatch.from_phones(torch.ones_like(tokens))
    batch.tokens, batch.token_lengths = tokens, lengths
    places = torch.arange(tokens.shape[1])[None]
    batch.phone_to_token = places * (places < lengths[:, None])
    return batch


def remembering(cache_texts: int, lora: LoraSettings | None = None, trainable: bool = False) -> tuple[SemanticEncoder, list[int]]:
    """An encoder, and a list that grows by the number of texts at each run of its language model."""
    encoder = SemanticEncoder(None, TINY, trainable, 32, lora, cache_texts)
    runs: list[int] = []
    encoder.model.register_forward_pre_hook(lambda *call: runs.append(len(call[-1]["input_ids"])), with_kwargs=True)
    return encoder, runs


def test_only_unknown_texts_are_computed_and_the_result_is_the_same() -> None:
    encoder, runs = remembering(10)
    plain = SemanticEncoder(None, TINY, False, 32)
    plain.load_state_dict(encoder.state_dict())
    assert list(plain.state_dict()) == list(encoder.state_dict())
    for texts, computed in [
        ([TEXTS[0]], [1]),  # all new
        ([TEXTS[0]], []),  # all known
        ([TEXTS[1], TEXTS[0], TEXTS[2]], [2]),  # the prefix of a known text is another text
        ([TEXTS[3], TEXTS[1], TEXTS[3]], [1]),  # one new text, twice
        ([[5, 6, 7, 9]], [1]),  # one token of a known text is another
        (TEXTS, []),
    ]:
        runs.clear()
        batch = batch_of(*texts)
        torch.testing.assert_close(encoder(batch), plain(batch), atol=1e-6, rtol=0)
        assert runs == computed
    assert list(encoder.state_dict()) == list(plain.state_dict()), "what it remembers is in no checkpoint"


def test_the_texts_used_longest_ago_are_forgotten() -> None:
    encoder, runs = remembering(2)
    for texts, computed in [
        (TEXTS[:2], [2]),
        (TEXTS[:1], []),
        (TEXTS[2:3], [1]),
        (TEXTS[:1], []),
        (TEXTS[1:2], [1]),
        (TEXTS, [2]),
        (TEXTS[2:], []),
    ]:
        runs.clear()
        assert encoder(batch_of(*texts)).isfinite().all()
        assert runs == computed
        assert len(encoder.remembered) <= 2


def test_without_a_capacity_nothing_is_remembered() -> None:
    encoder, runs = remembering(0)
    encoder(batch_of(*TEXTS))
    encoder(batch_of(*TEXTS))
    assert runs == [4, 4]
    assert len(encoder.remembered) == 0


@pytest.mark.parametrize(("lora", "trainable"), [(LoraSettings(), False), (None, True)])
def test_what_learns_is_never_remembered(lora: LoraSettings | None, trainable: bool) -> None:
    encoder, runs = remembering(10, lora, trainable)
    for mode in (True, False):
        encoder.train(mode)(batch_of(*TEXTS))
    assert runs == [4, 4]
    assert len(encoder.remembered) == 0


def test_other_weights_make_it_forget() -> None:
    encoder, _ = remembering(10)
    other = SemanticEncoder(None, TINY, False, 32)
    batch = batch_of(*TEXTS)
    for load in (
        lambda: nn.ModuleDict({"inside": encoder}).load_state_dict({f"inside.{name}": value for name, value in other.state_dict().items()}),
        lambda: encoder.model.load_state_dict(other.model.state_dict()),
    ):
        with torch.no_grad():
            for weight in encoder.parameters():
                weight.normal_()
        encoder.remembered.clear()
        encoder(batch)
        load()
        torch.testing.assert_close(encoder(batch), other(batch), atol=1e-6, rtol=0)
    encoder.trainable = True
    assert len(encoder.remembered) == 0
    encoder.trainable = False
    encoder(batch)
    assert len(encoder.remembered) == 4
    nn.ModuleList([encoder]).double()
    assert len(encoder.remembered) == 0
    assert encoder(batch).dtype == torch.float64
    torch.testing.assert_close(encoder(batch), other.double()(batch), atol=1e-6, rtol=0)


def test_what_one_precision_gave_is_not_used_in_another() -> None:
    encoder, runs = remembering(10)
    batch = batch_of(*TEXTS)
    full = encoder(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = encoder(batch)
    assert runs == [4, 4]
    assert not torch.equal(half, full)
    assert torch.equal(encoder(batch), full)


def test_what_validation_remembered_serves_training() -> None:
    encoder, runs = remembering(10)
    batch = batch_of(*TEXTS)
    with torch.inference_mode():
        encoder(batch)
    after = nn.Linear(16, 1)
    after(encoder(batch)).sum().backward()
    assert runs == [4]
    assert after.weight.grad is not None


def test_a_copy_remembers_for_itself() -> None:
    encoder, _ = remembering(10)
    batch = batch_of(*TEXTS)
    encoder(batch)
    twin = copy.deepcopy(encoder)
    twin.model.load_state_dict(SemanticEncoder(None, TINY, False, 32).model.state_dict())
    assert (len(twin.remembered), len(encoder.remembered)) == (0, 4)


def test_a_short_text_beside_a_long_one_takes_no_more_memory() -> None:
    encoder, _ = remembering(10)
    encoder(batch_of(*TEXTS))
    sizes = sorted(state.untyped_storage().nbytes() for state in encoder.remembered._states.values())
    assert sizes == [4 * 16 * len(text) for text in sorted(TEXTS, key=len)]
