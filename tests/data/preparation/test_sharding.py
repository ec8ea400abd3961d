from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.folders import Folders
from sovits.data.manifest import FILE_NAME, QUARANTINE_NAME
from sovits.data.preparation.sharding import Shard
from sovits.errors import SovitsError
from tests.preparing import names, preparation, prepare


def test_shards_are_all_of_the_recordings_once() -> None:
    numbers = list(range(23))
    for count in (1, 2, 5, 30):
        shards = [Shard(index, count).of(numbers) for index in range(count)]  # type: ignore[arg-type]
        assert sorted(number for shard in shards for number in shard) == numbers  # type: ignore[type-var]
        assert max(map(len, shards)) - min(map(len, shards)) <= 1
    with pytest.raises(SovitsError, match=r"shard\.index=8 is not one of the shards 0 to 7"):
        Shard(8, 8)
    with pytest.raises(SovitsError, match=r"shard\.index=-1"):
        Shard(-1, 8)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_the_last_shard_makes_the_set_of_a_single_run_byte_for_byte(recordings: Path, tmp_path: Path, order: list[int]) -> None:
    (recordings / "alice" / "alice_03.txt").unlink()
    prepare(recordings, tmp_path / "single")
    for index in order[:-1]:
        assert preparation().run(Folders(recordings).find(), tmp_path / "shared", Shard(index, 3)) is None
        assert not (tmp_path / "shared" / FILE_NAME).exists()
    prepared = preparation().run(Folders(recordings).find(), tmp_path / "shared", Shard(order[-1], 3))
    assert prepared is not None
    assert prepared.report.reused == prepared.report.recordings
    assert [omission.recording for omission in prepared.report.omissions] == ["alice/alice_03.wav"]
    for name in (FILE_NAME, QUARANTINE_NAME, *(name for name in names(tmp_path / "single") if name.startswith("audio"))):
        assert (tmp_path / "single" / name).read_bytes() == (tmp_path / "shared" / name).read_bytes()


def test_a_shard_done_for_other_recordings_does_not_count(recordings: Path, tmp_path: Path) -> None:
    assert preparation().run(Folders(recordings).find(), tmp_path / "set", Shard(0, 2)) is None
    (recordings / "mei" / "mei_02.txt").write_text("另一句话。", encoding="utf-8")
    assert preparation().run(Folders(recordings).find(), tmp_path / "set", Shard(1, 2)) is None
    assert preparation().run(Folders(recordings).find(), tmp_path / "set", Shard(0, 2)) is not None


def test_a_single_run_finishes_what_shards_began(recordings: Path, tmp_path: Path) -> None:
    assert preparation().run(Folders(recordings).find(), tmp_path / "set", Shard(1, 2)) is None
    report = prepare(recordings, tmp_path / "set")
    assert report.reused == 4
    prepare(recordings, tmp_path / "single")
    assert (tmp_path / "set" / FILE_NAME).read_bytes() == (tmp_path / "single" / FILE_NAME).read_bytes()
