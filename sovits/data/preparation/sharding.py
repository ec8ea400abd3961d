"""Parts of a corpus for the machines of a cluster, which share a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sovits.data.corpora.recording import Recording
from sovits.data.preparation.content_cache import ContentCache, content_key
from sovits.errors import SovitsError


@dataclass(frozen=True)
class Shard:
    """Part ``index`` of ``count``. Every part leaves its results in the set's cache, from which the set of all is then made.

    Raises:
        SovitsError: an index that is not one of 0 to ``count - 1``.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise SovitsError(f"shard.index={self.index} is not one of the shards 0 to {self.count - 1}; shard.count={self.count}.")

    def of(self, recordings: Sequence[Recording]) -> list[Recording]:
        """Every ``count``-th recording: those of one speaker, and so the work, spread over all parts."""
        return list(recordings[self.index :: self.count])

    def finish(self, output: Path, recordings: Sequence[Recording], settings: dict[str, Any]) -> bool:
        """Notes that this part is done, and tells whether all of them now are, for the same recordings and settings."""
        files = [[r.name, r.text, r.problem or _state(r.path)] for r in recordings]
        work = content_key(self.count, files, settings)
        done = ContentCache(output / "cache" / "shards")
        done.save(f"{work}-{self.index}", True)
        return all(done.path(f"{work}-{index}").is_file() for index in range(self.count))


def _state(path: Path) -> list[int]:
    """Size and time of change; nothing for a file that is gone."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
