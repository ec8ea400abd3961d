from __future__ import annotations

import errno
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sovits.data.manifest import FILE_NAME, QUARANTINE_NAME, Manifest
from sovits.data.preparation.content_cache import file_hash
from sovits.errors import SovitsError
from tests.preparing import names, prepare

REPOSITORY = Path(__file__).parents[3]
PROGRAM = """
import sys
from pathlib import Path
from tests.preparing import prepare
print("begun", flush=True)
prepare(Path(sys.argv[1]), Path(sys.argv[2]), workers=2)
"""


def preparing(recordings: Path, output: Path) -> subprocess.Popen[str]:
    """A run in a process of its own that has just begun."""
    command = [sys.executable, "-c", PROGRAM, str(recordings), str(output)]
    run = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "begun\n"
    return run


@pytest.mark.slow
def test_a_run_killed_at_any_moment_is_completed_by_the_next(recordings: Path, tmp_path: Path) -> None:
    whole, began = preparing(recordings, tmp_path / "whole"), time.monotonic()
    assert whole.wait() == 0
    length = time.monotonic() - began
    moments, killed = random.Random(0), 0
    for _ in range(30):
        run = preparing(recordings, tmp_path / "set")
        time.sleep(moments.uniform(0, length))
        run.send_signal(signal.SIGKILL)
        if run.wait() == -signal.SIGKILL:
            killed += 1
        else:
            # It was done before: the next ones begin anew, and are killed earlier.
            shutil.rmtree(tmp_path / "set")
            length /= 2
        if killed == 6:
            break
    assert killed == 6
    prepare(recordings, tmp_path / "set", workers=2)
    wanted = [name for name in names(tmp_path / "whole") if name.startswith("audio/")] + [FILE_NAME, QUARANTINE_NAME]
    for name in wanted:
        assert (tmp_path / "set" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_full_disk_is_told_and_what_is_done_is_kept(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = Path.write_bytes, []

    def until_full(path: Path, data: bytes) -> int:
        if len(written) == 5:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", until_full)
    with pytest.raises(SovitsError, match=r"The set .*set cannot be written \(.*No space left on device; \d+ MB are free\); make room"):
        prepare(recordings, tmp_path / "set")
    monkeypatch.undo()
    assert not (tmp_path / "set" / FILE_NAME).exists()
    assert not [name for name in names(tmp_path / "set") if name.endswith(".partial")]
    report = prepare(recordings, tmp_path / "set")
    assert report.reused >= 3
    prepare(recordings, tmp_path / "whole")
    assert (tmp_path / "set" / FILE_NAME).read_bytes() == (tmp_path / "whole" / FILE_NAME).read_bytes()


def test_a_failed_run_leaves_the_set_of_the_run_before(recordings: Path, tmp_path: Path) -> None:
    prepare(recordings, tmp_path / "set")
    before = (tmp_path / "set" / FILE_NAME).read_bytes()
    (recordings / "mei" / "mei_02.wav").write_bytes(b"")
    with pytest.raises(SovitsError, match="strict=true"):
        prepare(recordings, tmp_path / "set", strict=True)
    assert (tmp_path / "set" / FILE_NAME).read_bytes() == before
    assert all(file_hash(tmp_path / "set" / u.path) == u.content_hash for u in Manifest.load(tmp_path / "set").utterances)
