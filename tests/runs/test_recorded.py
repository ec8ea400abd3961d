"""run.json says what becomes of a run, however it ends."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from sovits.errors import SovitsError
from sovits.runs.record import RunRecord
from sovits.runs.recorded import Stopped, recorded_run


def test_a_run_is_running_and_then_finished(tmp_path: Path) -> None:
    with recorded_run(tmp_path / "run") as record:
        assert RunRecord.load(tmp_path / "run").status == "running"
        record.note(generator_step=7, speakers=["ana"], wandb_id="abc")
        assert RunRecord.load(tmp_path / "run").generator_step == 7
        assert not record.finished
    kept = RunRecord.load(tmp_path / "run")
    assert (kept.status, kept.reason, kept.attempts, kept.wandb_id) == ("finished", None, 1, "abc")
    assert record.finished
    assert kept.versions["torch"]
    assert kept.hardware["cores"] >= 1
    assert kept.directory == str(Path.cwd())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def interrupt_as_lightning_does() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise SystemExit(1)  # noqa: B904


def raises(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (SovitsError("data.root=x is empty; record something."), "failed", "data.root=x is empty; record something."),
        (ValueError("two\n  lines"), "failed", "ValueError: two lines"),
        (SystemExit(3), "failed", "SystemExit: 3"),
        (Stopped("the time limit of the job is near"), "stopped", "the time limit of the job is near"),
        (KeyboardInterrupt(), "stopped", "interrupted from the keyboard"),
        (SIGTERMException(signal.SIGTERM), "stopped", "asked to end by SIGTERM"),
    ],
)
def test_what_is_raised_is_recorded_and_goes_on_unchanged(error: BaseException, status: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as raised, recorded_run(tmp_path):
        raises(error)
    assert raised.value is error
    kept = RunRecord.load(tmp_path)
    assert (kept.status, kept.reason) == (status, reason)


def test_an_interrupt_that_lightning_made_an_exit_is_a_stop(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), recorded_run(tmp_path):
        interrupt_as_lightning_does()
    assert RunRecord.load(tmp_path).status == "stopped"


def test_the_reason_is_the_mistake_behind_a_librarys_error(tmp_path: Path) -> None:
    wrapped = RuntimeError("Error in call to target")
    wrapped.__cause__ = SovitsError("embedding_size=7 is too small; give 192.")
    with pytest.raises(RuntimeError), recorded_run(tmp_path):
        raise wrapped
    assert RunRecord.load(tmp_path).reason == "embedding_size=7 is too small; give 192."


def test_one_may_stop_without_an_error(tmp_path: Path) -> None:
    with recorded_run(tmp_path) as record:
        record.stop("the scheduler wants the node")
    assert not record.finished
    kept = RunRecord.load(tmp_path)
    assert (kept.status, kept.reason) == ("stopped", "the scheduler wants the node")


def test_a_resumed_run_keeps_its_start_and_counts_its_attempts(tmp_path: Path) -> None:
    with recorded_run(tmp_path) as record:
        record.note(generator_step=5, wandb_id="abc", started="2020-01-01T00:00:00+00:00")
        record.stop("preempted")
    with recorded_run(tmp_path) as record:
        begun = RunRecord.load(tmp_path)
        assert (begun.status, begun.reason, begun.generator_step) == ("running", None, 5)
    kept = RunRecord.load(tmp_path)
    assert (kept.attempts, kept.started, kept.wandb_id, kept.status) == (2, "2020-01-01T00:00:00+00:00", "abc", "finished")
    assert kept.updated > kept.started


@pytest.mark.parametrize(
    ("environment", "writes"),
    [
        ({"RANK": "1", "LOCAL_RANK": "0"}, False), ({"SLURM_PROCID": "3"}, False), ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1"}, False), ({"RANK": "0", "LOCAL_RANK": "0", "NODE_RANK": "0"}, True), ({"SLURM_PROCID": "0"}, True), ({}, True),
    ],
)  # fmt: skip
def test_only_the_first_process_writes(environment: dict[str, str], writes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with recorded_run(tmp_path):
        pass
    assert (tmp_path / "run.json").is_file() is writes


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "damaged"), ("[]", "format 1"), ('{"format": 2}', "format 1"),
        ('{"format": 1, "status": "running"}', "lacks the field reason"),
        ('{"format": 1, "mood": "good"}', "unknown field mood"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_told_and_left_alone(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(SovitsError, match=told), recorded_run(tmp_path):
        pass
    assert (tmp_path / "run.json").read_text() == content


def test_a_folder_without_a_record_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"is not a run of `sovits train`: it has no run\.json"):
        RunRecord.load(tmp_path)


def test_a_record_reads_back_as_it_was(tmp_path: Path) -> None:
    with recorded_run(tmp_path) as record:
        record.note(overrides=["data.speakers=['小明']"], data={"root": "/x", "fingerprint": "f"})
    assert RunRecord.load(tmp_path) == record.record
    assert "小明" in (tmp_path / "run.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["format"] == 1


def test_a_record_that_cannot_be_written_does_not_hide_why_the_run_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def fail() -> None:
        with recorded_run(tmp_path):
            monkeypatch.setattr(RunRecord, "save", full)
            raise SovitsError("the disk is full")

    with pytest.raises(SovitsError, match="the disk is full"):
        fail()
    assert "run.json could not be brought up to date (No space left on device)" in caplog.text
