from __future__ import annotations

import hashlib
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import whisper as openai_whisper

from sovits.data.manifest import Word
from sovits.data.preparation.transcription import WhisperTranscriber, spoken_language
from sovits.errors import SovitsError
from tests.rehearsed_whisper import rehearsed, save_rehearsed_whisper

SENTENCE = "Good morning to you, my friend."


def noise(seconds: float) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * 16000))).astype(np.float32)


def assert_in_order(words: tuple[Word, ...], seconds: float) -> None:
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= seconds + 0.02
    assert all(type(value) is float for word in words for value in (word.start, word.end, word.confidence))


@pytest.mark.parametrize(
    ("text", "hint", "language"),
    [
        ("Hello there.", None, "en"),
        ("Café?", "zh", "en"),
        ("欢迎致电。", None, "zh"),
        ("Hello，欢迎致电客服中心", None, "mixed"),
        ("2026", None, "en"),
        ("2026", "zh-CN", "zh"),
    ],
)
def test_the_script_tells_the_language(text: str, hint: str | None, language: str) -> None:
    assert spoken_language(text, hint) == language


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "nothing to speak"), ("?! …", "nothing to speak"), ("Привет", "unsupported script"), ("こんにちは", "script")],
)
def test_a_text_that_cannot_be_spoken_is_refused(text: str, message: str) -> None:
    with pytest.raises(SovitsError, match=message):
        spoken_language(text)


def test_whisper_writes_down_what_it_hears_and_when(tmp_path: Path) -> None:
    whisper = rehearsed(tmp_path, (SENTENCE, 0.5, 2.5), ("How are you?", 2.8, 3.8))
    heard = whisper.transcribe(noise(6))
    assert heard.text == f"{SENTENCE} How are you?"
    assert heard.language == "en"
    assert [word.text for word in heard.words] == [" Good", " morning", " to", " you,", " my", " friend.", " How", " are", " you?"]
    assert_in_order(heard.words, 6)
    assert heard.words[5].end < 2.6
    # The first word after a pause may begin within it; the next is right again.
    assert heard.words[7].start == pytest.approx(3.05, abs=0.2)
    state = torch.get_rng_state()
    assert whisper.transcribe(noise(6)) == heard
    assert torch.equal(torch.get_rng_state(), state)
    assert whisper.name == "rehearsed"


def test_more_than_one_window_is_transcribed(tmp_path: Path) -> None:
    heard = rehearsed(tmp_path, (SENTENCE, 0.0, 3.0)).transcribe(noise(50))
    assert heard.text == f"{SENTENCE} {SENTENCE}"
    assert_in_order(heard.words, 50)
    assert heard.words[7].start == pytest.approx(30.43, abs=0.3)


def test_chinese_comes_one_character_a_word(tmp_path: Path) -> None:
    heard = rehearsed(tmp_path, ("欢迎致电。", 0.0, 2.0), language="zh").transcribe(noise(4))
    assert heard.language == "zh"
    assert [word.text for word in heard.words] == [" 欢", "迎", "致", "电。"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SENTENCE, [" Good", " morning", " to", " you,", " my", " friend."]),
        ("Hello，欢迎致电 service desk。", [" Hello，", "欢", "迎", "致", "电", " service", " desk。"]),
        ("请打开settings页面", ["请", "打", "开", "settings", "页", "面"]),
        (
            "用 Wi-Fi 传了 3.5 GB，约42%，don't stop。好",
            ["用", " Wi-Fi", " 传", "了", " 3.5", " GB，", "约", "42%，", "don't", " stop。", "好"],
        ),
        ("𠮷野家在café旁边", ["𠮷", "野", "家", "在", "café", "旁", "边"]),
        ("It's well-known: 42%.", [" It's", " well-known:", " 42%."]),
    ],
)
def test_a_known_text_is_aligned_word_by_word(tmp_path: Path, text: str, words: list[str]) -> None:
    aligned = rehearsed(tmp_path, ("anything", 0.0, 1.0)).align(noise(5), text)
    assert [word.text for word in aligned] == words
    assert "".join(word.text for word in aligned).strip() == text
    assert_in_order(aligned, 5)


def test_alignment_finds_the_pause_between_two_sentences(tmp_path: Path) -> None:
    whisper = rehearsed(tmp_path, (SENTENCE, 0.0, 3.0), ("How are you?", 3.6, 4.6))
    words = whisper.align(noise(5), f"{SENTENCE} How are you?")
    assert_in_order(words, 5)
    assert words[5].text == " friend."
    assert words[5].end < 3.2
    assert words[6].end > 3.6
    assert words[7].start == pytest.approx(3.85, abs=0.2)
    assert min(word.confidence for word in words) > 0.9


def test_what_cannot_be_aligned_is_refused(tmp_path: Path) -> None:
    whisper = rehearsed(tmp_path, ("anything", 0.0, 1.0))
    with pytest.raises(SovitsError, match="31 s are too much"):
        whisper.align(noise(31), SENTENCE)
    with pytest.raises(SovitsError, match=r"tokens, too many for 2\.0 s"):
        whisper.align(noise(2), "word " * 450)


def test_a_model_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def unreachable(*_arguments: object, **_options: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    with pytest.raises(SovitsError, match=r"Whisper model base is not on this machine.*whisper\.model the path"):
        WhisperTranscriber("base").transcribe(noise(1))
    with pytest.raises(SovitsError, match=r"whisper\.model=bose is neither a file nor one of .*base"):
        WhisperTranscriber("bose").transcribe(noise(1))


def test_whisper_tells_how_sure_it_is_of_the_language(tmp_path: Path) -> None:
    whisper = rehearsed(tmp_path, ("欢迎致电。", 0.0, 2.0), language="zh")
    heard = whisper.transcribe(noise(4))
    assert heard.language == "zh"
    assert type(heard.language_probability) is float
    assert 0.9 < heard.language_probability <= 1
    told = WhisperTranscriber(whisper.model, language="zh").transcribe(noise(4))
    assert (told.text, told.language, told.language_probability) == (heard.text, "zh", None)


def test_threads_share_one_model_and_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    real = openai_whisper.load_model
    monkeypatch.setattr(openai_whisper, "load_model", lambda *args, **options: loads.append(args) or real(*args, **options))
    whisper = rehearsed(tmp_path, (SENTENCE, 0.5, 2.5))
    with ThreadPoolExecutor(3) as threads:
        heard = list(threads.map(lambda _number: whisper.transcribe(noise(4)), range(3)))
        aligned = list(threads.map(lambda _number: whisper.align(noise(4), SENTENCE), range(3)))
    assert len(loads) == 1
    assert heard[0].text == SENTENCE
    assert heard[0] == heard[1] == heard[2]
    assert aligned[0] == aligned[1] == aligned[2]


def test_a_checkpoint_is_told_by_its_content_and_a_named_model_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = save_rehearsed_whisper(tmp_path / "a" / "same.pt", (SENTENCE, 0.0, 1.0))
    (tmp_path / "b").mkdir()
    copy = tmp_path / "b" / "copy.pt"
    copy.write_bytes(first.read_bytes())
    whisper = WhisperTranscriber(str(copy), language="en")
    assert whisper.settings == WhisperTranscriber(str(first), language="en").settings
    assert whisper.settings["checkpoint"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert whisper.settings != WhisperTranscriber(str(first)).settings
    before = whisper.settings
    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", lambda *_arguments: pytest.fail("read again"))
        assert whisper.settings == before
    copy.write_bytes(first.read_bytes()[:-1] + b"!")
    os.utime(copy, ns=(1, 1))
    assert whisper.settings != before
    assert WhisperTranscriber("base.en").settings == {"model": "base.en", "language": None}
    assert WhisperTranscriber("base.en").name == "base.en"


@pytest.mark.parametrize("device", ["cuda", "sundial"])
def test_a_device_that_is_not_there_is_named(tmp_path: Path, device: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has the device")
    path = save_rehearsed_whisper(tmp_path / "model.pt", (SENTENCE, 0.0, 1.0))
    with pytest.raises(SovitsError, match=rf"^whisper\.device={device} cannot be used on this machine \(.*\); give cpu, or cuda .*\.$"):
        WhisperTranscriber(str(path), device).load()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"), "^Whisper model needs more memory than cpu has; use a smaller"),
        (torch.AcceleratorError("CUDA error: launch failure\nCompile with"), r"^Whisper failed on cpu \(CUDA error: launch failure\); use"),
    ],
)
def test_a_device_that_fails_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    path = save_rehearsed_whisper(tmp_path / "model.pt", (SENTENCE, 0.0, 1.0))
    whisper = WhisperTranscriber(str(path))
    whisper.load()
    monkeypatch.setattr("whisper.model.AudioEncoder.forward", fail)
    with pytest.raises(SovitsError, match=message):
        whisper.transcribe(noise(1))
    with pytest.raises(SovitsError, match=message):
        whisper.align(noise(1), SENTENCE)


@pytest.mark.parametrize("kind", ["text", "other weights", "empty"])
def test_a_file_that_is_no_whisper_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.pt"
    if kind == "other weights":
        torch.save({"state_dict": {}}, path)
    else:
        path.write_text("hello" if kind == "text" else "")
    with pytest.raises(SovitsError, match=r"model\.pt is not a Whisper checkpoint"):
        WhisperTranscriber(str(path)).transcribe(noise(1))
