from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from sovits.data.preparation.workers import available_cores, work_through


def through(jobs: list[int], work: Callable[[int, Callable[[float], None]], object], workers: int | None) -> list[object]:
    return work_through(jobs, work, weights=[1.0] * len(jobs), workers=workers, title="Working", unit="jobs")


@pytest.mark.parametrize("workers", [1, 3, None])
def test_results_come_in_the_order_of_the_jobs(workers: int | None) -> None:
    assert through(list(range(50)), lambda job, _: job * job, workers) == [job * job for job in range(50)]
    assert through([], lambda job, _: job, workers) == []


def test_as_many_jobs_run_at_once_as_there_are_workers() -> None:
    together = threading.Barrier(3, timeout=20)  # breaks unless three jobs wait at the same time
    assert through([1, 2, 3], lambda job, _: (together.wait(), job)[1], 3) == [1, 2, 3]


@pytest.mark.parametrize("error", [ValueError("job 4"), KeyboardInterrupt()])
def test_the_first_error_is_raised_and_stops_the_rest(error: BaseException) -> None:
    begun: list[int] = []

    def work(job: int, _: Callable[[float], None]) -> int:
        begun.append(job)
        if job == 4:
            raise error
        return job

    with pytest.raises(type(error)) as raised:
        through(list(range(1000)), work, 1)
    assert raised.value is error
    assert begun == [0, 1, 2, 3, 4]


def test_there_is_a_core() -> None:
    assert available_cores() >= 1
