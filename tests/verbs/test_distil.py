"""`sovits train experiment=distil`: a tiny model taught by one that is less tiny."""

from __future__ import annotations

import csv
import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.core.hydra_config import HydraConfig

from sovits.errors import SovitsError
from sovits.runs.differences import made_from, settings
from sovits.runs.record import RunRecord
from sovits.runs.reproduction import repeated_overrides
from sovits.training.distillation import TEACHER_LOSSES
from sovits.voice import Voice
from sovits.voice.checkpoint import Checkpoint
from tests.verbs.test_add_speaker import trained, write_set
from tests.verbs.test_train import SMALL

NARROWER = [
    "size.inter_channels=4", "size.hidden_channels=8", "size.flow={hidden_channels: 8, n_layers: 1}",
    "size.posterior_encoder={hidden_channels: 8, n_layers: 1}", "size.frame_rate_decoder={channels: 8, filter_channels: 16, n_layers: 1}",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def no_command_line() -> None:
    HydraConfig.instance().cfg = None


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"), "ana", "bo")


@pytest.fixture(scope="module")
def teacher(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("teacher"), *SMALL, f"data.root={root}")


@pytest.fixture(scope="module")
def table_teacher(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    quick = ["training.steps=0", "speaker_encoder=table"]
    return trained(tmp_path_factory.mktemp("table"), *SMALL, f"data.root={root}", *quick)


def distilled(run: Path, teacher: Path | str, root: Path, *overrides: str) -> Path:
    usual = ["experiment=distil", *SMALL, *NARROWER, f"data.root={root}", f"distillation.teacher={teacher}"]
    return trained(run, *usual, *overrides)


def test_a_student_learns_speaks_and_says_who_taught_it(
    teacher: Path, root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = teacher.read_bytes()
    with caplog.at_level(logging.INFO):
        checkpoint = distilled(tmp_path, teacher, root, "training.mel_only_steps=0", "trainer.log_every_n_steps=1")
    assert teacher.read_bytes() == before
    told = [record.getMessage() for record in caplog.records]
    assert any(line.startswith(f"Teacher: {teacher}, step 2, ") and "inter_channels 8, hidden_channels 16" in line for line in told)
    assert any(line.startswith("Student: ") and "inter_channels 4, hidden_channels 8" in line for line in told)
    digest = hashlib.sha256(before).hexdigest()
    assert RunRecord.load(tmp_path).teacher == {"path": str(teacher.resolve()), "sha256": digest, "generator_step": 2}
    carried = Checkpoint.read(checkpoint)
    assert carried.config["size"]["inter_channels"] == 4
    own, theirs = (set(Checkpoint.read(path).state) for path in (checkpoint, teacher))
    assert {name.split(".")[0] for name in own - theirs} == {"projections"}
    samples = Voice.load(checkpoint).speak("Hello", "ana").samples
    assert len(samples)
    assert np.isfinite(samples).all()
    with (tmp_path / "csv" / "metrics.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert {f"train/generator/{name}" for name in TEACHER_LOSSES} <= set(table[0])
    assert (tmp_path / "losses.png").is_file()


@pytest.mark.slow
def test_what_is_not_taught_is_as_it_would_have_been(teacher: Path, root: Path, tmp_path: Path) -> None:
    """With all weights 0 and its own alignment, a student ends bit for bit as the same run without a teacher."""
    silent = [f"training.weights.{name}=0" for name in TEACHER_LOSSES]
    # Of equal latents: maps between them would be weights, whose gradients count among those that are clipped.
    same = ["size.inter_channels=8", "training.steps=3", "trainer.val_check_interval=3"]
    taught = distilled(tmp_path / "taught", teacher, root, *silent, "distillation.share_alignment=false", *same)
    alone = trained(tmp_path / "alone", *SMALL, *NARROWER, f"data.root={root}", *same)
    one, other = (torch.load(path, weights_only=True)["state_dict"] for path in (taught, alone))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_resumed_student_wants_the_same_teacher(teacher: Path, root: Path, tmp_path: Path) -> None:
    whole = distilled(tmp_path / "whole", teacher, root, "training.steps=4", "training.schedule.steps=4")
    distilled(tmp_path / "cut", teacher, root, "training.steps=2", "training.schedule.steps=4")
    again = ["training.steps=4", "training.schedule.steps=4", "resume=true"]
    other = teacher.with_name("other.ckpt")
    content = torch.load(teacher, weights_only=True)
    content["sovits"]["generator_step"] = 1
    torch.save(content, other)
    with pytest.raises(SovitsError, match="had another teacher"):
        distilled(tmp_path / "cut", other, root, *again)
    resumed = distilled(tmp_path / "cut", teacher, root, *again)
    one, two = (torch.load(path, weights_only=True)["state_dict"] for path in (whole, resumed))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_teacher_smaller_than_its_student_is_noted(teacher: Path, root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    larger = ["size.inter_channels=12", "size.frame_rate_decoder={channels: 64, filter_channels: 256, n_layers: 4}"]
    distilled(tmp_path, teacher, root, *larger, "training.steps=1")
    assert any("The teacher is smaller than its student" in record.getMessage() for record in caplog.records)


@pytest.mark.slow
def test_a_teacher_that_looks_voices_up_teaches_its_own_speakers(table_teacher: Path, root: Path, tmp_path: Path) -> None:
    one = distilled(tmp_path, table_teacher, root, "data.speakers=[bo]", "speaker_loss=none", "training.steps=1")
    assert Checkpoint.read(one).speakers == ["bo"]


def test_a_teacher_that_looks_voices_up_does_not_know_strangers(table_teacher: Path, tmp_path: Path) -> None:
    other = write_set(tmp_path / "set", "ana", "cleo")
    with pytest.raises(SovitsError, match="looks voices up and knows ana, bo, not cleo"):
        distilled(tmp_path / "run", table_teacher, other)


def test_a_repeated_run_finds_its_teacher_from_another_folder_and_says_if_it_is_another(tmp_path: Path) -> None:
    (tmp_path / "old.ckpt").touch()
    told = ("finished", None, "then", "now", 1, ["experiment=distil", "distillation.teacher=old.ckpt"])
    first = RunRecord(*told, directory=str(tmp_path), teacher={"path": "old.ckpt", "sha256": "a"})
    assert repeated_overrides(first) == ["experiment=distil", f"distillation.teacher={tmp_path / 'old.ckpt'}"]
    second = RunRecord(*told, teacher={"path": "elsewhere.ckpt", "sha256": "b"})
    assert [str(difference) for difference in made_from(first, second)] == ["teacher: a there, b here"]
    assert settings({"distillation": {"teacher": "old.ckpt"}}, {"distillation": {"teacher": "elsewhere.ckpt"}}) == []
    assert made_from(first, replace(second, teacher={"path": "elsewhere.ckpt", "sha256": "a"})) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("distillation.teacher=null", "distillation.teacher is not given; for example: sovits train experiment=distil"),
        ("addition=full", "experiment=distil and experiment=add_speaker are two trainings"),
        ("distillation.teacher=nowhere.ckpt", "distillation.teacher: There is no checkpoint nowhere.ckpt"),
        ("distillation.teacher={folder}", "distillation.teacher: .* is a folder"),
        ("distillation.teacher={damaged}", "distillation.teacher: .*damaged.ckpt is damaged or not a checkpoint"),
        ("audio.n_mels=24", "has audio.n_mels=20 and this run audio.n_mels=24; .* give this run the teacher's `audio`"),
        ("audio.sample_rate=16000", "has audio.sample_rate=8000 and this run audio.sample_rate=16000"),
        ("audio.hop_length=32 audio.hop_factors=[8,4]", "has audio.hop_length=64 and this run audio.hop_length=32"),
        ("text=phones", r"has text\.english\._target_=\S+EnglishLetters and this run text\.english\._target_=\S+EnglishPhonemizer"),
        ("text.word_boundaries=false", "has text.word_boundaries=True and this run text.word_boundaries=False"),
        ("embedding_size=192", "has embedding_size=256 and this run embedding_size=192"),
        ("model.semantic_encoder.max_length=64", "reads 128 tokens of a text and this run 64"),
    ],
)
def test_mistakes_are_refused_before_the_first_step(overrides: str, message: str, teacher: Path, root: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(teacher.read_bytes()[:5000])
    with pytest.raises(SovitsError, match=message):
        distilled(tmp_path / "run", teacher, root, *overrides.format(folder=teacher.parent, damaged=damaged).split())
    assert not (tmp_path / "run" / "checkpoints").exists()
