"""Many jobs on a few threads, with a bar that knows how much is left."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Job = TypeVar("Job")
Result = TypeVar("Result")


def work_through(
    jobs: Sequence[Job],
    work: Callable[[Job, Callable[[float], None]], Result],
    *,
    weights: Sequence[float],
    workers: int | None,
    title: str,
    unit: str,
) -> list[Result]:
    """The results of all ``jobs``, in their order.

    The first error stops what has not begun and is raised. Threads, since nearly all of the time is spent in code that lets others run.

    Args:
        jobs: what there is to do.
        work: does a job; its second argument is to be told what share of it is done.
        weights: how much work each job is, in any unit: what the time left is reckoned from.
        workers: threads; ``None``: one for each core this process may use.
        title: of the bar, which goes to the terminal's standard error and vanishes at the end.
        unit: what a job is called, in the plural.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn(title),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        TextColumn("{task.fields[done]}"),
        console=console,
        transient=True,
        speed_estimate_period=120,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(title, total=max(sum(weights), 1e-9), done="")
        lock, failures, finished = threading.Lock(), list[BaseException](), 0

        def run(job: Job, weight: float) -> Result:
            nonlocal finished
            if failures:
                raise CancelledError
            told = 0.0

            def tell(share: float) -> None:
                nonlocal told
                bar.advance(task, weight * (share - told))
                told = share

            try:
                result = work(job, tell)
            except BaseException as error:
                failures.append(error)
                raise
            tell(1.0)
            with lock:
                finished += 1
                bar.update(task, done=f"{finished} of {len(jobs)} {unit}")
            return result

        with ThreadPoolExecutor(workers or available_cores()) as pool:
            futures: list[Future[Result]] = [pool.submit(run, job, weight) for job, weight in zip(jobs, weights, strict=True)]
            try:
                return [future.result() for future in futures]
            except BaseException as error:
                pool.shutdown(wait=True, cancel_futures=True)
                raise (failures or [error])[0] from None


def available_cores() -> int:
    """Cores that this process may use, where the system tells; otherwise all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
