"""A run given again comes to the same, and says so; what is not the same is told before the first step and at the end."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from sovits import cli
from sovits.data.manifest import Manifest
from sovits.runs.provenance import commit, versions
from sovits.runs.record import RunRecord
from tests.verbs.test_train import SMALL, prepared  # noqa: F401


@pytest.fixture(scope="module", autouse=True)
def one_state_of_the_code():
    """The checkout may be edited while the tests run."""
    found, state = versions(), commit()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sovits.runs.recorded.versions", lambda: found)
        patch.setattr("sovits.runs.recorded.commit", lambda: state)
        yield


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """Runs ``sovits train`` in this process; what it logs is in ``caplog``."""

    def run(*arguments: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["sovits", "train", *arguments, "hydra/job_logging=none", "hydra/hydra_logging=none"])
        caplog.clear()
        with caplog.at_level(logging.INFO):
            cli.main()

    GlobalHydra.instance().clear()
    return run


@pytest.fixture(scope="module")
def first(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A finished run of a command line, whose set is given relative to where it was started."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(prepared, folder / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["sovits", "train", *SMALL, "data.root=set", "hydra.run.dir=first", "hydra/job_logging=none"])
        cli.main()
    return folder / "first"


def told(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("sovits.runs"))


def outcome(run: Path) -> dict:
    return json.loads((run / "reproduction.json").read_text(encoding="utf-8"))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_the_record_of_a_run(first: Path) -> None:
    record = RunRecord.load(first)
    assert (record.status, record.attempts, record.generator_step, record.speakers) == ("finished", 1, 2, ["ana", "bo"])
    assert record.overrides == [*SMALL, "data.root=set"]
    assert record.data["root"] == str(first.parent / "set")


def test_the_same_command_comes_to_the_same_bit_for_bit(first: Path, command, caplog: pytest.LogCaptureFixture) -> None:
    kept = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    second = first.parent / "second"
    # The figure that the machine's own generator would draw must not enter.
    torch.manual_seed(123)
    command("reproduce=first", "hydra.run.dir=second", folder=first.parent)
    assert "the same commit, versions, hardware, data and settings" in told(caplog)
    assert "are equal bit for bit" in told(caplog)
    content = outcome(second)
    assert content["equal_bit_for_bit"] is True
    assert content["before"] == []
    assert content["outcome"]["figures_compared"] >= 3
    there, here = weights(first), weights(second)
    assert content["outcome"]["weights"]["compared"] == len(there) == len(here)
    assert all(torch.equal(weight, here[name]) for name, weight in there.items())
    assert RunRecord.load(second).reproduces == str(first)
    assert {path: path.read_bytes() for path in first.rglob("*") if path.is_file()} == kept


def test_from_another_folder_with_another_seed_the_differences_are_told(
    first: Path, command, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    command(f"reproduce={first}", "seed=1", "hydra.run.dir=run", folder=tmp_path)
    assert "not as it was:" in told(caplog)
    assert "\n  seed: 0 there, 1 here" in told(caplog)
    assert "3 of 3 final figures differ" in told(caplog)
    assert "weights differ, by" in told(caplog)
    content = outcome(tmp_path / "run")
    assert content["equal_bit_for_bit"] is False
    assert {"what": "seed", "original": 0, "here": 1} in content["before"]
    assert {figure["what"] for figure in content["outcome"]["figures"]} == {"val/mel", "val/kl", "val/duration"}
    there, here = weights(first), weights(tmp_path / "run")
    furthest = max(float((there[name].double() - weight.double()).abs().max()) for name, weight in here.items())
    assert content["outcome"]["weights"]["largest"] == pytest.approx(furthest)


def test_other_data_are_refused_before_the_first_step(first: Path, command, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(first.parent / "set", other)
    manifest = Manifest.load(other)
    Manifest(manifest.sample_rate, (replace(manifest.utterances[0], text="Bye"), *manifest.utterances[1:])).save(other)
    given = [f"reproduce={first}", f"data.root={other}"]
    with pytest.raises(SystemExit, match=rf"data.root={other} holds other data .*another experiment.*reproduce_anyway=true"):
        command(*given, "hydra.run.dir=run", folder=tmp_path)
    assert "data fingerprint" in told(caplog)
    record = RunRecord.load(tmp_path / "run")
    assert (record.status, record.generator_step) == ("failed", 0)
    assert "reproduce_anyway=true" in (record.reason or "")
    assert not (tmp_path / "run" / "checkpoints").exists()
    command(*given, "reproduce_anyway=true", "hydra.run.dir=anyway", folder=tmp_path)
    assert "data fingerprint" in {difference["what"] for difference in outcome(tmp_path / "anyway")["before"]}


def test_a_run_that_never_finished_is_repeated_but_not_compared(
    first: Path, command, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    half = tmp_path / "half"
    record = RunRecord.load(first)
    overrides = [*record.overrides, "resume=elsewhere.ckpt"]
    replace(record, status="failed", reason="No space left on the disk", generator_step=1, overrides=overrides).save(half)
    command(f"reproduce={half}", "hydra.run.dir=whole", folder=tmp_path)
    assert "went on from a checkpoint (resume=elsewhere.ckpt); this run begins anew" in told(caplog)
    assert "never finished: it says 'failed' (No space left on the disk) after 1 steps" in told(caplog)
    assert RunRecord.load(tmp_path / "whole").status == "finished"
    assert outcome(tmp_path / "whole")["outcome"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduce=nowhere"], "sovits train: .*nowhere is not a run of `sovits train`"),
        (["reproduce=first", "hydra.run.dir=first"], "sovits train: .* is the folder of the run to reproduce"),
        (
            ["reproduce=first", "paths.run=${hydra:runtime.cwd}/first"],
            "The run would write into .*first, which it reproduces",
        ),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments: list[str], message: str, first: Path, command) -> None:
    kept = (first / "run.json").read_bytes()
    with pytest.raises(SystemExit, match=message):
        command(*arguments, *([] if "hydra.run.dir=first" in arguments else ["hydra.run.dir=mistake"]), folder=first.parent)
    assert (first / "run.json").read_bytes() == kept
