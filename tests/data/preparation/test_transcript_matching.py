from __future__ import annotations

import jiwer
import numpy as np
import pytest

from sovits.data.manifest import Word
from sovits.data.preparation.transcript_matching import disagreement, match_words
from sovits.errors import SovitsError


def heard(*texts: str, length: float = 1.0) -> list[Word]:
    return [Word(text, i * length, (i + 1) * length, 0.9) for i, text in enumerate(texts)]


def test_equal_words_keep_their_times_and_the_text_its_writing() -> None:
    words = match_words("It's raining, said Ann.", heard(" It's", " raining", " said", " ANN!"))
    assert words == (Word("It's", 0, 1, 0.9), Word(" raining,", 1, 2, 0.9), Word(" said", 2, 3, 0.9), Word(" Ann.", 3, 4, 0.9))


def test_other_words_share_the_time_of_what_was_heard_instead() -> None:
    words = match_words("pay forty two pounds today please", heard(" pay", " 42", " pounds", " today", " please"))
    assert [word.text for word in words] == ["pay", " forty", " two", " pounds", " today", " please"]
    assert (words[1].start, words[2].end) == (1, 2)
    assert words[1].end == words[2].start == pytest.approx(1 + 5 / 8)
    assert words[1].confidence == words[2].confidence == 0
    assert words[3] == Word(" pounds", 2, 3, 0.9)


def test_words_that_were_not_heard_lie_between_their_neighbours_and_others_do_not_count() -> None:
    spoken = [
        Word(" one", 0.0, 1.0, 0.9),
        Word(" well", 1.0, 1.5, 0.9),
        Word(" two", 2.0, 3.0, 0.9),
        Word(" four", 5.0, 6.0, 0.9),
        Word(" five", 6.0, 7.0, 0.9),
    ]
    words = match_words("one two three four five", spoken)
    assert [(word.start, word.end) for word in words] == [(0, 1), (2, 3), (3, 5), (5, 6), (6, 7)]


def test_chinese_is_matched_by_the_character() -> None:
    words = match_words("Hello，欢迎致电。再见", heard(" Hello", "欢迎", "致电", "再见"))
    assert [word.text for word in words] == ["Hello，", "欢", "迎", "致", "电。", "再", "见"]
    assert [(word.start, word.end) for word in words[1:3]] == [(1, 1.5), (1.5, 2)]
    assert words[-1] == Word("见", 3.5, 4, 0.9)


def test_the_text_of_another_recording_is_refused() -> None:
    with pytest.raises(SovitsError, match="only 25% of the transcript's words"):
        match_words("good morning to you", heard(" the", " weather", " to", " morrow"))
    with pytest.raises(SovitsError, match="only 0%"):
        match_words("good morning to you", [])


def test_a_text_of_hours_is_matched() -> None:
    random = np.random.default_rng(0)
    said = [f"word{number}" for number in random.integers(0, 3000, 20_000)]
    spoken = heard(*(" other" if index % 10 == 0 else " " + word for index, word in enumerate(said) if index % 10 != 5))
    words = match_words(" ".join(said), spoken)
    assert "".join(word.text for word in words) == " ".join(said)
    found = [word for word in words if word.confidence > 0]
    assert len(found) == 16_000
    times = {word.start: word.text for word in spoken}
    assert all(times[word.start].strip() == word.text.strip() for word in found)


@pytest.mark.parametrize(
    ("text", "spoken", "language", "rate"),
    [
        ("The cat sat.", "the cat, SAT", "en", 0),
        ("The cat sat down.", "a cat sat", "en", 2 / 4),
        ("The cat sat.", "the cat sat on the mat", "en", 3 / 3),
        ("Stop.", "please do not stop it", "en", 4 / 1),
        ("I have 42 cats; it costs $3.", "I have forty-two cats, it costs three dollars!", "en", 0),
        ("It’s 3 o'clock", "its three oclock", "en", 0),
        ("NASA, Café!", "nasa cafe", "en", 0),
        ("他有42只猫。", "他有四十二只狗", "zh", 1 / 7),
        ("欢迎致电", "欢迎致电", "zh", 0),
        ("欢迎致电", "欢致电话", "zh", 2 / 4),
        ("Hello，欢迎致电 service desk", "hello 欢迎致点 service disk", "mixed", 2 / 7),
        ("7", "七", "zh", 0),
        ("7", "seven", "en", 0),
        ("", "", None, 0),
        ("", "two words", None, 2),
        ("two words", "", None, 1),
        ("…", "", None, 0),
        ("good morning to you", "доброе утро", "en", 1),
        ("good", "こんにちは 世界", "en", 3),
    ],
)
def test_disagreement_counts_changes_by_the_words_written(text: str, spoken: str, language: str | None, rate: float) -> None:
    assert disagreement(text, spoken, language) == pytest.approx(rate)


def test_disagreement_is_the_word_and_the_character_error_rate_of_jiwer() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        text, spoken = (" ".join(random.choice(["one", "cat", "sat", "down"], random.integers(1, 12))) for _ in range(2))
        assert disagreement(text, spoken, "en") == pytest.approx(jiwer.wer(text, spoken))
        text, spoken = ("".join(random.choice(list("你好世界"), random.integers(1, 12))) for _ in range(2))
        assert disagreement(text, spoken, "zh") == pytest.approx(jiwer.cer(text, spoken))
