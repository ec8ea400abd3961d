from __future__ import annotations

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from omegaconf import DictConfig

from sovits.data.demo import generate_demo
from sovits.data.manifest import Manifest
from sovits.errors import SovitsError
from sovits.verbs.prepare import prepare
from tests.rehearsed_whisper import save_rehearsed_whisper

CONFIGURATIONS = Path(__file__).parents[2] / "conf"


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGURATIONS), version_base="1.3"):
        return compose("prepare", overrides=list(overrides))


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return generate_demo(tmp_path / "people", speakers=["alice", "mei"], sentences=3)


def test_recordings_become_a_set_named_after_their_folder(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = prepare(composed(f"recordings={recordings}", f"paths.outputs={tmp_path}/out", "min_speaker_seconds=1"))
    assert root == tmp_path / "out" / "prepared" / "people"
    assert Manifest.load(root).speakers == ["alice", "mei"]
    assert {path.name for path in root.iterdir()} == {"manifest.jsonl", "report.json", "report.md", "audio", "cache"}
    printed = capsys.readouterr().out
    assert "alice" in printed
    assert "Warning: speaker mei: under the advised 60 s: add recordings" in printed
    assert "(0 reused)" in printed
    prepare(composed(f"recordings={recordings}", f"paths.outputs={tmp_path}/out", "min_speaker_seconds=1"))
    assert "(6 reused)" in capsys.readouterr().out


def test_every_key_reaches_its_place(recordings: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("path,text,speaker\npeople/alice/alice_01.wav,One.,ann\npeople/alice/alice_02.wav,Two.,ann\n")
    options = [
        "audio.sample_rate=16000",
        "segmentation.padding=0",
        "speakers=[ann]",
        "min_speaker_seconds=1",
        "name=mine",
        f"metadata={table}",
    ]
    root = prepare(composed(f"recordings={recordings}", f"paths.prepared={tmp_path}/sets", *options))
    assert root == tmp_path / "sets" / "mine"
    manifest = Manifest.load(root)
    assert manifest.sample_rate == 16000
    assert [(u.id, u.text) for u in manifest.utterances] == [("ann/alice_01", "One."), ("ann/alice_02", "Two.")]
    assert prepare(composed(f"recordings={recordings}", f"output={tmp_path}/here", "min_speaker_seconds=1")) == tmp_path / "here"
    with pytest.raises(SovitsError, match="strict=true and 1 left out"):
        prepare(
            composed(
                f"recordings={recordings}",
                f"output={tmp_path}/strict",
                "strict=true",
                "min_speaker_seconds=1",
                f"metadata={table}",
                "speakers=[alice,ann]",
                "segmentation.min_seconds=3.3",
            )
        )


def test_whisper_comes_in_by_its_path(recordings: Path, tmp_path: Path) -> None:
    (recordings / "alice" / "alice_01.txt").unlink()
    model = save_rehearsed_whisper(tmp_path / "rehearsed.pt", ("Good morning.", 0.0, 1.0))
    root = prepare(
        composed(
            f"recordings={recordings}", f"output={tmp_path}/set", f"whisper.model={model}", "whisper.language=en", "min_speaker_seconds=1"
        )
    )
    told = {u.id: u for u in Manifest.load(root).utterances}
    assert (told["alice/alice_01"].text, told["alice/alice_01"].transcript) == ("Good morning.", "whisper:rehearsed")
    with pytest.raises(SovitsError, match=r"^whisper\.model=/nowhere/base\.pt is neither"):
        prepare(composed(f"recordings={recordings}", f"output={tmp_path}/other", "whisper.model=/nowhere/base.pt"))


def test_mistakes_are_told(tmp_path: Path) -> None:
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
    assert {u.language for u in manifest.utterances} == {"en", "zh", "mixed"}
    for speaker in seconds:
        assert {u.split for u in manifest.utterances if u.speaker == speaker} == {"train", "val", "test"}
    assert "0 left out" in " ".join(capsys.readouterr().out.split())
