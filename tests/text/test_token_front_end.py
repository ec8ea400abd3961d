"""Tokens as the units: ids, the characters they cover, languages, sizes, errors, configurations."""

from __future__ import annotations

import csv
import pickle
import random
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from sovits.cli import config_directory
from sovits.errors import SovitsError
from sovits.text import EncodedText, SemanticTokenizer, TextFrontEnd, TokenFrontEnd
from sovits.text.batch import TextBatch
from sovits.text.language import HAN, LATIN
from sovits.text.symbols import LANGUAGES
from sovits.voice.carried_config import BUILT
from sovits.voice.checkpoint import FORMAT, Checkpoint

MIXED = "Hello，欢迎致电客服中心"
HARD = [
    MIXED,
    "The read of the record: $3.50 — (really)!",
    "今天是2026年11月22日，下午3点30分，气温-5.5°C。",
    "Go to 北京, then 好 naïve 龘靐齉 café",
    'He said "hello" to the café owner.',
    "...yes… no—",
    "好",
]


@pytest.fixture(scope="module")
def tokens_front_end(tokenizer: SemanticTokenizer) -> TokenFrontEnd:
    return TokenFrontEnd(tokenizer)


def trained(model: Any, trainer: Any, pre_tokenizer: Any, texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_level() -> Tokenizer:
    """As small models have it: their own merges, and offsets without the space before a word."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    tokenizer = trained(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False), ["the other one", "你好", "你们好"] * 9)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


def english_only(unknown: str | None) -> Tokenizer:
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=[unknown] if unknown else [], show_progress=False)
    return trained(models.BPE(unk_token=unknown), trainer, pre_tokenizers.Whitespace(), ["the other one is here"] * 9)


def check(encoded: EncodedText, front_end: TokenFrontEnd, max_length: int = 128) -> None:
    """What must hold of any text with edges."""
    count = len(encoded.phones)
    assert count == len(encoded.symbols) == len(encoded.tones) == len(encoded.languages) == len(encoded.phone_to_token) >= 3
    ids = front_end.tokenizer(encoded.text).ids
    assert encoded.phones == [1, *(token + 2 for token in ids), 1]
    assert max(encoded.phones) < front_end.vocabulary
    assert encoded.tones == [0] * count
    assert encoded.symbols[0] == encoded.symbols[-1] == "<edge>"
    assert all(encoded.symbols)
    assert all(0 < language < len(LANGUAGES) for language in encoded.languages)
    assert encoded.tokens == ids[:max_length]
    last = min(len(ids), max_length) - 1
    assert encoded.phone_to_token == [0, *(min(place, last) for place in range(len(ids))), last]
    words = re.findall(rf"[{HAN}]|[{LATIN}]+(?:'[{LATIN}]+)*", encoded.text)
    assert "".join(word.text for word in encoded.words) == "".join(words)
    assert all(before.end <= word.first < word.end for before, word in pairwise(encoded.words))
    for word in encoded.words:
        spelt = "".join(re.sub(r"/\d", "", symbol) for symbol in encoded.symbols[word.first : word.end])
        assert word.text[0] in spelt
        assert word.text[-1] in spelt


def spans_by_bytes(tokenizer: SemanticTokenizer, text: str) -> list[tuple[int, int]]:
    """The characters of each token, found by counting bytes; GPT-2 writes a letter for each byte of a token."""
    character_of_byte = [place for place, character in enumerate(text) for _ in character.encode()]
    spans, start = [], 0
    for token in tokenizer(text).ids:
        end = start + len(tokenizer._tokenizer.id_to_token(token) or "")
        spans.append((character_of_byte[start], character_of_byte[end - 1] + 1))
        start = end
    assert start == len(character_of_byte)
    return spans


def language_by_letters(text: str, spans: list[tuple[int, int]]) -> list[int]:
    """1 for English and 2 for Mandarin: of the last letter before or in the token, or the text's first."""
    letters = [
        (place, 2 if re.match(f"[{HAN}]", character) else 1)
        for place, character in enumerate(text)
        if re.match(f"[{HAN}{LATIN}]", character)
    ]
    found = []
    for start, end in spans:
        inside = [language for place, language in letters if start <= place < end]
        before = [language for place, language in letters if place < start]
        found.append(inside[0] if inside else before[-1] if before else letters[0][1])
    return found


def test_the_mixed_example_is_the_semantic_tokens_with_their_characters(tokens_front_end: TokenFrontEnd) -> None:
    encoded = tokens_front_end(MIXED)
    check(encoded, tokens_front_end)
    assert encoded.text == "Hello,欢迎致电客服中心"
    assert encoded.phones[:3] == [1, 15496 + 2, 11 + 2]
    assert encoded.tokens[:2] == [15496, 11]
    assert encoded.symbols[:8] == ["<edge>", "Hello", ",", "欢/1", "欢/2", "欢/3", "迎/1", "迎/2"]
    assert encoded.symbols[-4:] == ["中", "心/1", "心/2", "<edge>"]
    assert encoded.languages == [1] * 3 + [2] * 18


@pytest.mark.parametrize(
    ("text", "normalized", "symbols"),
    [
        ("I have 3 dogs.", "I have three dogs.", "I _have _three _dogs ."),
        ("我有3只狗。", "我有三只狗.", "我/1 我/2 有/1 有/2 三 只/1 只/2 狗/1 狗/2 ."),
        ("Go to 欢", "Go to 欢", "Go _to _欢/1 欢/2 欢/3"),
        ("a 你", "a 你", "a _ 你/1 你/2"),
        ("naïve café", "naïve café", "na ïve _café"),
    ],
)
def test_symbols_are_the_text_they_cover(tokens_front_end: TokenFrontEnd, text: str, normalized: str, symbols: str) -> None:
    encoded = tokens_front_end(text)
    check(encoded, tokens_front_end)
    assert encoded.text == normalized
    assert " ".join(encoded.symbols[1:-1]) == symbols


def random_sentences(count: int) -> list[str]:
    draw = random.Random(0)
    return ["a" + "".join(draw.choice("ab éẞo'z  ,.?!你好龘的一三〇𠀀") for _ in range(draw.randint(1, 40))) for _ in range(count)]


def test_every_token_covers_the_characters_of_its_bytes(tokens_front_end: TokenFrontEnd) -> None:
    for text in [*HARD, *random_sentences(300)]:
        encoded = tokens_front_end(text)
        check(encoded, tokens_front_end)
        spans = spans_by_bytes(tokens_front_end.tokenizer, encoded.text)
        pieces = tokens_front_end.tokenizer.pieces(encoded.text)
        assert [(piece.start, piece.end) for piece in pieces] == spans, text
        bare = [re.sub(r"/\d+", "", symbol) for symbol in encoded.symbols[1:-1]]
        assert bare == [encoded.text[start:end].replace(" ", "_") for start, end in spans]
        first, *middle, last = encoded.languages
        assert middle == language_by_letters(encoded.text, spans), text
        assert (first, last) == (middle[0], middle[-1])


def test_every_part_of_a_character_has_its_turn(tokens_front_end: TokenFrontEnd) -> None:
    encoded = tokens_front_end("龘欢好" * 20)
    turns = re.findall(r"(.)/(\d)", "".join(encoded.symbols))
    assert len(turns) > 120
    for (before, turn_before), (character, turn) in pairwise(turns):
        assert int(turn) == (int(turn_before) + 1 if character == before else 1)


def test_punctuation_has_the_language_of_the_words_before_it_or_of_the_first(tokens_front_end: TokenFrontEnd) -> None:
    encoded = tokens_front_end("“好”, yes! 好?")
    assert encoded.text == '"好", yes! 好?'
    named = dict(zip(encoded.symbols, encoded.languages, strict=True))
    assert encoded.symbols[1:5] == ['"', "好/1", "好/2", '",']
    assert encoded.languages[1:5] == [2, 2, 2, 2]
    assert (named["_yes"], named["!"], named["?"]) == (1, 1, 2)


def test_without_edges_the_units_are_the_tokens_alone(tokenizer: SemanticTokenizer) -> None:
    encoded = TokenFrontEnd(tokenizer, edges=False)(MIXED)
    assert encoded.phones == [token + 2 for token in encoded.tokens]
    assert encoded.phone_to_token == list(range(len(encoded.tokens)))
    assert len(encoded.symbols) == len(encoded.languages) == len(encoded.tones) == len(encoded.tokens) == 19


def test_semantic_tokens_are_cut_and_units_are_not(tokens_front_end: TokenFrontEnd) -> None:
    text = " ".join(["dog"] * 300)
    encoded = tokens_front_end(text)
    check(encoded, tokens_front_end)
    assert len(encoded.phones) == 302
    assert len(encoded.tokens) == 128
    assert encoded.phone_to_token[126:132] == [125, 126, 127, 127, 127, 127]
    assert encoded.phone_to_token.count(127) == 300 - 127 + 1
    short = TokenFrontEnd(SemanticTokenizer(max_length=1))
    check(short(MIXED), short, max_length=1)


def test_it_reads_numbers_dates_and_capitals_as_the_phone_front_end_does(
    tokens_front_end: TokenFrontEnd, letters_front_end: TextFrontEnd
) -> None:
    for text in [*HARD, "HE HAD NO MONEY AND A DOG", "iPhone 15 发布了，售价$999！"]:
        assert tokens_front_end(text).text == letters_front_end(text).text
        assert tokens_front_end(text).tokens == letters_front_end(text).tokens
    for language in ("en", "zh"):
        assert tokens_front_end("10086", language).text == letters_front_end("10086", language).text


@pytest.mark.parametrize("text", ["", "...", "Привет мир", "こんにちは", "hello мир"])
def test_bad_text_is_refused_in_the_words_of_the_phone_front_end(
    tokens_front_end: TokenFrontEnd, letters_front_end: TextFrontEnd, text: str
) -> None:
    with pytest.raises(SovitsError) as expected:
        letters_front_end(text)
    with pytest.raises(SovitsError) as error:
        tokens_front_end(text)
    assert str(error.value) == str(expected.value)


def test_an_unknown_language_is_refused(tokens_front_end: TokenFrontEnd) -> None:
    with pytest.raises(SovitsError, match="language='fr' is not known"):
        tokens_front_end("hello", "fr")


def test_a_vocabulary_too_small_names_both_numbers(tokenizer: SemanticTokenizer) -> None:
    assert TokenFrontEnd(tokenizer, vocabulary=50259).vocabulary == 50259
    with pytest.raises(SovitsError, match=r"text.vocabulary=50258 .* 50259 ids .*text.tokenizer \(GPT-2\).* set text.vocabulary=50259"):
        TokenFrontEnd(tokenizer, vocabulary=50258)
    with pytest.raises(SovitsError, match="text.tones=5 .* 8 entries"):
        TokenFrontEnd(tokenizer, tones=5)
    with pytest.raises(SovitsError, match="text.languages=2 .* 3 entries"):
        TokenFrontEnd(tokenizer, languages=2)


def test_a_vocabulary_with_gaps_counts_to_its_last_id() -> None:
    sparse = Tokenizer(models.WordLevel({"yes": 3, "no": 70, "?": 0}, unk_token="?"))
    tokenizer = SemanticTokenizer(definition=sparse.to_str())
    assert tokenizer.vocabulary_size == 71
    with pytest.raises(SovitsError, match="73 ids"):
        TokenFrontEnd(tokenizer, vocabulary=72)
    assert TokenFrontEnd(tokenizer, vocabulary=73)("no").phones == [1, 72, 1]


def test_any_byte_level_tokenizer_serves() -> None:
    tokenizer = SemanticTokenizer(definition=byte_level().to_str())
    front_end = TokenFrontEnd(tokenizer, vocabulary=tokenizer.vocabulary_size + 2)
    encoded = front_end("the one 你好 a, b")
    check(encoded, front_end)
    # Its offsets leave out the spaces; a space alone has none.
    assert encoded.symbols == ["<edge>", "the", "one", "_", "你好", "_", "a", ",", "_", "b", "<edge>"]
    assert encoded.languages == [1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1]
    for text in HARD:
        check(front_end(text), front_end)


@pytest.mark.parametrize("unknown", [None, "<unk>"])
def test_a_word_that_no_token_spells_is_refused(unknown: str | None) -> None:
    tokenizer = SemanticTokenizer(definition=english_only(unknown).to_str())
    front_end = TokenFrontEnd(tokenizer)
    check(front_end("the other is here"), front_end)
    with pytest.raises(SovitsError, match=r"no token for 你 好 in 'the 你好'.*byte-level"):
        front_end("the 你好")
    # A stop is no word.
    assert front_end("the other!").text == "the other!"


def test_it_is_deterministic_picklable_and_thread_safe(tokens_front_end: TokenFrontEnd) -> None:
    expected = [tokens_front_end(text) for text in HARD]
    assert [tokens_front_end(text) for text in HARD] == expected
    pickled = pickle.dumps(tokens_front_end)
    assert len(pickled) < 1000
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(pickle.loads(pickled), HARD * 5)) == expected * 5


def test_every_real_transcript_encodes_with_frames_to_spare(real_speech: Path, tokens_front_end: TokenFrontEnd) -> None:
    with (real_speech / "manifest.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 1000
    for row in rows:
        encoded = tokens_front_end(row["text"], {"zh-en": "mixed"}.get(row["language"], row["language"]))
        check(encoded, tokens_front_end)
        if re.search(f"[{LATIN}]", encoded.text) is None:
            assert set(encoded.languages) == {2}
        # 43 frames a second must be enough for the alignment: a frame a token.
        assert len(encoded.phones) < float(row["duration_s"]) * 22050 / 512, row["text"]


def test_a_batch_of_tokens_pads_with_an_id_that_no_token_has(tokens_front_end: TokenFrontEnd) -> None:
    texts = [tokens_front_end(text) for text in HARD]
    batch = TextBatch.collate(texts)
    for row, text in enumerate(texts):
        assert batch.phones[row, : len(text.phones)].tolist() == text.phones
        assert batch.phones[row, : len(text.phones)].min() == 1
        assert batch.phones[row, len(text.phones) :].eq(0).all()


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        return compose("train", list(overrides))


@pytest.mark.parametrize("model", ["small", "base"])
def test_the_configuration_builds_and_its_text_encoder_reads_it(model: str) -> None:
    config = composed("text=bpe", f"model={model}", "model.semantic_encoder.max_length=16", "model.text_encoder.semantic_channels=0")
    front_end = instantiate(config.text)
    assert type(front_end) is TokenFrontEnd
    assert front_end.tokenizer.is_default
    assert (front_end.vocabulary, front_end.tokenizer.max_length) == (50259, 16)
    encoded = front_end(MIXED)
    check(encoded, front_end, max_length=16)
    text_encoder = instantiate(config.model.text_encoder)
    assert text_encoder.phones.num_embeddings == 50259
    # The last token's id is within the table.
    encoded.phones[1] = 50256 + 2
    with torch.inference_mode():
        encoding = text_encoder(TextBatch.collate([encoded]), None)
    assert encoding.mean.shape == (1, config.model.text_encoder.inter_channels, len(encoded.phones))


@pytest.mark.parametrize("choice", ["phones", "characters", "bpe"])
def test_no_way_of_reading_needs_a_semantic_encoder(choice: str) -> None:
    config = composed(f"text={choice}", "model.semantic_encoder=null", "model.text_encoder.semantic_channels=0")
    settings: Any = OmegaConf.to_container(config.text, resolve=True)
    assert settings["tokenizer"] == {"_target_": "sovits.text.SemanticTokenizer", "source": None, "max_length": 128}
    assert config.model.text_encoder.vocabulary == (50259 if choice == "bpe" else 512)
    assert len(instantiate(config.text)("Hello, 好").tokens) == 5


@pytest.mark.parametrize("choice", ["phones", "characters", "bpe"])
def test_the_tokenizer_is_the_semantic_encoders(choice: str) -> None:
    config = composed(f"text={choice}", "model.semantic_encoder.source=some/model", "model.semantic_encoder.max_length=77")
    assert (config.text.tokenizer.source, config.text.tokenizer.max_length) == ("some/model", 77)


def test_the_configurations_have_their_own_keys_and_no_others() -> None:
    common = {"_target_", "tokenizer", "vocabulary", "tones", "languages", "edges"}
    phonetic = common | {"mandarin", "english", "intersperse", "word_boundaries"}
    assert set(composed("text=bpe").text) == common
    assert set(composed("text=phones").text) == set(composed("text=characters").text) == phonetic


def test_a_checkpoint_with_another_tokenizer_is_read_and_builds_it(tokenizer: SemanticTokenizer, tmp_path: Path) -> None:
    # GPT-2's vocabulary has "${", as that of most models descended from it.
    assert "${" in tokenizer._tokenizer.get_vocab()
    settings = {
        "_target_": "sovits.text.TokenFrontEnd",
        "tokenizer": {
            "_target_": "sovits.text.SemanticTokenizer",
            "source": None,
            "max_length": 128,
            "definition": tokenizer.to_json(),
        },
        "vocabulary": 50259,
    }
    config: dict[str, Any] = {part: {} for part in BUILT} | {"text": settings}
    carried = {"format": FORMAT, "config": config, "speakers": [], "speaker_bank": {}}
    torch.save({"state_dict": {}, "sovits": carried}, tmp_path / "last.ckpt")
    front_end = Checkpoint.read(tmp_path / "last.ckpt").build("text")
    assert type(front_end) is TokenFrontEnd
    assert not front_end.tokenizer.is_default
    assert [front_end(text) for text in HARD] == [TokenFrontEnd(tokenizer)(text) for text in HARD]
    assert front_end.tokenizer._tokenizer.get_vocab() == tokenizer._tokenizer.get_vocab()
