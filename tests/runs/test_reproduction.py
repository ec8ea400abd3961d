"""`reproduce=RUN` becomes that run's command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sovits.errors import SovitsError
from sovits.runs.record import RunRecord
from sovits.runs.reproduction import expand_reproduce

TIME = "2026-01-01T00:00:00+00:00"


def run(folder: Path, *overrides: str, directory: Path | None = None, **known: Any) -> Path:
    """A run's folder with its record."""
    place = str(directory or Path.cwd())
    RunRecord("finished", None, TIME, TIME, 1, list(overrides), directory=place, **known).save(folder)
    return folder


def test_other_commands_pass_unchanged() -> None:
    arguments = ["experiment=few_shot", "-m", "seed=1,2", "reproduces=null", "--cfg", "job"]
    assert expand_reproduce(arguments) == arguments


def test_a_runs_overrides_are_given_again(tmp_path: Path) -> None:
    told = ["experiment=[few_shot,ablation/no_ema]", "~callbacks.samples", "+trainer.max_time='00:00:10:00'", "seed=3"]
    first = run(tmp_path / "first", *told)
    assert expand_reproduce([f"reproduce={first}"]) == [*told, f"reproduces={first}"]
    assert expand_reproduce([f"reproduce='{first}'"]) == expand_reproduce([f"reproduce={first}"])


def test_the_overrides_stay_together_between_flags(tmp_path: Path) -> None:
    first = run(tmp_path / "first", "seed=3", "~callbacks.samples")
    arguments = [
        "--config-dir",
        "mine",
        "-m",
        "embedding_size=192,256",
        "~logger.wandb",
        f"reproduce={first}",
        "data.speaker=a",
        "--cfg",
        "job",
    ]
    assert expand_reproduce(arguments) == [
        "--config-dir", "mine", "-m", "seed=3", "~callbacks.samples", "embedding_size=192,256", "~logger.wandb", "data.speaker=a",
        f"reproduces={first}", "--cfg", "job",
    ]  # fmt: skip


def test_what_belongs_to_one_run_alone_is_not_repeated(tmp_path: Path) -> None:
    first = run(
        tmp_path, "resume=true", "seed=3", "hydra.run.dir=x", "paths.run=y", "+logger.wandb.id=abc", "hydra/launcher=submitit_slurm",
        "launcher=slurm", "sweep=embedding_size", "reproduces=z", "reproduce_anyway=true", "logger.wandb.project=mine",
    )  # fmt: skip
    assert expand_reproduce([f"reproduce={first}"]) == ["seed=3", "logger.wandb.project=mine", f"reproduces={first}"]


def test_what_is_given_behind_wins(tmp_path: Path) -> None:
    first = run(tmp_path, "seed=3", "+trainer.max_time=x", "~logger.wandb", "embedding_size=192", "experiment=joint")
    given = ["embedding_size=512", "trainer.max_time=y", "logger.wandb.name=z", "experiment=few_shot"]
    assert expand_reproduce(["embedding_size=512", f"reproduce={first}", *given[1:]]) == [
        "seed=3", "~logger.wandb", "embedding_size=512", "+trainer.max_time=y", "logger.wandb.name=z", "experiment=few_shot",
        f"reproduces={first}",
    ]  # fmt: skip


def test_the_run_may_be_named_relatively(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "outputs" / "first", "seed=3", directory=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert expand_reproduce(["reproduce=outputs/first"])[-1] == f"reproduces={tmp_path / 'outputs' / 'first'}"


def test_relative_places_are_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    for folder in (home / "set", home / "noises", home / "alice", away):
        folder.mkdir(parents=True)
    (home / "old.ckpt").touch()
    told = [
        "data.root=set", "warm_start='old.ckpt'", "data.augmentation.noise.folder=noises", "data.speaker=alice",
        "model.semantic_encoder.source=EleutherAI/gpt-neo-125M", "paths.outputs=mine", "checkpoint=old.ckpt",
    ]  # fmt: skip
    first = run(tmp_path / "first", *told, directory=home, data={"root": str(home / "set"), "fingerprint": "f"})
    monkeypatch.chdir(home)
    assert expand_reproduce([f"reproduce={first}"]) == [*told, f"reproduces={first}"]
    monkeypatch.chdir(away)
    assert expand_reproduce([f"reproduce={first}"]) == [
        f"warm_start={home / 'old.ckpt'}", f"data.augmentation.noise.folder={home / 'noises'}", "data.speaker=alice",
        "model.semantic_encoder.source=EleutherAI/gpt-neo-125M", "paths.outputs=mine", f"checkpoint={home / 'old.ckpt'}",
        f"data.root={home / 'set'}", f"reproduces={first}",
    ]  # fmt: skip
    assert f"data.root={home / 'set'}" not in expand_reproduce([f"reproduce={first}", "data.root=own"])


def test_the_set_of_a_default_root_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(tmp_path / "first", directory=tmp_path / "gone", data={"root": "/sets/demo"})
    (first / ".hydra").mkdir()
    monkeypatch.chdir(tmp_path)
    assert expand_reproduce([f"reproduce={first}"]) == ["data.root=/sets/demo", f"reproduces={first}"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["reproduce={folder}/nothing"], r"nothing is not a run of `sovits train`: it has no run\.json"),
        (["reproduce={folder}/empty"], r"empty is not a run of `sovits train`"),
        (["reproduce={folder}/broken"], r"broken/run\.json is damaged"),
        (["reproduce={folder}/sweep"], r"sweep holds 2 runs; name one of them, such as reproduce=.*sweep/0"),
        (["reproduce={folder}/api"], "was not started by `sovits train` on a command line"),
        (["reproduce="], "names no run; write reproduce=outputs/train/DATE_TIME"),
        (["reproduce"], "names no run"),
        (["reproduce=null"], "names no run"),
        (["reproduce={folder}/good", "reproduce={folder}/sweep/0"], "name 2 runs; reproduce one at a time"),
        (["reproduce={folder}/good", "hydra.run.dir={folder}/good"], "is the folder of the run to reproduce"),
        (["reproduce={folder}/good", "paths.run='{folder}/good/'"], "is the folder of the run to reproduce"),
    ],
)
def test_mistakes(arguments: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text('{"status": "run')
    for folder in ("good", "sweep/0", "sweep/1"):
        run(tmp_path / folder, "seed=1")
    run(tmp_path / "api")
    with pytest.raises(SovitsError, match=told):
        expand_reproduce([argument.format(folder=tmp_path) for argument in arguments])
