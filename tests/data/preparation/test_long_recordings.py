from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sovits.audio.waveform import read_waveform, write_waveform
from sovits.data.manifest import Manifest
from sovits.data.preparation.transcription import WhisperTranscriber
from tests.closed_vocabulary import WHISPER, speak_sentences
from tests.preparing import prepare


def joined(spoken: Path, path: Path, seconds_between: float, times: int = 1) -> str:
    """All of alice's sentences in one file, over and over; returns its text."""
    sounds = [read_waveform(sound, 22050) for sound in sorted((spoken / "alice").glob("*.wav"))]
    pause = np.zeros(round(seconds_between * 22050), np.float32)
    write_waveform(path, np.concatenate([part for sound in sounds * times for part in (sound, pause)]), 22050)
    return " ".join(text.read_text(encoding="utf-8").strip() for text in sorted((spoken / "alice").glob("*.txt"))) + " "


def test_a_recording_in_sections_gives_the_clips_of_one_in_a_piece(spoken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "alice"
    text = joined(spoken, folder / "long.wav", 0.8, times=3)
    (folder / "long.txt").write_text(text * 3, encoding="utf-8")
    whole = prepare(tmp_path / "recordings", tmp_path / "whole")
    parts = prepare(tmp_path / "recordings", tmp_path / "parts", section_seconds=9.0)
    assert whole.omissions == parts.omissions == ()
    assert len(whole.kept) == 12
    for one, other in zip(whole.kept, parts.kept, strict=True):
        assert (one.id, one.text) == (other.id, other.text)
        assert (other.start, other.end) == (pytest.approx(one.start, abs=0.2), pytest.approx(one.end, abs=0.2))


def test_whisper_hears_a_long_recording_in_sections_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = speak_sentences(tmp_path / "recordings" / "reader" / "book.wav", 8)
    calls = []
    transcribe = WhisperTranscriber.transcribe

    def counted(self: WhisperTranscriber, samples: np.ndarray) -> object:
        calls.append(len(samples) / 16000)
        return transcribe(self, samples)

    monkeypatch.setattr(WhisperTranscriber, "transcribe", counted)
    whisper = WhisperTranscriber(str(WHISPER))
    report = prepare(tmp_path / "recordings", tmp_path / "set", transcriber=whisper, section_seconds=5.0)
    assert len(calls) >= 2
    assert max(calls) <= 5
    heard = " ".join(u.text for u in report.kept).lower().split()
    spoken = " ".join(texts).lower().split()
    assert sum(word in spoken for word in heard) > 0.9 * len(heard)
    assert abs(len(heard) - len(spoken)) <= 0.1 * len(spoken)
    # Other clips are asked for: they are cut again, but nothing is heard again.
    made = len(calls)
    prepare(tmp_path / "recordings", tmp_path / "set", transcriber=whisper, section_seconds=5.0, sample_rate=16000)
    assert len(calls) == made
    assert Manifest.load(tmp_path / "set").sample_rate == 16000
