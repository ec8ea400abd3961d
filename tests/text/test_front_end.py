"""The whole front end: languages, stops, offsets, sizes, errors, any Unicode."""

from __future__ import annotations

import csv
import multiprocessing
import pickle
import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from sovits.cli import config_directory
from sovits.errors import SovitsError
from sovits.text import EncodedText, EnglishLetters, MandarinPhonemizer, SemanticTokenizer, TextFrontEnd
from sovits.text.batch import TextBatch
from sovits.text.language import HAN, LATIN
from sovits.text.symbols import LANGUAGES, SYMBOLS, TONES, written

MIXED = "Hello，欢迎致电客服中心"
HARD = [
    MIXED,
    "The read of the record: $3.50 — (really)!",
    "今天是2026年11月22日，下午3点30分，气温-5.5°C。",
    "新款的三星表将标配SAMSUNG PAY",
    "很快被指出与比利时列日剧场的L O G O十分相似",
    "HE HAD NO MONEY AND A DOG",
    "iPhone 15 发布了，售价$999！",
    'He said "hello" to the naïve café owner.',
    "一二三，GPU3块。A4纸？",
]


def check(encoded: EncodedText, max_length: int = 128) -> None:
    """What must hold of any encoded text."""
    count = len(encoded.phones)
    assert count > 0
    assert count == len(encoded.symbols) == len(encoded.tones) == len(encoded.languages) == len(encoded.phone_to_token)
    assert all(0 < phone < len(SYMBOLS) for phone in encoded.phones)
    assert all(0 <= tone < len(TONES) for tone in encoded.tones)
    assert all(0 < language < len(LANGUAGES) for language in encoded.languages)
    assert 0 < len(encoded.tokens) <= max_length
    assert all(0 <= token < len(encoded.tokens) for token in encoded.phone_to_token)
    assert encoded.phone_to_token == sorted(encoded.phone_to_token)
    assert encoded.symbols == [written(SYMBOLS[phone], tone) for phone, tone in zip(encoded.phones, encoded.tones, strict=True)]
    check_words(encoded)


def check_words(encoded: EncodedText) -> None:
    """Words in order, each phone in one at most; what is in none is no sound of a word."""
    place = last = 0
    covered = set()
    for word in encoded.words:
        assert last <= word.first < word.end <= len(encoded.phones)
        last = word.end
        place = encoded.text.index(word.text, place) + len(word.text)
        covered |= set(range(word.first, word.end))
    silent = {symbol for number, symbol in enumerate(encoded.symbols) if number not in covered}
    assert silent <= {"<edge>", "<blank>", "<space>", *",.!?;:…—"}


def test_the_mixed_example_switches_language_at_the_right_place(front_end: TextFrontEnd) -> None:
    encoded = front_end(MIXED)
    check(encoded)
    assert encoded.text == "Hello,欢迎致电客服中心"
    assert encoded.symbols[:6] == ["<edge>", "h", "ə", "l", "ˈoʊ", ","]
    assert encoded.symbols[6:9] == ["h1", "uan1", "ing2"]
    assert encoded.words[:3] == (("Hello", 1, 5), ("欢", 6, 8), ("迎", 8, 9))
    assert encoded.languages == [1] * 6 + [2] * 16
    assert encoded.tones[:9] == [0, 0, 0, 0, 7, 0, 1, 1, 2]
    assert encoded.tokens[:2] == [15496, 11]
    assert encoded.phone_to_token[:8] == [0, 0, 0, 0, 0, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("yes no", "<edge> j ˈɛ s <space> n ˈoʊ <edge>"),
        ("yes, no.", "<edge> j ˈɛ s , n ˈoʊ . <edge>"),
        ('"yes" (no)?!', "<edge> j ˈɛ s , n ˈoʊ ? <edge>"),
        ("...yes… no—", "<edge> j ˈɛ s … n ˈoʊ — <edge>"),
        ("好no好", "<edge> h3 ao3 <space> n ˈoʊ <space> h3 ao3 <edge>"),
        ("好好，好", "<edge> h2 ao2 h3 ao3 , h3 ao3 <edge>"),
        ("好 好", "<edge> h3 ao3 h3 ao3 <edge>"),
    ],
)
def test_stops_and_boundaries(front_end: TextFrontEnd, text: str, symbols: str) -> None:
    assert " ".join(front_end(text).symbols) == symbols


def test_boundaries_edges_and_blanks_are_switches(mandarin: MandarinPhonemizer, tokenizer: SemanticTokenizer) -> None:
    bare = TextFrontEnd(EnglishLetters(), mandarin, tokenizer, word_boundaries=False, edges=False)
    assert bare("a b 好").symbols == ["a", "b", "h3", "ao3"]
    blanks = TextFrontEnd(EnglishLetters(), mandarin, tokenizer, word_boundaries=False, edges=False, intersperse=True)
    encoded = blanks("a b 好")
    check(encoded)
    assert encoded.symbols == ["<blank>", "a", "<blank>", "b", "<blank>", "h3", "<blank>", "ao3", "<blank>"]
    assert encoded.languages == [1, 1, 1, 1, 1, 2, 2, 2, 2]
    assert encoded.words == (("a", 1, 2), ("b", 3, 4), ("好", 5, 8))


def tokens_by_bytes(front_end: TextFrontEnd, encoded: EncodedText) -> list[int]:
    """For each character of the text the token that holds its first byte, found by counting bytes instead of by offsets."""
    names = [front_end.tokenizer._tokenizer.id_to_token(token) for token in front_end.tokenizer(encoded.text).ids]
    token_of_byte = [position for position, name in enumerate(names) for _ in name]
    starts = [len(encoded.text[:position].encode()) for position in range(len(encoded.text))]
    return [min(token_of_byte[start], len(encoded.tokens) - 1) for start in starts]


def check_english_map(front_end: TextFrontEnd, text: str) -> None:
    """Text without punctuation: the phones between two boundaries are one word's."""
    encoded = front_end(text)
    tokens = tokens_by_bytes(front_end, encoded)
    starts = [match.start() for match in re.finditer(rf"[{LATIN}]+(?:'[{LATIN}]+)*", encoded.text)]
    word = 0
    assert encoded.symbols.count("<space>") == len(starts) - 1
    for symbol, token in list(zip(encoded.symbols, encoded.phone_to_token, strict=True))[1:-1]:
        if symbol == "<space>":
            word += 1
        else:
            assert token == tokens[starts[word]], (encoded.text, word)


def check_mandarin_map(front_end: TextFrontEnd, text: str) -> None:
    """Text of Chinese characters only: the reader says how many phones each character has."""
    encoded = front_end(text)
    tokens = tokens_by_bytes(front_end, encoded)
    expected = [tokens[word.start] for word in front_end.mandarin(encoded.text) for _ in word.phones]
    assert encoded.phone_to_token == [expected[0], *expected, expected[-1]]


def test_phones_point_to_the_tokens_of_their_characters(front_end: TextFrontEnd) -> None:
    check_english_map(front_end, "the Norsemen considered naïve unbelievable antidisestablishmentarianism don't")
    check_mandarin_map(front_end, "欢迎致电客服中心龘靐齉我们都是好朋友")
    check_mandarin_map(front_end, "今天天气不错" * 40)  # beyond the 128 tokens
    encoded = front_end("Go, 好。Yes")
    assert encoded.text == "Go, 好.Yes"
    # Tokens: Go | , | space | 好 in two | . | Yes.
    tokens = tokens_by_bytes(front_end, encoded)
    assert encoded.symbols == ["<edge>", "ɡ", "ˈoʊ", ",", "h3", "ao3", ".", "j", "ˈɛ", "s", "<edge>"]
    assert encoded.phone_to_token == [tokens[position] for position in (0, 0, 0, 2, 4, 4, 5, 6, 6, 6, 6)]


def test_phones_beyond_the_last_token_point_to_it(english, mandarin) -> None:
    short = TextFrontEnd(english, mandarin, SemanticTokenizer(max_length=4))
    encoded = short("one two three four five six seven")
    check(encoded, max_length=4)
    assert len(encoded.tokens) == 4
    assert encoded.phone_to_token[-1] == 3
    assert encoded.phone_to_token.count(3) > 10


def test_every_real_transcript_encodes(real_speech: Path, front_end: TextFrontEnd, letters_front_end: TextFrontEnd) -> None:
    with (real_speech / "manifest.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    languages = {"en": "en", "zh": "zh", "zh-en": "mixed"}
    assert len(rows) > 1000
    for row in rows:
        encoded = front_end(row["text"], languages[row["language"]])
        check(encoded)
        check(letters_front_end(row["text"]))
        # 43 frames a second must be enough for the alignment: a frame a phone.
        assert len(encoded.phones) < float(row["duration_s"]) * 22050 / 512, row["text"]
        if not set(encoded.text) - set("abcdefghijklmnopqrstuvwxyzI' "):
            check_english_map(front_end, row["text"])
        elif re.fullmatch(f"[{HAN}]+", encoded.text):
            check_mandarin_map(front_end, row["text"])


def test_upper_case_corpora_are_read_as_words(real_speech: Path, front_end: TextFrontEnd) -> None:
    with (real_speech / "manifest.csv").open(encoding="utf-8-sig") as file:
        texts = [row["text"] for row in csv.DictReader(file) if row["corpus"] == "librispeech"]
    spelt = [text for text in texts if re.search(r"\b[A-Z] [A-Z]\b", front_end(text).text) and not re.search(r"\b[A-Z] [A-Z]\b", text)]
    assert len(texts) > 250
    assert spelt == []


def test_it_is_deterministic_picklable_and_thread_safe(front_end: TextFrontEnd) -> None:
    expected = [front_end(text) for text in HARD]
    copy = pickle.loads(pickle.dumps(front_end))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(copy, HARD * 5)) == expected * 5


def test_it_works_in_a_forked_worker(front_end: TextFrontEnd) -> None:
    expected = [front_end(text) for text in HARD]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(front_end, HARD) == expected


def test_a_long_text_is_read_as_its_sentences_are(front_end: TextFrontEnd) -> None:
    sentence = "It was a dark and stormy night 我们都是好朋友。 "
    one, many = front_end(sentence), front_end(sentence * 200)
    check(many)
    # Without the silences at both ends.
    assert len(many.phones) - 2 == 200 * (len(one.phones) - 2)


@pytest.mark.parametrize("text", ["", "...", "Привет мир", "こんにちは", "hello мир", "\U00030000好"])
def test_bad_text_is_one_sentence(front_end: TextFrontEnd, text: str) -> None:
    with pytest.raises(SovitsError) as error:
        front_end(text)
    assert "\n" not in str(error.value)


def test_a_table_too_small_is_named_at_the_start(front_end: TextFrontEnd) -> None:
    with pytest.raises(SovitsError, match=r"text.vocabulary=40 .* 168 entries"):
        TextFrontEnd(front_end.english, front_end.mandarin, front_end.tokenizer, vocabulary=40)


@pytest.mark.parametrize("choice", ["phones", "characters"])
def test_the_configurations_build(choice: str) -> None:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose(overrides=[f"+text={choice}", "+model.semantic_encoder.source=null", "+model.semantic_encoder.max_length=16"])
    front_end = instantiate(config.text)
    assert isinstance(front_end, TextFrontEnd)
    assert front_end.tokenizer.max_length == 16
    assert (front_end.vocabulary, front_end.tones, front_end.languages) == (
        config.text.vocabulary,
        config.text.tones,
        config.text.languages,
    )
    encoded = front_end(MIXED)
    check(encoded, max_length=16)
    assert encoded.symbols[1:6] == (["h", "ə", "l", "ˈoʊ", ","] if choice == "phones" else ["h", "e", "l", "l", "o"])
    assert OmegaConf.to_container(config.text, resolve=True)["_target_"] == "sovits.text.TextFrontEnd"


def test_a_batch_pads_with_zeros(front_end: TextFrontEnd) -> None:
    texts = [front_end(text) for text in HARD[:3]]
    batch = TextBatch.collate(texts)
    assert batch.phones.shape == batch.tones.shape == batch.languages.shape == batch.phone_to_token.shape
    for row, text in enumerate(texts):
        assert batch.phones[row, : len(text.phones)].tolist() == text.phones
        assert batch.phones[row, len(text.phones) :].eq(0).all()


def random_text(draw: random.Random, alphabets: list[str | tuple[int, int]], longest: int) -> str:
    def character() -> str:
        alphabet = draw.choice(alphabets)
        return draw.choice(alphabet) if isinstance(alphabet, str) else chr(draw.randint(*alphabet))

    return "".join(character() for _ in range(draw.randint(1, longest)))


def test_any_unicode_is_encoded_or_refused(front_end: TextFrontEnd) -> None:
    draw = random.Random(0)
    # Latin and its neighbours, symbols, Chinese, both other ends of the plane (with lone surrogates), everything.
    ranges: list[str | tuple[int, int]] = [(0, 0x24F), (0x2000, 0x2FFF), (0x4E00, 0x9FFF), (0x3000, 0xFFFF), (0, 0x10FFFF)]
    texts = [random_text(draw, ranges[: draw.randint(1, 5)], 12) for _ in range(3000)]
    encoded = 0
    for text in texts:
        try:
            check(front_end(text))
            encoded += 1
        except SovitsError:
            continue
    assert 300 < encoded < 2700


def test_anything_typed_in_either_language_is_encoded(front_end: TextFrontEnd, letters_front_end: TextFrontEnd) -> None:
    draw = random.Random(0)
    latin = "abcdeXYZ '-.,éßŁđ\u0301"
    numbers = "0123456789.,:/-+%$€£¥°№½②Ⅳ℃"
    marks = "'\"()&@#~*^=<>_|\\ \n!?;…—，。！？：“”😀"
    chinese = "年月日点分元个第一不的吗你好三号"
    for _ in range(1500):
        text = "a" + random_text(draw, [latin, numbers, marks, chinese], 40)
        for reader in (front_end, letters_front_end):
            encoded = reader(text)
            check(encoded)
            assert not re.search(r"[\d%$&@#]", encoded.text)
