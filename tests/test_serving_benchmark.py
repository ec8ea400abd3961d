"""The benchmark of serving, in small: it verifies every answer, and it would find a wrong voice."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sovits.audio.waveform import encode_waveform, pcm16
from sovits.voice import Voice
from tests.checkpoints import tiny_checkpoint
from tests.conftest import REPOSITORY

BENCHMARKS = REPOSITORY / "experiments" / "benchmarks"


@pytest.mark.slow
def test_four_clients_beside_one(tmp_path: Path) -> None:
    torch.save(tiny_checkpoint(), tmp_path / "last.ckpt")
    sizes = ["--clients", "4", "--requests", "16", "--rounds", "2", "--listened", "2", "--compare", "batching.max_batch=1"]
    given = ["--checkpoint", str(tmp_path / "last.ckpt"), "--output", str(tmp_path / "told"), *sizes]
    done = subprocess.run([sys.executable, str(BENCHMARKS / "serving.py"), *given], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "told" / "serving.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ["4 clients", "1 client", "4 clients, batching.max_batch=1", "1 client, batching.max_batch=1"]
    assert [row["clients and service"] for row in rows] == [*names, "4 clients, 1 of them streaming", "1 client, streaming"]
    for row in rows:
        assert (row["requests"], row["errors"], row["not what is said alone"]) == ("32", "0", "0")
        # The other one of its two voices.
        assert row["matches with another voice"] == "0 of 32"
        assert bool(row["first byte p50 / p95 / p99, ms"]) == ("streaming" in row["clients and service"])
    rounds = json.loads((tmp_path / "told" / "rounds.json").read_text(encoding="utf-8"))
    assert all(len(run["requests_per_second"]) == 2 for run in rounds.values())
    batches = {name: run["batches"] for name, run in rounds.items()}
    assert batches[names[1]] == batches[names[2]] == batches[names[3]] == {"1": 32}
    assert sum(batches[names[0]].values()) == 32
    told = (tmp_path / "told" / "serving.md").read_text(encoding="utf-8")
    assert "| as configured | " in told
    assert "By Resemblyzer's encoder" in told
    assert "FAULT" not in told


def test_a_wrong_voice_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from asking import Asked, Reply
    from spoken_alone import SpokenAlone

    torch.save(tiny_checkpoint(), tmp_path / "last.ckpt")
    voice = Voice.load(tmp_path / "last.ckpt")
    right, wrong = (np.clip(voice.speak("hello", name, seed=5).samples, -1, 1) for name in ("ana", "bo"))
    asked, file = Asked("hello", "ana", 5), Asked("hello", "ana", 5, "wav")
    good = [Reply(asked, content=pcm16(right).tobytes()), Reply(file, content=encode_waveform(right, voice.sample_rate, ".wav"))]
    alone = SpokenAlone(voice)
    told = alone.verified([*good, Reply(asked, error="503: busy")])
    assert (told.replies, told.wrong, told.others, told.mistaken, told.faults) == (2, 0, 2, 0, [])
    assert 0 < told.furthest < 2e-5
    told = alone.verified([Reply(asked, content=pcm16(wrong).tobytes()), Reply(asked, content=pcm16(right[1:]).tobytes())])
    assert (told.replies, told.wrong, told.others, told.mistaken) == (2, 2, 2, 1)
    assert any("is said by bo" in fault for fault in told.faults)
    # Voices that say the same cannot be told apart.
    voice.add_speaker("as ana", voice.bank["ana"])
    told = SpokenAlone(voice).verified(good)
    assert (told.wrong, told.others, told.mistaken, told.alike) == (0, 2, 0, 2)
    # Another seed, or a small part of it that is otherwise.
    nearly = right + np.where(np.arange(len(right)) == 100, 4e-4, 0.0)
    other = np.clip(voice.speak("hello", "ana", seed=6).samples, -1, 1)
    assert alone.verified([Reply(asked, content=pcm16(samples).tobytes()) for samples in (nearly, other)]).wrong == 2


@pytest.mark.slow
def test_a_checkpoint_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from untrained import SPEAKERS, untrained_checkpoint

    voice = Voice.load(untrained_checkpoint("small", tmp_path / "made" / "last.ckpt"))
    assert voice.speakers == SPEAKERS
    # As long as people take for it, so that its speed is that of a trained one.
    assert 1.0 < voice.speak("The garage closes early on Thursdays.", "bo").seconds < 3.0
