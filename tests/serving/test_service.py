"""What a service makes of its settings."""

from __future__ import annotations

import pytest

from sovits.serving import service
from sovits.serving.service import threads_of_a_batch


@pytest.mark.parametrize(
    ("threads", "workers", "expected"), [(None, 2, 4), (None, 3, 2), (None, 1, 8), (None, 20, 1), (3, 2, 3), (16, 4, 16)]
)
def test_workers_share_the_cores_where_threads_are_not_told(
    threads: int | None, workers: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "available_cores", lambda: 8)
    assert threads_of_a_batch(threads, workers) == expected
