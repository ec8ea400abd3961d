from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sovits.data.manifest import Utterance
from sovits.voice.bank_building import build_bank
from sovits.voice.speaker_bank import SpeakerBank

ENCODER = {"encoder": "some", "version": "1"}


def clips(*speakers: str, each: int = 5) -> list[Utterance]:
    return [
        Utterance(f"{s}/{n}", f"{s}{n}.wav", s, "en", "hi", 0.0, 2.0, 2.0, "train", "r.wav", "sidecar:r.txt", f"{s}{n}")
        for s in speakers
        for n in range(each)
    ]


def voices(utterances: list[Utterance], size: int = 8) -> dict[str, np.ndarray]:
    """Near one direction for each speaker."""
    made = {}
    for utterance in utterances:
        axis = np.random.default_rng(sum(map(ord, utterance.speaker))).standard_normal(size)
        noise = np.random.default_rng(sum(map(ord, utterance.id))).standard_normal(size)
        voice = axis / np.linalg.norm(axis) + 0.02 * noise
        made[utterance.content_hash] = (voice / np.linalg.norm(voice)).astype(np.float32)
    return made


def test_a_bank_holds_each_speaker_s_mean_and_what_it_was_made_of(tmp_path: Path) -> None:
    utterances = clips("ann", "李雷")
    known = voices(utterances)
    assert build_bank(tmp_path, utterances, known, ENCODER, robust=False) == 2
    bank = SpeakerBank.load(tmp_path / "speakers")
    assert bank.names == ["ann", "李雷"]
    mean = np.mean([known[f"ann{n}"] for n in range(5)], axis=0)
    np.testing.assert_allclose(bank["ann"], mean / np.linalg.norm(mean), atol=1e-6)
    assert np.load(tmp_path / "speakers" / "ann.npy", allow_pickle=False).dtype == np.float32
    about = json.loads((tmp_path / "speakers" / "ann.json").read_text(encoding="utf-8"))
    assert (about["speaker"], about["clips"], about["seconds"], about["encoder"], about["robust"]) == ("ann", 5, 10.0, ENCODER, False)


def test_a_voice_is_made_anew_only_when_its_clips_or_the_encoder_change(tmp_path: Path) -> None:
    utterances = clips("ann", "bob")
    known = voices(utterances)

    def built(chosen: list[Utterance], encoder: dict[str, str] = ENCODER, robust: bool = True) -> int:
        return build_bank(tmp_path, chosen, known, encoder, robust=robust)

    assert built(utterances) == 2
    assert built(utterances[::-1]) == 0
    assert built(utterances[1:]) == 1
    assert built(utterances) == 1
    assert built(utterances, {**ENCODER, "version": "2"}) == 2
    assert built(utterances, {**ENCODER, "version": "2"}, robust=False) == 2
    assert built([replace(u, text="other", split="val") for u in utterances], {**ENCODER, "version": "2"}, robust=False) == 0
    (tmp_path / "speakers" / "bob.npy").unlink()
    assert built(utterances, {**ENCODER, "version": "2"}, robust=False) == 1
    (tmp_path / "speakers" / "bob.json").write_text("{")
    assert built(utterances, {**ENCODER, "version": "2"}, robust=False) == 1


def test_a_speaker_that_is_gone_leaves_the_bank_and_a_stranger_s_file_stays(tmp_path: Path) -> None:
    utterances = clips("ann", "bob")
    build_bank(tmp_path, utterances, voices(utterances), ENCODER, robust=True)
    np.save(tmp_path / "speakers" / "guest.npy", np.ones(8, np.float32))
    build_bank(tmp_path, utterances[:5], voices(utterances), ENCODER, robust=True)
    assert sorted(path.name for path in (tmp_path / "speakers").iterdir()) == ["ann.json", "ann.npy", "guest.npy"]


def test_a_clip_of_somebody_else_hardly_moves_a_robust_voice(tmp_path: Path) -> None:
    utterances = clips("ann", each=8)
    known = voices(utterances)
    clean = build_bank(tmp_path / "clean", utterances[:6], known, ENCODER, robust=True)
    assert clean == 1
    stranger = np.roll(known["ann7"], 3) * np.array([1, -1] * 4, np.float32)
    known["ann6"] = known["ann7"] = stranger
    cosine = {}
    for robust in (False, True):
        build_bank(tmp_path / str(robust), utterances, known, ENCODER, robust=robust)
        voice = SpeakerBank.load(tmp_path / str(robust) / "speakers")["ann"]
        cosine[robust] = float(voice @ SpeakerBank.load(tmp_path / "clean" / "speakers")["ann"])
    assert cosine[True] > 0.99
    assert cosine[True] > cosine[False] + 0.01
    assert cosine[True] == pytest.approx(1.0, abs=0.01)
