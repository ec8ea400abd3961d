"""When every word is said: the same in every format, as other programs read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import srt
from praatio import textgrid

from sovits.errors import SovitsError
from sovits.text.encoding import EncodedText, SpokenSpan
from sovits.voice.speech import Passage, Speech
from sovits.voice.timestamps import write_timestamps

RATE, HOP = 1000, 10


def speech(*words: str) -> Speech:
    """Each letter a phone of as many frames as its place in the sentence, silence of two frames at both ends."""
    letters = [letter for word in words for letter in word]
    places = np.cumsum([1, *map(len, words)]).tolist()
    symbols = ["<edge>", *letters, "<edge>"]
    durations = np.array([2, *range(1, len(letters) + 1), 2])
    zeros = [0] * len(symbols)
    spans = tuple(SpokenSpan(word, first, end) for word, first, end in zip(words, places, places[1:], strict=False))
    text = EncodedText(" ".join(words), symbols, zeros, zeros, zeros, [0], zeros, spans)
    return Speech(np.full(int(durations.sum()) * HOP, 0.5, np.float32), RATE, text, durations, " ".join(words) + "!")


@pytest.fixture
def passage() -> Passage:
    return Passage((speech("ab", "c"), speech("你", "好")), pause=0.5)


def test_words_and_phones_of_a_sentence() -> None:
    own = speech("ab", "c")
    assert own.seconds == pytest.approx(0.1)
    assert [(word.text, round(word.start, 6), round(word.end, 6)) for word in own.words] == [("ab", 0.02, 0.05), ("c", 0.05, 0.08)]
    assert [phone.text for phone in own.phones] == ["<edge>", "a", "b", "c", "<edge>"]
    assert own.phones[0].start == 0
    assert own.phones[-1].end == pytest.approx(own.seconds)
    assert all(before.end == after.start for before, after in zip(own.phones, own.phones[1:], strict=False))


def test_a_passage_is_its_sentences_with_silence_between(passage: Passage) -> None:
    first, second = passage.sentences
    assert passage.seconds == pytest.approx(first.seconds + 0.5 + second.seconds)
    silent = passage.samples == 0
    assert silent.sum() == 500
    assert silent[len(first.samples) : len(first.samples) + 500].all()
    assert [(one.text, round(one.start, 6)) for one in passage.timed_sentences] == [("ab c!", 0.0), ("你 好!", 0.6)]
    assert [word.text for word in passage.words] == ["ab", "c", "你", "好"]
    assert passage.words[2].start == pytest.approx(0.62)
    assert passage.phones[-1].end == pytest.approx(passage.seconds)


def test_json(passage: Passage, tmp_path: Path) -> None:
    told = json.loads(write_timestamps(tmp_path / "new" / "times.json", passage).read_text(encoding="utf-8"))
    assert told["seconds"] == pytest.approx(passage.seconds)
    for name in ("sentences", "words", "phones"):
        expected = getattr(passage, {"sentences": "timed_sentences"}.get(name, name))
        assert [one["text"] for one in told[name]] == [one.text for one in expected]
        assert [one["start"] for one in told[name]] == pytest.approx([one.start for one in expected], abs=1e-4)


def test_subtitles(passage: Passage, tmp_path: Path) -> None:
    cues = list(srt.parse(write_timestamps(tmp_path / "times.srt", passage).read_text(encoding="utf-8")))
    assert [(cue.content, cue.start.total_seconds(), cue.end.total_seconds()) for cue in cues] == [("ab c!", 0, 0.1), ("你 好!", 0.6, 0.67)]


def test_a_text_grid(passage: Passage, tmp_path: Path) -> None:
    grid = textgrid.openTextgrid(str(write_timestamps(tmp_path / "times.TextGrid", passage)), includeEmptyIntervals=False)
    assert grid.tierNames == ("sentences", "words", "phones")
    assert grid.maxTimestamp == pytest.approx(passage.seconds)
    assert [entry.label for entry in grid.getTier("words").entries] == ["ab", "c", "你", "好"]
    assert grid.getTier("words").entries[2].start == pytest.approx(0.62)


def test_other_formats_are_refused(passage: Passage, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"times\.txt: the name must end in \.json, \.srt or \.TextGrid"):
        write_timestamps(tmp_path / "times.txt", passage)
    assert not list(tmp_path.iterdir())
