"""`sovits synthesize`: from the keys of the command line to a file that can be heard."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import hydra
import numpy as np
import pytest
import soundfile
import torch
from omegaconf import DictConfig

from sovits.errors import SovitsError
from sovits.overrides import quote_overrides
from sovits.verbs.synthesize import synthesize
from sovits.voice import Passage, Request, SpeakerBank, Voice
from sovits.voice.blending import blend
from tests.builders import EMBEDDING, SAMPLE_RATE
from tests.checkpoints import tiny_checkpoint
from tests.conftest import REPOSITORY

ODD_TEXT = "Hello, world: it's 5 o'clock，欢迎致电客服中心!"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("run") / "epoch=3.ckpt"
    torch.save(tiny_checkpoint(), path)
    return path


@pytest.fixture
def say(checkpoint, tmp_path):
    """Runs the verb with what a user types, in process."""

    def run(*arguments: str) -> Path:
        overrides = quote_overrides([f"checkpoint={checkpoint}", f"output={tmp_path / 'out.wav'}", *arguments], "synthesize")
        with hydra.initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
            config: DictConfig = hydra.compose("synthesize", overrides)
        return synthesize(config)

    return run


def test_a_text_becomes_a_file(say, checkpoint, caplog):
    with caplog.at_level(logging.INFO, logger="sovits"):
        path = say("speaker=ana", f"text={ODD_TEXT}", "seed=4", "speed=1.5", "noise_scale=0.3")
    samples, rate = soundfile.read(path, dtype="float32")
    wanted = Voice.load(checkpoint).speak(ODD_TEXT, "ana", seed=4, speed=1.5, noise_scale=0.3).samples
    assert rate == SAMPLE_RATE
    np.testing.assert_allclose(samples, np.clip(wanted, -1, 1), atol=1 / 32768)
    assert f"out.wav: {len(samples) / rate:.2f} s of speech in" in caplog.text
    assert "real-time factor" in caplog.text


def test_a_clip_gives_the_voice(say, checkpoint, tmp_path):
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    soundfile.write(tmp_path / "my voice (1).flac", 0.3 * np.sin(2 * np.pi * 300 * time) * np.sin(2 * np.pi * 3 * time), SAMPLE_RATE)
    path = say(f"reference={tmp_path / 'my voice (1).flac'}", "text=hello", f"output={tmp_path / 'new' / 'hello.flac'}")
    voice = Voice.load(checkpoint)
    wanted = voice.speak("hello", voice.embed_clip(tmp_path / "my voice (1).flac")).samples
    np.testing.assert_allclose(soundfile.read(path)[0], np.clip(wanted, -1, 1), atol=1 / 32768)


def test_a_file_is_spoken_line_by_line(say, checkpoint, tmp_path):
    (tmp_path / "lines.txt").write_text("hello\n\n你好\n", encoding="utf-8")
    samples, rate = soundfile.read(say("speaker=bo", f"text_file={tmp_path / 'lines.txt'}", "pause=0.5"))
    voice = Voice.load(checkpoint)
    first, second = (len(voice.speak(text, "bo").samples) for text in ("hello", "你好"))
    assert len(samples) == first + rate // 2 + second
    assert np.abs(samples[first : first + rate // 2]).max() == 0


def test_a_file_for_each_line(say, checkpoint, tmp_path):
    (tmp_path / "lines.txt").write_text("hello. You there?\n你好\n", encoding="utf-8")
    folder = say(
        "speaker=bo",
        f"text_file={tmp_path / 'lines.txt'}",
        "pause=0.5",
        "format=flac",
        "timestamps=[json,srt]",
        f"output={tmp_path / 'said'}",
    )
    assert sorted(path.name for path in folder.iterdir()) == [f"000{n}.{ending}" for n in (1, 2) for ending in ("flac", "json", "srt")]
    passage = Passage(tuple(Voice.load(checkpoint).read(Request("hello. You there?", "bo"))), 0.5)
    np.testing.assert_allclose(soundfile.read(folder / "0001.flac")[0], np.clip(passage.samples, -1, 1), atol=1 / 32768)
    assert [word["text"] for word in json.loads((folder / "0001.json").read_text())["words"]] == ["hello", "You", "there"]


def test_what_was_said_before_a_stop_is_kept(say, tmp_path, monkeypatch):
    (tmp_path / "lines.txt").write_text("hello\ngood morning\nstop here\n")
    speak = Voice.speak_all

    def until(voice, requests):
        if requests[0].text == "stop here":
            raise KeyboardInterrupt
        return speak(voice, requests)

    monkeypatch.setattr(Voice, "speak_all", until)
    with pytest.raises(KeyboardInterrupt):
        say("speaker=ana", f"text_file={tmp_path / 'lines.txt'}", f"output={tmp_path / 'said'}")
    assert sorted(path.name for path in (tmp_path / "said").iterdir()) == ["0001.wav", "0002.wav"]


def test_a_self_check_tells_what_it_found(say, caplog):
    with caplog.at_level(logging.INFO, logger="sovits"):
        # An untrained model says no word of it.
        say("speaker=bo", "text=The garage closes early. 你好，世界。", "self_check=true", "seed=5")
    english, mandarin = [record for record in caplog.records if "Self-check" in record.message]
    assert english.levelno == logging.WARNING
    assert re.search(
        r"with seed [56] of two that were tried: .*skipped 'garage' at \d\.\d\d s \(confidence (0\.\d\d|1\.00)\)", english.message
    )
    assert "Its words were not listened to: only English is." in mandarin.message


def test_voices_between_voices(say, checkpoint, tmp_path):
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    clips = [tmp_path / "low, 1.wav", tmp_path / "high.wav"]
    for clip, hertz in zip(clips, (150, 400), strict=True):
        soundfile.write(clip, 0.3 * np.sign(np.sin(2 * np.pi * hertz * time)) * np.sin(2 * np.pi * 3 * time), SAMPLE_RATE)
    voice = Voice.load(checkpoint)
    low, high = map(voice.embed_clip, clips)
    for given, embedding in {
        ("speaker=[ana,bo]", "weights=[3,1]"): blend([voice.bank["ana"], voice.bank["bo"]], [3, 1]),
        (f"reference=['{clips[0]}',{clips[1]}]",): blend([low, high], [1, 1]),
        (f"reference=['{clips[0]}',{clips[1]}]", "weights=[1,4]"): blend([low, high], [1, 4]),
    }.items():
        samples, _ = soundfile.read(say(*given, "text=hello"))
        np.testing.assert_allclose(samples, np.clip(voice.speak("hello", embedding).samples, -1, 1), atol=1 / 32768)


def test_a_bank_in_a_folder_and_its_only_voice(say, tmp_path):
    SpeakerBank.from_embeddings({"26": torch.ones(EMBEDDING)}).save(tmp_path / "bank")
    unnamed, _ = soundfile.read(say(f"bank={tmp_path / 'bank'}", "text=hello"))
    named, _ = soundfile.read(say(f"bank={tmp_path / 'bank'}", "text=hello", "speaker=26"))
    other, _ = soundfile.read(say("text=hello", "speaker=bo"))
    assert np.array_equal(unnamed, named)
    assert not np.array_equal(unnamed, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speaker=ana"], r"neither text nor text_file is given; for example: sovits synthesize .* text="),
        (["speaker=ana", "text=a", "text_file=b"], "both text and text_file are given"),
        (["text=hello"], r"speaker is not given; choose speaker=NAME \(the model knows ana, bo\).*reference=clip\.wav"),
        (["text=hello", "speaker=anna"], r"no speaker 'anna' \(did you mean ana\?\)"),
        (["text=hello", "speaker=ana", "reference=a.wav"], "speaker=ana and reference=a.wav are both given"),
        (["text=hello", "reference=nowhere.wav"], "no audio file nowhere.wav"),
        (["text=", "speaker=ana"], "text"),
        (["text=!?!", "speaker=ana"], "only punctuation"),
        (["text=Привет", "speaker=ana"], r"script"),
        (["text_file=nowhere.txt", "speaker=ana"], r"no text_file nowhere\.txt"),
        (["text=hello", "speaker=ana", "output=hello.xyz"], r"hello\.xyz: the name must end in"),
        (["text=hello", "speaker=ana", "timestamps=txt"], r"timestamps\.txt: the name must end in"),
        (["text=hello", "speaker=ana", "pause=-1"], r"pause=-1 is below 0"),
        (["text=hello", "speaker=[ana,bo]", "weights=[1]"], r"weights=\[1\] are 1 for 2 voices"),
        (["text=hello", "speaker=[ana,bo]", "weights=[0,1]"], r"weight of 0 is not a number above 0"),
        (["text=hello", "speaker=[ana,anna]"], r"no speaker 'anna'"),
        (["text=hello", "speaker=ana", "checkpoint=null"], "checkpoint is not given; for example"),
        (["text=hello", "speaker=ana", "checkpoint=nowhere.ckpt"], r"no checkpoint nowhere\.ckpt"),
    ],
)
def test_what_is_missing_or_wrong_is_named(say, arguments, message):
    with pytest.raises(SovitsError, match=message):
        say(*arguments)


def test_useless_text_files_are_named(say, tmp_path):
    (tmp_path / "empty.txt").write_text(" \n\n")
    with pytest.raises(SovitsError, match=r"empty\.txt has no text"):
        say("speaker=ana", f"text_file={tmp_path / 'empty.txt'}")
    (tmp_path / "latin.txt").write_bytes("Café".encode("latin-1"))
    with pytest.raises(SovitsError, match=r"latin\.txt is not UTF-8 text .*at byte 3"):
        say("speaker=ana", f"text_file={tmp_path / 'latin.txt'}")


def test_the_command_as_it_is_typed(checkpoint, tmp_path):
    command = [sys.executable, "-m", "sovits.cli", "synthesize", f"checkpoint={checkpoint}", f"paths.outputs={tmp_path}"]
    done = subprocess.run([*command, "speaker=ana", f"text={ODD_TEXT}", "output=你好.wav"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "你好.wav").frames > 0
