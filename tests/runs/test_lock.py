"""Two commands cannot work on one run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sovits.errors import SovitsError
from sovits.runs.lock import alone_in, at_work

HOLD = """
import sys, time
from pathlib import Path
from sovits.runs.lock import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def test_a_second_command_is_refused_until_the_first_is_gone_however_it_went(tmp_path: Path) -> None:
    assert not at_work(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"in\n"
        assert at_work(tmp_path)
        with pytest.raises(SovitsError, match="still at work"), alone_in(tmp_path):
            pass
    finally:
        holder.kill()
        holder.wait()
    assert not at_work(tmp_path)
    with alone_in(tmp_path):
        pass


def test_the_other_processes_of_one_run_need_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with alone_in(tmp_path / "not made"):
        assert not (tmp_path / "not made").exists()
