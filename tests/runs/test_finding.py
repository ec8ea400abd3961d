"""`resume=true` finds the run of the same command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from sovits.errors import SovitsError
from sovits.runs import finding
from sovits.runs.finding import continue_newest, same_command
from sovits.runs.record import RunRecord

COMMAND = ["experiment=few_shot", "training.steps=20", "~logger.wandb", "data.speakers=[ana,bo]"]


def record(status: str) -> RunRecord:
    return RunRecord(status, None, "then", "now", 1, [])


def write_run(outputs: Path, name: str, overrides: list[str], status: str | None, age: int = 0) -> Path:
    """A run as Hydra and the record leave it, ``age`` seconds old."""
    folder = outputs / "train" / name
    path = folder / ".hydra" / "overrides.yaml"
    path.parent.mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(overrides), path)
    os.utime(path, (1e9 - age, 1e9 - age))
    if status:
        record(status).save(folder)
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "last.ckpt").touch()
    return folder


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("outputs")


def folder_of(arguments: list[str], key: str = "hydra.run.dir") -> str | None:
    """What Hydra will read for ``key``."""
    given = [override for override in OverridesParser.create().parse_overrides(arguments) if override.key_or_group == key]
    return str(given[0].value()) if given else None


def test_the_newest_unfinished_run_of_the_same_command_goes_on(outputs: Path) -> None:
    write_run(outputs, "old", COMMAND, "running", age=50)
    newest = write_run(outputs, "2026-01-02_10-00-00", [*COMMAND[::-1], "resume=true"], "running", age=40)
    write_run(outputs, "finished", COMMAND, "finished", age=30)
    write_run(outputs, "other", [*COMMAND, "seed=1"], "running", age=20)
    continued = continue_newest([*COMMAND, "resume=true"])
    assert folder_of(continued.arguments) == str(newest)
    assert continued.arguments[:-1] == [*COMMAND, "resume=true"]
    assert continued.told is not None
    assert "going on in outputs/train/2026-01-02_10-00-00 (running at now)" in continued.told


@pytest.mark.parametrize("status", ["failed", "stopped", "running", None])
def test_whatever_ended_it_early(status: str | None, outputs: Path) -> None:
    folder = write_run(outputs, "a", COMMAND, status)
    assert folder_of(continue_newest([*COMMAND, "resume=true"]).arguments) == str(folder)
    assert folder_of(continue_newest(["--config-dir", "mine", *COMMAND, "resume=True"]).arguments[2:]) == str(folder)


def test_one_that_never_saved_anything_comes_after_those_that_did(outputs: Path) -> None:
    saved = write_run(outputs, "saved", COMMAND, "failed", age=50)
    begun = write_run(outputs, "begun", COMMAND, None, age=10)
    assert folder_of(continue_newest([*COMMAND, "resume=true"]).arguments) == str(saved)
    record("finished").save(saved)
    continued = continue_newest([*COMMAND, "resume=true"])
    assert folder_of(continued.arguments) == str(begun)
    assert "no checkpoint yet" in (continued.told or "")


def test_without_one_a_new_run_begins_and_it_is_said(outputs: Path) -> None:
    write_run(outputs, "finished", COMMAND, "finished")
    write_run(outputs, "other", ["seed=1"], "running")
    (outputs / "train" / "damaged" / ".hydra").mkdir(parents=True)
    (outputs / "train" / "damaged" / ".hydra" / "overrides.yaml").write_text("[a")
    continued = continue_newest([*COMMAND, "resume=true"])
    assert continued.arguments == [*COMMAND, "resume=true"]
    assert continued.told == "resume=true: outputs/train holds no unfinished run of this command; a new one begins."


@pytest.mark.parametrize(
    "arguments",
    [
        COMMAND, [*COMMAND, "resume=null"], [*COMMAND, "resume=a/last.ckpt"], [*COMMAND, "resume=true", "hydra.run.dir=here"],
        [*COMMAND, "resume=true", "--cfg", "job"], [*COMMAND, "resume=true", "--help"],
        ["-m", *COMMAND, "resume=true", "hydra.sweep.dir=x"],
    ],
)  # fmt: skip
def test_where_nothing_is_to_be_found_the_command_stays_as_it_is(arguments: list[str], outputs: Path) -> None:
    write_run(outputs, "a", COMMAND, "running")
    assert continue_newest(arguments) == finding.Continued(arguments, None)


@pytest.mark.usefixtures("outputs")
def test_other_outputs_are_looked_through_and_odd_names_survive(tmp_path: Path) -> None:
    place = f"paths.outputs='{tmp_path}/it is, mine'"
    folder = write_run(tmp_path / "it is, mine", "a=b's", [*COMMAND, place], "running")
    assert folder_of(continue_newest([*COMMAND, "resume=true", place]).arguments) == str(folder)


def test_a_multirun_goes_on_in_its_own_folder(outputs: Path) -> None:
    sweep = outputs / "train" / "2026-01-01"
    overrides = ["seed=1,2,3", "training.steps=5"]
    for number, status in enumerate(["finished", "running"]):
        record(status).save(sweep / str(number))
    OmegaConf.save({"hydra": {"overrides": {"task": overrides, "hydra": ["hydra.mode=MULTIRUN"]}}}, sweep / "multirun.yaml")
    continued = continue_newest(["-m", *overrides, "resume=true"])
    assert folder_of(continued.arguments[1:], "hydra.sweep.dir") == str(sweep)
    assert "1 of the 2 jobs begun so far are finished" in (continued.told or "")
    assert "no sweep of this command" in (continue_newest(["--multirun", "seed=1,2", "resume=true"]).told or "")
    assert folder_of(continue_newest([*overrides, "resume=true"]).arguments) is None


def test_a_run_at_work_is_left_alone(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(outputs, "a", COMMAND, "running")
    monkeypatch.setattr(finding, "at_work", lambda run: run == folder)
    with pytest.raises(SovitsError, match=r"outputs/train/a, is still at work; .*hydra.run.dir"):
        continue_newest([*COMMAND, "resume=true"])


def test_commands_are_the_same_in_any_order_and_wherever_the_run_lies() -> None:
    assert same_command(["a=1", "b=2", "resume=true"], ["b=2", "a=1", "hydra.run.dir=x", "hydra/launcher=slurm"])
    assert not same_command(["a=1"], ["a=2"])
    assert not same_command(["a=1"], ["+a=1"])
