"""Syllables a second."""

from __future__ import annotations

import pytest

from sovits.data.quality.speech_rate import count_syllables, speech_rate


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        # Webster's division into syllables.
        ("cat", 1), ("make", 1), ("table", 2), ("likes", 1), ("boxes", 2), ("wanted", 2), ("walked", 1), ("the", 1),
        ("banana", 3), ("video", 3), ("piano", 3), ("radio", 3), ("science", 2), ("nation", 2), ("musician", 3), ("going", 2), ("idea", 3),
        ("yes", 1), ("yellow", 2), ("university", 5), ("quiet", 2), ("don't", 1), ("strengths", 1), ("café", 2), ("W H O", 5),
        ("你好", 2), ("欢迎致电客服中心", 8), ("Hello, 欢迎", 4), ("", 0), ("!?", 0),
    ],
)  # fmt: skip
def test_syllables(text: str, syllables: int) -> None:
    assert count_syllables(text) == syllables


def test_close_to_espeak() -> None:
    """Independent: the vowels of espeak-ng's phones. Spelling alone is within 3 % over a text."""
    pytest.importorskip("phonemizer")
    from sovits.text.phonemes.english import EnglishPhonemizer
    from sovits.text.symbols import ENGLISH_VOWELS

    text = (
        "please call stella ask her to bring these things with her from the store six spoons of fresh snow peas five thick slabs of blue "
        "cheese and maybe a snack for her brother bob we also need a small plastic snake and a big toy frog for the kids she can scoop "
        "these things into three red bags and we will go meet her wednesday at the train station when the sunlight strikes raindrops in "
        "the air they act as a prism and form a rainbow the rainbow is a division of white light into many beautiful colors"
    )
    spoken = EnglishPhonemizer()(text)
    vowels = sum(phone.symbol in ENGLISH_VOWELS for word in spoken for phone in word.phones)
    assert count_syllables(text) == pytest.approx(vowels, rel=0.03)


@pytest.mark.parametrize(
    ("text", "language", "seconds", "rate"),
    [
        ("12", "en", 0.5, 2.0),  # twelve: one
        ("12", "zh", 1.0, 2.0),  # 十二
        ("It is 25.", "en", 2.0, 2.5),  # twenty five
        ("他有25元", "zh", 2.0, 3.0),  # 二十五
        ("Hello，欢迎", "mixed", 2.0, 2.0),
    ],
)
def test_numbers_are_read_out(text: str, language: str, seconds: float, rate: float) -> None:
    assert speech_rate(text, language, seconds) == pytest.approx(rate)


def test_nothing_to_measure() -> None:
    assert speech_rate("hello", "en", 0.0) is None
    assert speech_rate("...", "en", 2.0) is None
