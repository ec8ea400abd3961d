"""The annotation lists of GPT-SoVITS: lines of ``path|speaker|language|text``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sovits.data.corpora.listing import Listing
from sovits.data.corpora.recording import Recording, finished, some, stem_of
from sovits.data.corpora.tables import Row, place
from sovits.data.corpora.text_file import lines, read_text
from sovits.errors import SovitsError

SUFFIX = ".list"
_FIELDS = 4


class AnnotationList:
    """A ``.list`` file of GPT-SoVITS; only what it lists is used.

    Its paths may be absolute, relative to its folder or to ``root``, or come from another machine, Windows or not: of those, the longest
    ending that exists below ``root`` or the list's folder is taken. Languages: ``zh``, ``en``, ``auto``, in any case.

    Args:
        root: the folder of the recordings.
        list: the file; ``None``: the only one in ``root``.
    """

    def __init__(self, root: str | Path, list: str | Path | None = None) -> None:
        self.root = Path(root).expanduser()
        self.list = None if list is None else Path(list).expanduser()

    def find(self) -> list[Recording]:
        """A recording of each line, sorted by name.

        Raises:
            SovitsError: no such file, several where none is named, or one that cannot be read.
        """
        root = self.root.parent if self.root.is_file() else self.root
        listing = Listing(root)
        table = self._table(listing)
        rows = place(_rows(table), listing, moved=True)
        if not rows:
            raise SovitsError(f"{table} lists nothing; write a line of path|speaker|language|text for each recording.")
        return finished(placed.recording("", stem_of(name)) for name, placed in rows.items())

    def _table(self, listing: Listing) -> Path:
        given = self.list or (self.root if self.root.is_file() else None)
        if given is not None:
            if not given.is_file():
                raise SovitsError(f"There is no list {given}; give corpus.list=FILE with lines of path|speaker|language|text.")
            return given
        there = sorted(name for name in listing.others if name.endswith(SUFFIX) and "/" not in name)
        if len(there) != 1:
            seen = f"several lists ({some(there)})" if there else f"no {SUFFIX} file"
            raise SovitsError(f"{listing.root} has {seen}; say which lines of path|speaker|language|text to read with corpus.list=FILE.")
        return Path(listing.others[there[0]])


def _rows(table: Path) -> Iterator[Row]:
    for number, line in enumerate(lines(read_text(table)), start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("|")]
        file, speaker, language, text = fields if len(fields) == _FIELDS else (fields[0], "", "", "")
        lacking = next((what for what, value in (("path", file), ("speaker", speaker), ("text", text)) if not value), None)
        problem = None
        if lacking is not None:
            reason = f"no {lacking}" if len(fields) == _FIELDS else f"{len(fields)} fields"
            problem = f"{table}, line {number} has {reason}; it must read path|speaker|language|text"
        yield Row(file, " ".join(text.split()), speaker or None, language, table, number, problem)
