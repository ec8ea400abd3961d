from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sovits.data import demo
from sovits.data.demo import SPEAKERS, generate_demo
from sovits.errors import SovitsError


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_two_generations_are_equal_byte_for_byte_whoever_speaks_first(tmp_path: Path) -> None:
    whole = contents(generate_demo(tmp_path / "a"))
    other = contents(generate_demo(tmp_path / "b", speakers=["mei", "bruno", "alice"]))
    assert whole == other
    part = contents(generate_demo(tmp_path / "c", speakers=["mei"], sentences=3))
    assert part == {name: whole[name] for name in [f"mei/mei_0{n}.{suffix}" for n in (1, 2, 3) for suffix in ("txt", "wav")]}


def test_every_speaker_has_a_minute_of_sound_and_a_transcript_for_every_recording(tmp_path: Path) -> None:
    root = generate_demo(tmp_path)
    assert [speaker.name for speaker in SPEAKERS] == ["alice", "bruno", "mei"]
    for speaker in SPEAKERS:
        recordings = sorted((root / speaker.name).glob("*.wav"))
        sounding = 0.0
        for path in recordings:
            samples, rate = soundfile.read(path, dtype="float32")
            loud = np.abs(samples) > 0.01
            # 20 ms windows with sound in them
            sounding += 0.02 * loud[: len(loud) // 441 * 441].reshape(-1, 441).any(axis=1).sum()
            assert rate == 22050
            assert loud.any()
        assert sounding >= 60
        texts = [path.with_suffix(".txt").read_text(encoding="utf-8").strip() for path in recordings]
        assert " ".join(texts) == " ".join(speaker.sentences)


def test_one_speaker_s_recordings_are_longer_than_an_utterance_may_be(tmp_path: Path) -> None:
    root = generate_demo(tmp_path, speakers=["bruno"])
    assert min(soundfile.info(path).duration for path in root.glob("bruno/*.wav")) > 12


def test_the_lists_are_english_mandarin_and_mixed() -> None:
    alice, bruno, mei = (speaker.sentences for speaker in SPEAKERS)
    han, latin = re.compile("[一-鿿]"), re.compile("[A-Za-z]")
    assert not any(han.search(sentence) for sentence in alice + bruno)
    kinds = [(bool(han.search(sentence)), bool(latin.search(sentence))) for sentence in mei]
    assert kinds.count((True, False)) >= 10
    assert kinds.count((True, True)) >= 5
    assert len(set(alice + bruno + mei)) == len(alice + bruno + mei)


def test_a_shorter_demo_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    generate_demo(tmp_path, speakers=["alice"], sentences=3)
    (tmp_path / "alice" / "my own.wav").write_bytes(b"kept")
    generate_demo(tmp_path, speakers=["alice"], sentences=1)
    assert sorted(contents(tmp_path)) == ["alice/alice_01.txt", "alice/alice_01.wav", "alice/my own.wav"]


def test_an_unknown_speaker_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match="no demo speaker zoe; the demo has alice, bruno, mei"):
        generate_demo(tmp_path, speakers=["zoe"])


def test_without_espeak_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SovitsError, match=r"sovits\[espeak\]"):
        demo.generate_demo(tmp_path)
