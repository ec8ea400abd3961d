"""LJSpeech 1.1: one reader, 13,100 clips."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from sovits.data.corpora.layout import corpus_folder
from sovits.data.corpora.listing import Listing
from sovits.data.corpora.recording import Recording, finished, troubled, undescribed
from sovits.data.corpora.tables import TABLE_NAME, place, read_table
from sovits.text.language import ENGLISH


class LJSpeech:
    """``wavs/LJ001-0001.wav`` and ``metadata.csv`` with lines of ``id|text|normalised text``, the last of which is taken.

    Args:
        root: the folder ``LJSpeech-1.1``, or the one it lies in.
        speaker: what its reader is called.
    """

    def __init__(self, root: str | Path, speaker: str = "LJ") -> None:
        self.root = Path(root).expanduser()
        self.speaker = speaker

    def find(self) -> list[Recording]:
        """Every clip, sorted by name; one that the table doesn't name comes without a text.

        Raises:
            SovitsError: another folder, or a table that cannot be read.
        """
        root = corpus_folder(
            self.root, "LJSpeech", f"wavs/ and {TABLE_NAME}", lambda f: (f / TABLE_NAME).is_file() and (f / "wavs").is_dir()
        )
        listing = Listing(root, ["wavs"])
        rows = place(read_table(root / TABLE_NAME, listing), listing)
        found = [placed.recording(self.speaker, PurePosixPath(name).stem, ENGLISH) for name, placed in rows.items()]
        found += undescribed(listing, (name for name in listing.audio if name not in rows), self._speaker_of, ENGLISH)
        return finished([*found, *troubled(listing, self._speaker_of)])

    def _speaker_of(self, _: str) -> str:
        return self.speaker
