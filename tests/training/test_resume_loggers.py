"""What a resumed run's loggers go on with."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from sovits.runs.record import RunRecord
from sovits.training.loggers import cut_off, wandb_logger


def test_the_run_keeps_its_id_in_wandb(tmp_path: Path) -> None:
    assert wandb_logger(str(tmp_path), "p", offline=True).version is None
    RunRecord("running", None, "then", "now", 2, [], wandb_id="abc123").save(tmp_path)
    assert wandb_logger(str(tmp_path), "p", offline=True).version == "abc123"


def test_tensorboard_hides_what_is_logged_again(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first, values in ((0, [0.0, 1.0, 2.0, 3.0, 4.0]), (3, [30.0, 40.0])):
        logger = TensorBoardLogger(tmp_path, "tensorboard", "")
        logger.log_hyperparams({"a": 1})
        cut_off([logger], first)
        for step, value in enumerate(values, start=first):
            logger.log_metrics({"figure": value}, step)
        logger.finalize("success")
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    shown = {event.step: event.value for event in found.Scalars("figure")}
    assert shown == {0: 0.0, 1: 1.0, 2: 2.0, 3: 30.0, 4: 40.0}
