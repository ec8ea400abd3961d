"""Semantic tokens against tiktoken's own, and their character offsets."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import pytest

from sovits.errors import SovitsError
from sovits.text import SemanticTokenizer
from sovits.text.gpt2 import END_OF_TEXT, _ranks_file, _read_ranks, gpt2_definition
from sovits.text.tokenization import _first_covering

GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
TEXTS = [
    "Hello, world!",
    "  two  spaces \n\n",
    "don't we're I'll",
    "Hello,欢迎致电客服中心",
    "汉字龘𠀀",
    "naïve café",
    "a" * 300,
    "I,I.I!I?",
]


@pytest.fixture(scope="module")
def tiktoken_encoding():
    tiktoken = pytest.importorskip("tiktoken")
    return tiktoken.Encoding("gpt2", pat_str=GPT2_PATTERN, mergeable_ranks=_read_ranks(_ranks_file()), special_tokens={END_OF_TEXT: 50256})


def random_texts(count: int) -> list[str]:
    draw = random.Random(0)
    ranges = [(32, 126), (0x4E00, 0x9FFF), (0xA0, 0x24F), (0x1F600, 0x1F640), (9, 13)]
    return ["".join(chr(draw.randint(*draw.choice(ranges))) for _ in range(draw.randint(1, 50))) for _ in range(count)]


def test_tokens_are_tiktokens(tokenizer: SemanticTokenizer, tiktoken_encoding) -> None:
    for text in [*TEXTS, *random_texts(2000)]:
        assert tokenizer(text).ids == tiktoken_encoding.encode_ordinary(text), text


def test_tokens_of_real_transcripts_are_tiktokens(real_speech: Path, tokenizer: SemanticTokenizer, tiktoken_encoding) -> None:
    lines = (real_speech / "manifest.csv").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert tokenizer(line).ids == tiktoken_encoding.encode_ordinary(line)


def test_it_has_gpt2s_vocabulary_and_known_ids(tokenizer: SemanticTokenizer) -> None:
    assert tokenizer.vocabulary_size == 50257
    assert tokenizer("Hello world").ids == [15496, 995]
    assert tokenizer._tokenizer.token_to_id(END_OF_TEXT) == 50256


def test_each_character_belongs_to_the_first_token_that_holds_any_of_its_bytes(tokenizer: SemanticTokenizer) -> None:
    """The reference decodes bytes: token i covers the bytes from the total length of the tokens before it."""
    byte_of = {rank: token for token, rank in _read_ranks(_ranks_file()).items()}
    for text in [*TEXTS, *random_texts(300)]:
        ids, owners = tokenizer(text)
        token_of_byte = [position for position, token in enumerate(ids) for _ in byte_of[token]]
        starts = [len(text[:position].encode()) for position in range(len(text))]
        assert owners == [token_of_byte[start] for start in starts], text


def test_characters_no_token_covers_go_to_the_next() -> None:
    assert _first_covering([(1, 2), (4, 6)], 8) == [0, 0, 1, 1, 1, 1, 1, 1]
    assert _first_covering([(0, 1), (0, 1), (1, 2)], 2) == [0, 2]


def test_its_definition_is_recovered_once_a_process() -> None:
    assert gpt2_definition() is gpt2_definition()


def test_a_definition_rebuilds_any_tokenizer(tokenizer: SemanticTokenizer) -> None:
    copy = SemanticTokenizer(definition=tokenizer.to_json(), max_length=7)
    assert tokenizer.is_default
    assert not copy.is_default
    assert copy.max_length == 7
    for candidate in (copy, pickle.loads(pickle.dumps(copy)), pickle.loads(pickle.dumps(tokenizer))):
        assert [candidate(text) for text in TEXTS] == [tokenizer(text) for text in TEXTS]
    assert len(pickle.dumps(tokenizer)) < 1000


def test_a_local_folder_is_a_source(tokenizer: SemanticTokenizer, tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer).save_pretrained(tmp_path)
    local = SemanticTokenizer(str(tmp_path))
    assert not local.is_default
    assert [local(text) for text in TEXTS] == [tokenizer(text) for text in TEXTS]


def test_a_missing_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match="nowhere is not a folder"):
        SemanticTokenizer(str(tmp_path / "nowhere"))
    with pytest.raises(SovitsError, match=r"source=no/such-model.*give a local folder"):
        SemanticTokenizer("no/such-model")
    with pytest.raises(SovitsError, match="not a tokenizer"):
        SemanticTokenizer(definition="{}")
    with pytest.raises(SovitsError, match="max_length=0"):
        SemanticTokenizer(max_length=0)
