"""Trouble with the disk that a set is written to, told in a sentence."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sovits.errors import SovitsError


@contextmanager
def disk_trouble(output: Path) -> Iterator[None]:
    """Says plainly that the set cannot be written; what is done by then stays, and the next run goes on from there."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG):
            raise
        where = error.filename or output
        room = f"; {shutil.disk_usage(output).free / 1e6:.0f} MB are free" if output.exists() else ""
        raise SovitsError(
            f"The set {output} cannot be written ({where}: {error.strerror}{room}); make room or choose another output=DIR and run "
            "the same command again: what is done is kept."
        ) from error
