"""Where a run stands between two batches, in Lightning's own counters, so that every checkpoint resumes in the same way.

Lightning (2.6) saves its counters as they are at the moment: in the middle of ``on_validation_end``, of an epoch's last batch, or with
the next batch fetched already. Each of these resumes on a path of its own, and some of them lose a validation, count a step twice or give
an epoch a batch of the next. Here they are all rewritten to the one state between two batches, before they are saved.
"""

from __future__ import annotations

from typing import Any

from lightning import Trainer

from sovits.errors import SovitsError

EPOCHS, BATCHES, VALIDATION = "epoch_progress", "epoch_loop.batch_progress", "epoch_loop.val_loop.batch_progress"


def settle(checkpoint: dict[str, Any]) -> None:
    """Rewrites the counters and the loader's place in ``checkpoint`` to those between the last batch and the next one, in place.

    Raises:
        SovitsError: the checkpoint is of the middle of a batch, of which half the work would be done again.
    """
    loop = checkpoint["loops"]["fit_loop"]
    batches, epochs = loop[BATCHES], loop[EPOCHS]
    if batches["total"]["started"] != batches["total"]["processed"]:
        raise SovitsError("A checkpoint in the middle of a training step cannot be resumed exactly; save it before or after.")
    done, within = batches["total"]["processed"], batches["current"]["processed"]
    fetched = batches["current"]["ready"] - within
    whole = epochs["current"]["processed"]
    at_end = _at_end(batches, fetched)
    if at_end and epochs["current"]["started"] > whole:
        whole += 1
    if at_end:
        within = 0
    # An epoch that has begun is one more than those that are over.
    begun = whole + (0 if at_end else 1)
    _fill(batches, total=done, current=within)
    batches["is_last_batch"] = False
    for tracker in (epochs["total"], epochs["current"]):
        tracker.update(ready=begun, started=begun, processed=whole, completed=whole)
    # Lightning counts from the last validation, and after a resumption from the one before.
    validated = loop[VALIDATION]["current"]["processed"]
    _fill(loop[VALIDATION], total=validated, current=validated)
    loop["epoch_loop.state_dict"]["_batches_that_stepped"] = done
    checkpoint["epoch"] = whole
    for state in loop["state_dict"].get("combined_loader", []):
        state.update({"consumed": within, "epoch": state["epoch"] + 1} if at_end else {"consumed": state["consumed"] - fetched})


def batches_done(trainer: Trainer) -> int:
    """Batches that the run has trained on so far, those before a resumption among them: Lightning's axis of what is logged."""
    return int(trainer.fit_loop.epoch_loop.batch_progress.total.completed)


def go_on(trainer: Trainer) -> None:
    """Call when training starts, resumed or not: keeps Lightning from counting the last batch again where a validation followed it.

    It then passes by the end of that batch once more, with the validation left out.
    """
    loop = trainer.fit_loop.epoch_loop
    if loop.restarting and loop._should_check_val_fx(trainer.fit_loop._data_fetcher):  # type: ignore[arg-type]
        loop._batches_that_stepped -= 1


def forget_logged(trainer: Trainer) -> None:
    """Takes the figures of the last batch out of Lightning's memory, as a resumed run begins without them.

    Otherwise a row for a batch that logs only some figures, one that only the discriminators learn from, repeats the others.
    """
    results = trainer.fit_loop.epoch_loop._results
    for key in [key for key, result in results.items() if result.meta.on_step and not result.meta.on_epoch]:
        del results[key]


def _at_end(batches: dict[str, Any], fetched: int) -> bool:
    """Whether the batch done last ended its epoch; with the next one fetched it did not, or that epoch is over already."""
    return bool(batches["is_last_batch"]) and not fetched


def _fill(progress: dict[str, Any], total: int, current: int) -> None:
    for name, count in (("total", total), ("current", current)):
        progress[name].update(ready=count, started=count, processed=count, completed=count)
