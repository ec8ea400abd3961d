"""The shipped tiny Whisper, through the path that every recording takes, and the training that made it."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper as openai_whisper
from whisper.tokenizer import get_tokenizer

from experiments.tiny_whisper import train as training
from experiments.tiny_whisper.evaluate import CHECKPOINT, Judgement, caught, draw_windows, judge
from experiments.tiny_whisper.lessons import POSITION, Teacher
from experiments.tiny_whisper.network import DIMENSIONS, GuidedWhisper
from experiments.tiny_whisper.sentences import FIRST_WORDS, WORDS, draw_sentence
from experiments.tiny_whisper.windows import SEEN_VOICES, SpokenSentence, Window, draw_window, join
from sovits.data.espeak import WordEvent, open_espeak
from sovits.data.preparation.transcription import WhisperTranscriber


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    """10 unseen sentences, each alone: Whisper always hears 30 s, and takes seconds for each."""
    windows = draw_windows(SEEN_VOICES, 10, seed=100)
    return judge(WhisperTranscriber(str(CHECKPOINT)), windows, wrong=["another sentence"])


def test_the_checkpoint_is_small_and_openai_whisper_s_own() -> None:
    assert CHECKPOINT.stat().st_size <= 8_000_000
    state = torch.load(CHECKPOINT, weights_only=True)
    assert state["dims"] == vars(DIMENSIONS)
    assert all(value.dtype == torch.float16 for value in state["model_state_dict"].values())
    assert openai_whisper.load_model(str(CHECKPOINT)).is_multilingual
    settings = WhisperTranscriber(str(CHECKPOINT)).settings
    assert settings == {"checkpoint": hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest(), "language": None}


def assert_heard_well(found: Judgement) -> None:
    """The bars: less than 5 % of the words wrong, word boundaries within 80 ms in the middle."""
    assert found.word_error_rate < 0.05
    assert set(found.languages) == {"en"}
    for errors in (found.heard_errors, found.aligned_errors):
        assert len(errors) > 0.9 * 2 * found.words
        assert np.median(np.abs(errors)) <= 0.08


def test_unseen_sentences_are_written_down_and_timed(judgement: Judgement) -> None:
    assert judgement.words > 50
    assert_heard_well(judgement)


@pytest.mark.slow
def test_forty_unseen_sentences_are_written_down_and_timed() -> None:
    found = judge(WhisperTranscriber(str(CHECKPOINT)), draw_windows(SEEN_VOICES, 40, seed=100))
    assert found.words > 200
    assert_heard_well(found)


def test_a_wrong_text_is_less_certain_and_disagrees(judgement: Judgement) -> None:
    _, share = caught(judgement.confidences["right"], judgement.confidences["another sentence"])
    assert share >= 0.95
    right, wrong = (np.asarray(judgement.disagreements[kind]) for kind in ("right", "another sentence"))
    assert np.median(right) == 0
    assert np.quantile(wrong, 0.05) > np.quantile(right, 0.95)
    assert np.mean(judgement.confidences["another sentence"]) < np.mean(judgement.confidences["right"]) - 0.3


def test_only_the_vocabulary_can_be_written() -> None:
    model = openai_whisper.load_model(str(CHECKPOINT))
    tokenizer = get_tokenizer(True, language="en", task="transcribe")
    known = {tokenizer.encode(" " + word)[0] for word in WORDS + FIRST_WORDS} | {*tokenizer.encode("."), *tokenizer.encode(",")}
    random = np.random.default_rng(0)
    noise = (0.05 * random.standard_normal(48000)).astype(np.float32)
    mel = openai_whisper.log_mel_spectrogram(openai_whisper.pad_or_trim(noise))
    logits = model(mel[None], torch.tensor([[*tokenizer.sot_sequence, tokenizer.no_timestamps, *list(known)[:20]]]))[0]
    others = [token for token in range(tokenizer.eot) if token not in known]
    assert logits[:, others].max() < logits[:, sorted(known)].max(1).values.min() - 10


def test_silence_has_no_words() -> None:
    heard = WhisperTranscriber(str(CHECKPOINT), language="en").transcribe(np.zeros(32000, np.float32))
    assert heard.words == ()


def test_sentences_keep_to_the_vocabulary_and_held_out_ones_are_others() -> None:
    random = np.random.default_rng(0)
    tokenizer = get_tokenizer(True, language="en", task="transcribe")
    assert all(len(tokenizer.encode(" " + word)) == 1 for word in WORDS + FIRST_WORDS)
    assert 40 <= len(WORDS) <= 60
    train = {draw_sentence(random) for _ in range(2000)}
    held_out = {draw_sentence(random, held_out=True) for _ in range(500)}
    assert not train & held_out
    assert len(train) > 1900
    words = Counter(word.strip(",.").lower() for text in train for word in text.split())
    assert set(words) == set(WORDS)
    assert {len(text.split()) for text in train} == set(range(3, 13))


def test_windows_know_when_each_word_is_said() -> None:
    part = Window(np.ones(16000, np.float32), (SpokenSentence("Go now.", (WordEvent("Go", 0, 0.4), WordEvent("now.", 0.4, 1))),))
    window = join([part, part], [0.5, 1, 0.25])
    assert len(window.samples) == round(3.75 * 16000)
    assert np.flatnonzero(window.samples)[[0, 16000]].tolist() == [8000, 40000]
    assert [(sentence.start, sentence.end) for sentence in window.sentences] == [(0.5, 1.5), (2.5, 3.5)]
    with open_espeak() as espeak:
        cut = draw_window(espeak, np.random.default_rng(0), 5.0, 10)
    assert len(cut.samples) == 5 * 16000
    assert cut.cut_at is not None
    assert cut.sentences[-1].end < cut.cut_at < 5


def test_a_lesson_says_what_to_write_and_where_to_look() -> None:
    network = GuidedWhisper()
    tokenizer = get_tokenizer(True, language="en", task="transcribe")
    words = (WordEvent("Take", 0.5, 0.8), WordEvent("a", 0.8, 0.9), WordEvent("cat,", 0.9, 1.3), WordEvent("now.", 1.5, 2.0))
    window = Window(np.zeros(3 * 16000, np.float32), (SpokenSentence("Take a cat, now.", words),), cut_at=2.4)

    def written(indices: list[int]) -> str:
        tokens = [
            network.used[index] if index < len(network.used) else 50364 + index - len(network.used) for index in indices if index >= 0
        ]
        return tokenizer.decode_with_timestamps(tokens)

    lesson = Teacher(network).prepare(window, 200, offset=10)
    assert lesson.mel.shape == (80, 400)
    assert written(lesson.tokens) == "<|startoftranscript|><|en|><|transcribe|><|0.70|> Take a cat, now.<|2.20|><|2.60|>"
    assert written(lesson.targets) == "<|en|><|transcribe|><|0.70|> Take a cat, now.<|2.20|><|2.60|><|endoftext|>"
    assert lesson.looks[3:9] == [(0.5, 0.8), (0.8, 0.9), (0.9, 1.3), (1.3, 1.5), (1.5, 2.0), (2.0, 2.4)]
    assert network.used[lesson.current[round(1.0 / POSITION)]] == tokenizer.encode(" cat")[0]
    assert network.used[lesson.previous[round(1.6 / POSITION)]] == tokenizer.encode(" cat")[0]
    untimed = Teacher(network).prepare(window, 200, times=False, silent_tail=True)
    assert written(untimed.tokens) == "<|startoftranscript|><|en|><|transcribe|><|notimestamps|> Take a cat, now."
    assert written(untimed.targets) == "<|en|><|transcribe|> Take a cat, now.<|endoftext|>"
    silence = Teacher(network).prepare(Window(np.zeros(16000, np.float32), ()), 200)
    assert written(silence.targets) == "<|nospeech|><|transcribe|><|0.00|><|endoftext|>"


def test_the_network_in_training_is_the_whisper_that_is_saved(tmp_path: Path) -> None:
    """Whole windows: the same features and the same logits for the used tokens, but for half precision."""
    network = GuidedWhisper().eval()
    torch.save(network.export(), tmp_path / "model.pt")
    model = openai_whisper.load_model(str(tmp_path / "model.pt"))
    mel = torch.randn(1, 80, 3000)
    indices = torch.tensor([[0, 1, 2, len(network.used) + 50]])
    times = range(50364, 51865)
    tokens = torch.tensor([[*network.used[:3], 50364 + 50]])
    with torch.no_grad():
        features = network.encode(mel, torch.zeros(1, dtype=torch.long))
        logits, attentions = network.decode(indices, features)
        theirs = model(mel, tokens)
    torch.testing.assert_close(logits, theirs[:, :, [*network.used, *times]], atol=0.05, rtol=0.02)
    torch.testing.assert_close(attentions[0].exp().sum(-1), torch.ones(1, 4, 4))
    unused = [token for token in range(51865) if token not in {*network.used, *times}]
    assert theirs[:, :, unused].max() < theirs[:, :, network.used].min() - 10


@pytest.mark.slow
def test_a_short_training_learns_and_writes_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "trained.pt"
    monkeypatch.setattr("sys.argv", ["train", "--steps", "100", "--output", str(path)])
    training.main()
    printed = capsys.readouterr().out
    losses = [float(part.split()[-1]) for part in printed.split("tokens ")[1:] for part in [part.split(",")[0]]]
    assert losses[-1] < 4.5  # of log 1577 = 7.4 nats for guesses
    assert WhisperTranscriber(str(path)).transcribe(np.zeros(16000, np.float32)).language == "en"
