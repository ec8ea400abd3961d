"""A folder of each speaker's recordings, whatever lies deeper."""

from __future__ import annotations

from pathlib import Path

from sovits.audio.waveform import READABLE
from sovits.data.corpora.listing import Listing, folder_at, is_absolute
from sovits.data.corpora.recording import Recording, finished, some, stem_of, troubled, with_sidecar
from sovits.data.corpora.tables import TABLE_NAME, Placed, place, read_table
from sovits.errors import SovitsError

SIDECARS = (".txt", ".lab", ".TXT", ".LAB")


class Folders:
    """``root/<speaker>/**/<name>.wav`` (or flac, mp3, ogg, opus).

    A transcript comes from the first of:

    1. a row of a table (see ``tables.read_table``): ``metadata``, ``root/<speaker>/metadata.csv``, ``root/metadata.csv``;
    2. ``<name>.txt`` or ``<name>.lab`` beside the audio.

    Args:
        root: the recordings folder.
        metadata: a table of transcripts that may lie anywhere; it may also name the speakers.
    """

    def __init__(self, root: str | Path, metadata: str | Path | None = None) -> None:
        self.root = Path(root).expanduser()
        self.metadata = None if metadata is None else Path(metadata).expanduser()

    def find(self) -> list[Recording]:
        """Every audio file below ``root/<speaker>`` and every row of the tables, sorted by name.

        Raises:
            SovitsError: no such folder, no audio in it or none in a speaker's folder, or no table ``metadata``.
        """
        listing = Listing(self.root)
        rows, bad_tables = self._rows(listing)
        listed = [self._recording(listing, name) for name in listing.audio if name not in rows]
        described = [placed.recording(_speaker_of_row(placed), stem_of(name)) for name, placed in rows.items()]
        found = [*listed, *described, *bad_tables, *troubled(listing, _speaker_of)]
        if not found:
            raise SovitsError(
                f"There is no audio in {self.root}; put {' '.join(READABLE)} files of each speaker into {self.root}/<speaker>/."
            )
        if not any(recording.speaker for recording in found) and listed:
            raise SovitsError(
                f"{self.root} holds audio outside a speaker's folder ({some(listing.names)}); move it to {self.root}/<speaker>/."
            )
        return finished(found)

    def _rows(self, listing: Listing) -> tuple[dict[str, Placed], list[Recording]]:
        """The tables' rows by the name of their file, the more specific table's first; and the tables that cannot be used."""
        rows: dict[str, Placed] = {}
        bad = []
        inside = [name for name in listing.others if name == TABLE_NAME or (name.count("/") == 1 and name.endswith(f"/{TABLE_NAME}"))]
        for name in sorted(inside, key=lambda name: (name.count("/"), name)):
            table = Path(listing.others[name])
            if self.metadata is not None and self.metadata.resolve() == table.resolve():
                continue
            try:
                rows |= place(read_table(table, listing), listing)
            except SovitsError as error:
                bad.append(Recording(table, name, _speaker_of(name), table.stem, problem=str(error).rstrip(".")))
        if self.metadata is not None:
            rows |= place(read_table(self.metadata, listing), listing)
        return rows, bad

    def _recording(self, listing: Listing, name: str) -> Recording:
        recording = Recording(Path(listing.audio[name]), name, _speaker_of(name), stem_of(name))
        beside = (name[: -len(recording.path.suffix)] + suffix for suffix in SIDECARS)
        sidecar = next((listing.others[text] for text in beside if text in listing.others), None)
        return recording if sidecar is None else with_sidecar(recording, Path(sidecar))


def _speaker_of(name: str) -> str:
    return folder_at(name, 0)


def _speaker_of_row(placed: Placed) -> str:
    """Whose file a row means, where the row doesn't tell."""
    if not is_absolute(placed.name):
        return _speaker_of(placed.name)
    return "" if placed.path == placed.row.table else placed.path.parent.name
