"""A training that is asked to give way saves itself between two batches and stops."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer

from sovits.errors import SovitsError
from sovits.training.callbacks.preemption import GaveWay, Preemption
from sovits.training.checkpointing import KeepCheckpoints
from sovits.training.rounds import Rounds
from tests.builders import batches, tiny_training


class Asking(Callback):
    """Sends this process signals, each at the end of one batch."""

    def __init__(self, at: dict[int, list[int]]) -> None:
        self.at = at

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        for number in self.at.get(batch_idx, []):
            os.kill(os.getpid(), number)


@pytest.fixture
def earlier() -> Iterator[Callable[[int, Any], None]]:
    """What handled the signals before."""

    def handler(*_: Any) -> None:
        raise AssertionError("the earlier handler was called")

    kept = {number: signal.signal(number, handler) for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)}
    yield handler
    for number, old in kept.items():
        signal.signal(number, old)


def fit(folder: Path, at: dict[int, list[int]], *callbacks: Callback, **changes: Any) -> None:
    training = tiny_training(**{"steps": 6, "adversary_from": 1, **changes})
    trainer = Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        callbacks=[Asking(at), *callbacks, Preemption()], default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(training, batches(8))


@pytest.mark.parametrize(
    ("signals", "told", "number"),
    [
        ([signal.SIGUSR2], "its time limit is near .SIGUSR2.", signal.SIGUSR2),
        ([signal.SIGTERM], "asked to end .SIGTERM.", signal.SIGTERM),
        # A scheduler may send both; only one of them promises to go on.
        ([signal.SIGTERM, signal.SIGUSR2], "SIGUSR2", signal.SIGUSR2),
    ],
)
def test_it_saves_before_the_next_batch_and_gives_the_signals_back(
    signals: list[int], told: str, number: int, tmp_path: Path, earlier: Callable[[int, Any], None]
) -> None:
    with pytest.raises(GaveWay, match=f"{told}.* saved at step 3") as raised:
        fit(tmp_path, {2: signals}, KeepCheckpoints(str(tmp_path)))
    assert raised.value.signal_number == number
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["sovits"]["generator_step"] == 3
    assert all(signal.getsignal(one) is earlier for one in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM))


@pytest.mark.usefixtures("earlier")
def test_gradients_that_wait_for_more_batches_are_waited_for(tmp_path: Path) -> None:
    with pytest.raises(GaveWay, match="saved at step 2"):
        fit(tmp_path, {2: [signal.SIGUSR2]}, KeepCheckpoints(str(tmp_path)), rounds=Rounds(accumulate=2), adversary_from=6)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["sovits"]
    assert (saved["generator_step"], saved["batches_since_step"]) == (2, 0)


@pytest.mark.usefixtures("earlier")
def test_asked_at_the_last_batch_it_still_stops(tmp_path: Path) -> None:
    with pytest.raises(GaveWay, match="saved at its last step, 6"):
        fit(tmp_path, {5: [signal.SIGUSR2]}, KeepCheckpoints(str(tmp_path)))


@pytest.mark.usefixtures("earlier")
def test_without_checkpoints_it_says_that_nothing_is_saved(tmp_path: Path) -> None:
    with pytest.raises(GaveWay, match="not saved, because callbacks.checkpoints was left out"):
        fit(tmp_path, {0: [signal.SIGTERM]})


def test_unasked_it_does_nothing(tmp_path: Path, earlier: Callable[[int, Any], None]) -> None:
    fit(tmp_path, {}, KeepCheckpoints(str(tmp_path)), steps=2)
    assert signal.getsignal(signal.SIGTERM) is earlier


def test_never_asking_is_refused() -> None:
    with pytest.raises(SovitsError, match="callbacks.preemption.every_n_batches=0"):
        Preemption(every_n_batches=0)
