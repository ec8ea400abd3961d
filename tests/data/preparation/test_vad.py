from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from sovits.audio.waveform import read_waveform
from sovits.data.demo import SENTENCE_PAUSE, generate_demo
from sovits.data.preparation.vad import VAD_RATE, CondensedSpeech, Stretch, VoiceActivityDetector


def test_four_sentences_are_four_stretches_with_the_pauses_between(tmp_path: Path) -> None:
    root = generate_demo(tmp_path, speakers=["bruno"], sentences=4)
    samples = read_waveform(root / "bruno" / "bruno_01.wav", VAD_RATE)
    threads = torch.get_num_threads()
    stretches = VoiceActivityDetector(min_pause=0.4)(samples)
    assert torch.get_num_threads() == threads
    assert len(stretches) == 4
    assert 0.1 < stretches[0].start < 0.35
    assert stretches[-1].end <= len(samples) / VAD_RATE
    pauses = [after.start - before.end for before, after in itertools.pairwise(stretches)]
    assert all(abs(pause - SENTENCE_PAUSE) < 0.2 for pause in pauses)
    # The loud samples are the judge: nothing above -40 dB lies outside the stretches, padded with 0.1 s.
    spoken = np.zeros(len(samples), bool)
    for stretch in stretches:
        spoken[round((stretch.start - 0.1) * VAD_RATE) : round((stretch.end + 0.1) * VAD_RATE)] = True
    assert np.abs(samples[~spoken]).max() < 0.01


def test_the_stretches_are_those_of_the_usual_form_of_the_model(tmp_path: Path) -> None:
    from silero_vad import get_speech_timestamps, load_silero_vad

    root = generate_demo(tmp_path, speakers=["bruno"], sentences=4)
    samples = read_waveform(root / "bruno" / "bruno_01.wav", VAD_RATE)
    options = {"speech_pad_ms": 0, "min_silence_duration_ms": 200, "min_speech_duration_ms": 200}
    expected = get_speech_timestamps(torch.from_numpy(samples), load_silero_vad(), **options)
    found = VoiceActivityDetector()(samples)
    assert [(s.start * VAD_RATE, s.end * VAD_RATE) for s in found] == [(s["start"], min(s["end"], len(samples))) for s in expected]


@pytest.mark.parametrize("kind", ["silence", "hiss", "hum", "nothing"])
def test_no_speech_gives_no_stretch(kind: str) -> None:
    time = np.arange(3 * VAD_RATE, dtype=np.float32) / VAD_RATE
    samples = {
        "silence": np.zeros_like(time),
        "hiss": 0.05 * np.random.default_rng(0).standard_normal(len(time)).astype(np.float32),
        "hum": 0.3 * np.sin(2 * np.pi * 50 * time),
        "nothing": time[:0],
    }[kind]
    assert VoiceActivityDetector()(samples) == []


def test_condensed_speech_keeps_the_speech_and_tells_where_it_was() -> None:
    samples = np.arange(10 * VAD_RATE, dtype=np.float32)
    speech = CondensedSpeech(samples, [Stretch(1.0, 2.0), Stretch(2.2, 3.0), Stretch(7.0, 9.95)], pause=0.4)
    # Kept: 0.8-3.2 (the short pause whole) and 6.8-10.
    expected = np.concatenate([samples[round(0.8 * VAD_RATE) : round(3.2 * VAD_RATE)], samples[round(6.8 * VAD_RATE) :]])
    np.testing.assert_array_equal(speech.samples, expected)
    assert speech.seconds == pytest.approx(5.6)
    assert speech.original(0.2, 1.2) == (pytest.approx(1.0), pytest.approx(2.0))
    assert speech.original(2.6, 5.55) == (pytest.approx(7.0), pytest.approx(9.95))
    assert speech.original(2.2, 2.4) == (pytest.approx(3.0), pytest.approx(3.2))
    assert speech.original(2.4, 2.5) == (pytest.approx(6.8), pytest.approx(6.9))
    assert speech.original(0.0, 9.0)[0] == pytest.approx(0.8)
