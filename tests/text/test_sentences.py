"""Texts of any length, cut where a speaker would pause, with nothing lost."""

from __future__ import annotations

import random
import re

import pytest

from sovits.text.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello，欢迎致电客服中心。Please press 1. 谢谢！", ["Hello，欢迎致电客服中心。", "Please press 1.", "谢谢！"]),
        (
            'Dr. Smith went to Washington, D.C. on Jan. 5th. He paid $3.50! "Really?" she said.',
            ["Dr. Smith went to Washington, D.C. on Jan. 5th.", "He paid $3.50!", '"Really?" she said.'],
        ),
        ("今天天气很好。我们去公园吧！你来吗？", ["今天天气很好。", "我们去公园吧！", "你来吗？"]),
        ("a line\nthat goes on\n\nA new paragraph", ["a line that goes on", "A new paragraph"]),
        ("  one  ", ["one"]),
        ("...!? ——", []),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_what_is_too_long_is_cut_where_a_speaker_would_pause() -> None:
    text = "first part of it, second part of it; " * 3 + "and what comes in the end"
    assert split_sentences(text, 60) == ["first part of it, second part of it;"] * 3 + ["and what comes in the end"]
    assert split_sentences("one two three, four five six", 16) == ["one two three,", "four five six"]
    assert split_sentences("one two three four", 10) == ["one two", "three four"]
    assert split_sentences("好" * 25, 10) == ["好" * 10, "好" * 10, "好" * 5]


@pytest.mark.parametrize("seed", range(20))
def test_no_letter_is_lost_and_none_is_too_long(seed: int) -> None:
    random_source = random.Random(seed)
    text = "".join(random_source.choices("ab好学 .,!?;。，\n", k=600))
    sentences = split_sentences(text, 40)
    assert max(map(len, sentences)) <= 40
    assert re.sub(r"\W", "", "".join(sentences)) == re.sub(r"\W", "", text)


def test_huge_texts_take_no_time_worth_telling() -> None:
    for text in ("1" * 100_000, "a. " * 30_000, "." * 100_000, "word " * 20_000):
        assert all(len(sentence) <= 200 for sentence in split_sentences(text))
