from __future__ import annotations

import itertools

import pytest

from sovits.data.manifest import Word
from sovits.data.preparation.segmentation import Segmenter, split_sentences
from sovits.data.preparation.vad import Stretch


def stretches(*edges: float) -> list[Stretch]:
    return [Stretch(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def words_of(*timed: tuple[str, float, float]) -> list[Word]:
    return [Word(text, start, end, 0.9) for text, start, end in timed]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It costs 3.50 at most. Really", ["It costs 3.50 at most.", "Really"]),
        ("Mr. Hill met Dr. Wood. They spoke.", ["Mr. Hill met Dr. Wood.", "They spoke."]),
        ('He said "stop!" and left. She did too…', ['He said "stop!" and left.', "She did too…"]),
        ("您好！请稍等。“再见。”谢谢", ["您好！", "请稍等。", "“再见。”", "谢谢"]),
        ("no full stop", ["no full stop"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_what_fits_stays_whole_and_is_trimmed_to_its_speech() -> None:
    cuts, rejects = Segmenter()(stretches(0.5, 2.0, 3.0, 4.5), 6.0, "One. Two. Three.")
    assert rejects == []
    (cut,) = cuts
    assert (cut.start, cut.end, cut.text) == (pytest.approx(0.4), pytest.approx(4.6), "One. Two. Three.")


def test_padding_stops_at_the_recording_s_edges() -> None:
    cuts, _ = Segmenter()(stretches(0.03, 2.98), 3.0, "One.")
    assert (cuts[0].start, cuts[0].end) == (pytest.approx(0.0), pytest.approx(3.0))


def test_long_speech_with_as_many_sentences_as_stretches_is_cut_at_the_long_pauses() -> None:
    # The pause of 0.3 s is a comma's; those of 0.6 s and 0.1 s beyond twice the padding are sentences' ends.
    segments = stretches(0.2, 3.0, 3.3, 5.0, 5.6, 9.0, 9.6, 14.0)
    text = "This is the first, a sentence with a comma in it. And here is the second one. The third sentence is again a little longer."
    cuts, rejects = Segmenter()(segments, 14.5, text)
    assert rejects == []
    assert [cut.text for cut in cuts] == split_sentences(text)
    assert [(cut.start, cut.end) for cut in cuts] == [pytest.approx(edges) for edges in [(0.1, 5.1), (5.5, 9.1), (9.5, 14.1)]]


@pytest.mark.parametrize("text", ["Only one sentence here.", "One here. Two here. Three here."])
def test_another_number_of_sentences_is_not_guessed_at(text: str) -> None:
    cuts, (reject,) = Segmenter()(stretches(0, 7, 8, 15), 15, text)
    assert cuts == []
    assert (reject.start, reject.end) == (0, 15)
    assert f"{len(split_sentences(text))} sentence(s), the audio 2 stretch(es)" in reject.reason
    assert "whisper.model" in reject.reason


def test_sentences_that_cannot_take_their_stretch_s_time_are_not_guessed_at() -> None:
    cuts, (reject,) = Segmenter()(
        stretches(0, 10, 11, 12), 15, "Short. This is a very long sentence with many words that nobody speaks in a single second."
    )
    assert cuts == []
    assert '"Short." cannot be what is said in 10.0 s' in reject.reason


def test_chinese_and_english_sentences_are_timed_on_one_scale() -> None:
    cuts, rejects = Segmenter()(
        stretches(0, 6.5, 7.5, 14),
        14,
        "请您稍等，我马上为您查询这一份订单的状态，好吗？ Please hold the line while I look up the order and its state for you.",
    )
    assert (len(cuts), rejects) == (2, [])


def test_word_times_cut_text_and_audio_together_at_the_longest_pauses() -> None:
    segments = stretches(1, 5, 5.3, 9, 9.8, 14, 14.2, 18)
    words = words_of((" a", 1, 5), (" b", 5.1, 9.1), (" c", 9.7, 13), (" d", 13, 14.3), (" e", 14.3, 18))
    cuts, rejects = Segmenter()(segments, 20, "a b c d e", words)
    assert rejects == []
    assert [cut.text for cut in cuts] == ["a b", "c d e"]
    assert [(cut.start, cut.end) for cut in cuts] == [pytest.approx(edges) for edges in [(0.9, 9.1), (9.7, 18.1)]]
    assert [(word.text, word.start, word.end) for word in cuts[1].words] == [
        (" c", 0.0, pytest.approx(3.3)),
        (" d", pytest.approx(3.3), pytest.approx(4.6)),
        (" e", pytest.approx(4.6), pytest.approx(8.3)),
    ]


def test_a_sentence_s_end_is_preferred_to_a_somewhat_longer_pause() -> None:
    segments = stretches(0, 6, 6.5, 10, 10.7, 16)
    words = words_of((" one", 0, 3), (" end.", 3, 6), (" two", 6.5, 10), (" more.", 10.7, 16))
    cuts, _ = Segmenter()(segments, 16, "one end. two more.", words)
    assert [cut.text for cut in cuts] == ["one end.", "two more."]


def test_what_is_too_short_joins_its_nearer_neighbour() -> None:
    segments = stretches(0, 10, 11, 11.3, 11.8, 20)
    words = words_of((" long.", 0, 10), (" yes.", 11, 11.3), (" long", 11.8, 20))
    cuts, rejects = Segmenter()(segments, 20, "long. yes. long", words)
    assert rejects == []
    assert [cut.text for cut in cuts] == ["long.", "yes. long"]
    assert [word.start for word in cuts[1].words] == [pytest.approx(0.1), pytest.approx(0.9)]
    assert all(1 <= cut.end - cut.start <= 12 for cut in cuts)


def test_chinese_pieces_join_without_a_space() -> None:
    segments = stretches(0, 10, 11, 11.3, 11.8, 20)
    words = words_of(("长。", 0, 10), ("是。", 11, 11.3), ("长", 11.8, 20))
    cuts, _ = Segmenter()(segments, 20, "长。是。长", words)
    assert [cut.text for cut in cuts] == ["长。", "是。长"]


def test_what_cannot_be_an_utterance_is_named_with_its_place() -> None:
    _, (reject,) = Segmenter()(stretches(1, 1.5), 3, "hm")
    assert "less speech than segmentation.min_seconds=1" in reject.reason
    words = words_of((" on", 0, 13), (" and", 13, 14), (" on", 16, 20))
    cuts, (reject,) = Segmenter()(stretches(0, 14, 16, 20), 20, "on and on", words)
    assert [cut.text for cut in cuts] == ["on"]
    assert (reject.start, reject.end) == (0, pytest.approx(14.1))
    assert "more speech than segmentation.max_seconds=12 and no pause" in reject.reason
    cuts, (reject,) = Segmenter()(stretches(0, 8, 10, 18), 20, "only here", words_of((" only", 0, 4), (" here", 4, 8)))
    assert [cut.text for cut in cuts] == ["only here"]
    assert "no word of the text" in reject.reason


def test_nothing_of_the_speech_is_lost_and_every_cut_has_a_legal_length() -> None:
    # A minute of stretches of 0.3 to 3.1 s with pauses of 0.25 to 1.15 s.
    edges, time = [], 0.1
    for index in range(40):
        edges += [time, time + 0.3 + 0.4 * (index * 5 % 8)]
        time = edges[-1] + 0.25 + 0.15 * (index * 7 % 7)
    segments = stretches(*edges)
    words = [Word(f" w{i}", s.start, s.end, 0.5) for i, s in enumerate(segments)]
    cuts, rejects = Segmenter()(segments, time, "", words)
    assert rejects == []
    assert "".join(word.text for cut in cuts for word in cut.words) == "".join(word.text for word in words)
    assert all(1 <= cut.end - cut.start <= 12 for cut in cuts)
    assert all(before.end <= after.start for before, after in itertools.pairwise(cuts))
    for cut in cuts:
        assert all(0 <= word.start <= word.end <= cut.end - cut.start + 1e-3 for word in cut.words)
