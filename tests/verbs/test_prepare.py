from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from omegaconf import DictConfig

from sovits.data.demo import generate_demo
from sovits.data.manifest import QUARANTINE_NAME, Manifest
from sovits.errors import SovitsError
from sovits.verbs.prepare import prepare
from sovits.voice import SpeakerBank, Voice
from tests.checkpoints import tiny_checkpoint
from tests.rehearsed_whisper import save_rehearsed_whisper

CONFIGURATIONS = Path(__file__).parents[2] / "conf"


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGURATIONS), version_base="1.3"):
        return compose("prepare", overrides=list(overrides))


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return generate_demo(tmp_path / "people", speakers=["alice", "mei"], sentences=3)


def test_recordings_become_a_set_named_after_their_folder(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = (f"recordings={recordings}", f"paths.outputs={tmp_path}/out", "min_speaker_seconds=1", "gate=off")
    root = prepare(composed(*options))
    assert root == tmp_path / "out" / "prepared" / "people"
    assert Manifest.load(root).speakers == ["alice", "mei"]
    written = {"manifest.jsonl", "quarantine.jsonl", "report.json", "report.md", "index.html", "page", "speakers", "audio", "cache"}
    assert {path.name for path in root.iterdir()} == written
    printed = capsys.readouterr().out
    assert "alice" in printed
    assert "Speaker mei: 1" in printed
    assert "s of the advised 60 s: record" in printed
    assert "(0 reused)" in printed
    assert f"Look and listen: {root}/index.html" in printed
    bank = SpeakerBank.load(root / "speakers")
    assert (bank.names, bank.embedding_size) == (["alice", "mei"], 256)
    made = {name: (root / name).stat().st_mtime_ns for name in ("speakers/alice.npy", "index.html")}
    prepare(composed(*options))
    assert "(6 reused)" in capsys.readouterr().out
    assert {name: (root / name).stat().st_mtime_ns for name in made} == made


def test_without_an_encoder_there_is_no_bank_and_with_another_another(recordings: Path, tmp_path: Path) -> None:
    options = (f"recordings={recordings}", f"output={tmp_path}/set", "min_speaker_seconds=1", "gate=off", "judge.mos=false")
    root = prepare(composed(*options, "encoder=none"))
    assert not (root / "speakers").exists()
    assert {u.quality.voice_distance for u in Manifest.load(root).utterances} == {None}
    checkpoint = tmp_path / "model.ckpt"
    torch.save(tiny_checkpoint(), checkpoint)
    prepare(composed(*options, "encoder=checkpoint", f"encoder.checkpoint={checkpoint}"))
    # Voices that the model has never been trained on, ready to be spoken with.
    voice = Voice.load(checkpoint, bank=root / "speakers")
    assert voice.bank.names == ["alice", "mei"]
    with pytest.raises(InstantiationException, match="no checkpoint"):
        prepare(composed(*options, "encoder=checkpoint", f"encoder.checkpoint={tmp_path}/none.ckpt"))


def test_shards_run_one_after_the_other_make_the_set(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = (f"recordings={recordings}", f"output={tmp_path}/set", "min_speaker_seconds=1", "judge.mos=false", "shard.count=2")
    prepare(composed(*options, "shard.index=1"))
    assert "Part 1 of 2 is done; the last one to end makes the set" in capsys.readouterr().out
    root = prepare(composed(*options, "shard.index=0"))
    assert len(Manifest.load(root).utterances) == 6
    assert SpeakerBank.load(root / "speakers").names == ["alice", "mei"]


def test_every_key_reaches_its_place(recordings: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("path,text,speaker\npeople/alice/alice_01.wav,One.,ann\npeople/alice/alice_02.wav,Two.,ann\n")
    options = [
        "audio.sample_rate=16000",
        "segmentation.padding=0",
        "speakers=[ann]",
        "min_speaker_seconds=1",
        "gate=off",
        "name=mine",
        f"corpus.metadata={table}",
    ]
    root = prepare(composed(f"recordings={recordings}", f"paths.prepared={tmp_path}/sets", *options))
    assert root == tmp_path / "sets" / "mine"
    manifest = Manifest.load(root)
    assert manifest.sample_rate == 16000
    assert [(u.id, u.text) for u in manifest.utterances] == [("ann/alice_01", "One."), ("ann/alice_02", "Two.")]
    assert prepare(composed(f"recordings={recordings}", f"output={tmp_path}/here", "min_speaker_seconds=1")) == tmp_path / "here"
    with pytest.raises(SovitsError, match="strict=true and 1 not kept"):
        prepare(
            composed(
                f"recordings={recordings}",
                f"output={tmp_path}/strict",
                "strict=true",
                "gate=off",
                "min_speaker_seconds=1",
                f"corpus.metadata={table}",
                "speakers=[alice,ann]",
                "segmentation.min_seconds=3.3",
            )
        )


def test_whisper_comes_in_by_its_path(recordings: Path, tmp_path: Path) -> None:
    (recordings / "alice" / "alice_01.txt").unlink()
    model = save_rehearsed_whisper(tmp_path / "rehearsed.pt", ("Good morning.", 0.0, 1.0))
    root = prepare(
        composed(
            f"recordings={recordings}",
            f"output={tmp_path}/set",
            f"whisper.model={model}",
            "whisper.language=en",
            "min_speaker_seconds=1",
            "gate=off",
        )
    )
    told = {u.id: u for u in Manifest.load(root).utterances}
    assert (told["alice/alice_01"].text, told["alice/alice_01"].transcript) == ("Good morning.", "whisper:rehearsed")
    with pytest.raises(SovitsError, match=r"^whisper\.model=/nowhere/base\.pt is neither"):
        prepare(composed(f"recordings={recordings}", f"output={tmp_path}/other", "whisper.model=/nowhere/base.pt"))


def test_mistakes_are_told(recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match="lies inside the recordings"):
        prepare(composed(f"recordings={recordings}", f"output={recordings}/set"))
    with pytest.raises(SovitsError, match="no recordings folder"):
        prepare(composed("recordings=/nowhere", f"output={tmp_path}/set"))
    with pytest.raises((SovitsError, InstantiationException), match=r"segmentation\.min_seconds=5.*max_seconds=3"):
        prepare(composed(f"output={tmp_path}/set", "segmentation.min_seconds=5", "segmentation.max_seconds=3"))


def test_the_demo_is_the_default_and_gives_three_speakers_a_minute_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = prepare(composed(f"paths.outputs={tmp_path}"))
    assert root == tmp_path / "prepared" / "demo"
    manifest, report = Manifest.load(root), json.loads((root / "report.json").read_text(encoding="utf-8"))
    seconds = {row["speaker"]: row["seconds"] for row in report["speakers"]}
    assert set(seconds) == {"alice", "bruno", "mei"}
    assert min(seconds.values()) >= 60
    assert report["left_out"] == []
    # Some of these synthetic voices' sentences sound noisy to the gate; enough is left of each.
    assert len(Manifest.load(root, QUARANTINE_NAME).utterances) < len(manifest.utterances) / 4
    assert {u.language for u in manifest.utterances} == {"en", "zh", "mixed"}
    for speaker in seconds:
        assert {u.split for u in manifest.utterances if u.speaker == speaker} == {"train", "val", "test"}
    assert "0 left out" in " ".join(capsys.readouterr().out.split())
