"""The log of requests: lines of JSON in a file of bounded size, on a disk that may be full."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

log = logging.getLogger(__name__)

OLD_FILES = 4


class RequestLog(RotatingFileHandler):
    """Writes whole lines only. While the disk takes none, requests go on unlogged: that is told once, and again when it takes them.

    Args:
        path: of the newest file; ``OLD_FILES`` older ones are kept beside it.
        most_bytes: at which a new one is begun.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, maxBytes=most_bytes, backupCount=OLD_FILES, encoding="utf-8")
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line, or counts it as lost."""
        before = -1
        try:
            if self.stream is None:
                self.stream = self._open()
            if self.shouldRollover(record):
                self.doRollover()
            before = os.fstat(self.stream.fileno()).st_size
            self.stream.write(self.format(record) + self.terminator)
            self.stream.flush()
        except OSError as error:
            self._lose(error, before)
        else:
            if self._lost:
                log.warning("The log of requests %s is written again; %d requests are not in it.", self.baseFilename, self._lost)
            self._lost = 0

    def _lose(self, error: OSError, before: int) -> None:
        """Takes the beginning of a line away that did not fit: the file ends ``before`` it."""
        self._lost += 1
        if self._lost == 1:
            told = "The log of requests %s cannot be written (%s); requests are answered all the same, and this is told once."
            log.warning(told, self.baseFilename, error.strerror)
        stream, self.stream = self.stream, None  # type: ignore[assignment]
        if stream is not None:
            # What it still held does not fit either.
            with suppress(OSError):
                stream.close()
        if before >= 0:
            with suppress(OSError):
                os.truncate(self.baseFilename, before)
