"""One table that says all: which files, what is said, who speaks."""

from __future__ import annotations

from pathlib import Path

from sovits.data.corpora.listing import Listing, folder_at, is_absolute
from sovits.data.corpora.recording import Recording, finished, stem_of
from sovits.data.corpora.tables import TABLE_NAME, Placed, place, read_table
from sovits.errors import SovitsError


class MetadataTable:
    """``metadata.csv`` with the columns ``path,text`` and if wanted ``speaker,language`` (see ``tables.read_table``).

    Only what it lists is used. Paths are relative to its folder.

    Args:
        root: the table, or the folder with a ``metadata.csv``.
        speaker: whose the rows without a speaker are; ``None``: the first folder of the path, or the table's for a file beside it.
    """

    def __init__(self, root: str | Path, speaker: str | None = None) -> None:
        self.root = Path(root).expanduser()
        self.speaker = speaker

    def find(self) -> list[Recording]:
        """A recording of each row, sorted by name.

        Raises:
            SovitsError: no such table, or none that can be read.
        """
        table = self.root / TABLE_NAME if self.root.is_dir() else self.root
        if not table.is_file():
            raise SovitsError(f"There is no table {table}; give it, or a folder with a {TABLE_NAME}, as recordings=PATH.")
        listing = Listing(table.parent)
        rows = place(read_table(table, listing), listing)
        if not rows:
            raise SovitsError(f"{table} lists nothing; write a row of path,text for each recording.")
        return finished(placed.recording(self._speaker(placed), stem_of(name)) for name, placed in rows.items())

    def _speaker(self, placed: Placed) -> str:
        if self.speaker is not None:
            return self.speaker
        inside = "" if is_absolute(placed.name) else folder_at(placed.name, 0)
        return inside or placed.path.absolute().parent.name
