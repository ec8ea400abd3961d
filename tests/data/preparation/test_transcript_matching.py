from __future__ import annotations

import pytest

from sovits.data.manifest import Word
from sovits.data.preparation.transcript_matching import match_words
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
