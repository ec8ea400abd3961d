"""The log of requests on a disk that is full for a while."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from sovits.serving.request_log import OLD_FILES, RequestLog


def logger_of(handler: RequestLog) -> logging.Logger:
    logger = logging.Logger("requests")
    logger.addHandler(handler)
    return logger


def test_old_files_are_kept_to_a_number(tmp_path: Path) -> None:
    handler = RequestLog(tmp_path / "new" / "requests.jsonl", 100)
    for number in range(100):
        logger_of(handler).info("line %06d, of 20 bytes", number)
    handler.close()
    assert len(list((tmp_path / "new").iterdir())) == 1 + OLD_FILES
    assert (tmp_path / "new" / "requests.jsonl").read_text().splitlines()[-1] == "line 000099, of 20 bytes"
    assert all(path.stat().st_size <= 100 for path in (tmp_path / "new").iterdir())


def test_a_full_disk_is_told_once_and_its_end_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path, real = tmp_path / "requests.jsonl", tmp_path / "real.jsonl"
    path.symlink_to(real)
    handler = RequestLog(path, 10**6)
    logger = logger_of(handler)
    logger.info("first")

    def points_to(target: Path) -> None:
        path.unlink()
        path.symlink_to(target)
        handler.stream.close()
        handler.stream = handler._open()

    points_to(Path("/dev/full"))
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            logger.info("lost")
        path.unlink()
        path.symlink_to(real)
        logger.info("last")
        logger.info("very last")
    assert real.read_text() == "first\nlast\nvery last\n"
    assert [record.message.split(str(path))[1] for record in caplog.records] == [
        " cannot be written (No space left on device); requests are answered all the same, and this is told once.",
        " is written again; 5 requests are not in it.",
    ]
    assert capfd.readouterr().err == ""
    handler.close()


def test_half_a_line_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "requests.jsonl"
    handler = RequestLog(path, 10**6)
    logger = logger_of(handler)
    logger.info("first")
    stream = handler.stream

    class Half:
        """Writes half of a line, and has no room for more."""

        def fileno(self) -> int:
            return stream.fileno()

        def seek(self, *_: int) -> int:
            return 0

        def tell(self) -> int:
            return os.fstat(stream.fileno()).st_size

        def write(self, text: str) -> None:
            stream.write(text[: len(text) // 2])
            stream.flush()
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            stream.close()

    monkeypatch.setattr(handler, "stream", Half())
    logger.info("a line that is cut")
    assert path.read_text() == "first\n"
    logger.info("last")
    assert path.read_text() == "first\nlast\n"
    handler.close()
