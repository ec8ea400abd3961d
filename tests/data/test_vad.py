from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sovits.audio.waveform import read_waveform
from sovits.data.demo import SENTENCE_PAUSE, generate_demo
from sovits.data.vad import VAD_RATE, VoiceActivityDetector


def test_four_sentences_are_four_stretches_with_the_pauses_between(tmp_path: Path) -> None:
    root = generate_demo(tmp_path, speakers=["bruno"], sentences=4)
    samples = read_waveform(root / "bruno" / "bruno_01.wav", VAD_RATE)
    threads = torch.get_num_threads()
    stretches = VoiceActivityDetector(min_pause=0.4)(samples)
    assert torch.get_num_threads() == threads
    assert len(stretches) == 4
    assert 0.1 < stretches[0].start < 0.35
    assert stretches[-1].end <= len(samples) / VAD_RATE
    pauses = [after.start - before.end for before, after in zip(stretches, stretches[1:], strict=False)]
    assert all(abs(pause - SENTENCE_PAUSE) < 0.2 for pause in pauses)
    # The loud samples are the judge: nothing above -40 dB lies outside the stretches, padded with 0.1 s.
    spoken = np.zeros(len(samples), bool)
    for stretch in stretches:
        spoken[round((stretch.start - 0.1) * VAD_RATE) : round((stretch.end + 0.1) * VAD_RATE)] = True
    assert np.abs(samples[~spoken]).max() < 0.01


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
