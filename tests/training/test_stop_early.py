"""When a training ends by itself: not before none of its figures gets better, and where the uninterrupted run would have ended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sovits.errors import SovitsError
from sovits.training.callbacks import StopEarly
from tests.builders import batches, tiny_training
from tests.training.test_lightning_module import trainer_in

BOTH = {"val/mel": "min", "val/kl": "max"}


def validations_until_the_end(stop: StopEarly, **figures: list[float]) -> int:
    """How many validations, with these figures one after the other, are made before it stops."""
    trainer = SimpleNamespace(
        sanity_checking=False, state=SimpleNamespace(fn="fit"), strategy=SimpleNamespace(broadcast=lambda value: value), should_stop=False
    )
    count = len(next(iter(figures.values())))
    found = [{f"val/{name}": torch.tensor(values[number]) for name, values in figures.items()} for number in range(count)]
    for number, trainer.callback_metrics in enumerate(found, start=1):
        stop.on_validation_end(trainer, SimpleNamespace())  # type: ignore[arg-type]
        if trainer.should_stop:
            return number
    return len(found)


def test_it_goes_on_while_any_figure_gets_better() -> None:
    mel, kl = [5.0, 4.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0], [1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 2.0, 2.0]
    assert validations_until_the_end(StopEarly(BOTH, patience=3), mel=mel, kl=kl) == 7
    assert validations_until_the_end(StopEarly({"val/mel": "min"}, patience=3), mel=mel) == 5


def test_a_little_better_is_not_better_where_more_is_asked() -> None:
    kl = [1.0, 1.005, 1.009, 1.5, 1.51, 1.51]
    assert validations_until_the_end(StopEarly({"val/kl": "max"}, patience=2, least=0.01), kl=kl) == 3
    assert validations_until_the_end(StopEarly({"val/kl": "max"}, patience=2), kl=kl) == 6


def test_a_figure_without_a_number_says_nothing() -> None:
    nan = float("nan")
    assert validations_until_the_end(StopEarly(BOTH, patience=2), mel=[3.0, 2.0, 3.0, 3.0, 1.0], kl=[nan] * 5) == 4


def test_a_resumed_run_has_waited_as_long() -> None:
    first, second = StopEarly(BOTH, patience=3), StopEarly(BOTH, patience=3)
    validations_until_the_end(first, mel=[3.0, 4.0], kl=[1.0, 1.0])
    second.load_state_dict(first.state_dict())
    assert validations_until_the_end(second, mel=[4.0] * 4, kl=[1.0] * 4) == 2


def test_a_figure_that_nobody_logs_is_refused_before_the_first_step(tmp_path: Path) -> None:
    training = tiny_training(steps=1)
    stop = StopEarly({"val/intelligibility": "max"}, patience=1)
    with pytest.raises(SovitsError, match=r"val/intelligibility is logged by nothing at validation; choose among val/duration, val/kl"):
        trainer_in(tmp_path, callbacks=[stop]).fit(training, batches(1), batches(1))
    assert training.generator_step == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"monitors": {}, "patience": 1}, "give figures"),
        ({"monitors": {"val/mel": "least"}, "patience": 1}, "each with max or min"),
        ({"monitors": BOTH, "patience": 0}, "patience=0 would stop at once"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict, told: str) -> None:
    with pytest.raises(SovitsError, match=told):
        StopEarly(**options)
