"""AISHELL-3: 218 Mandarin speakers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from sovits.data.corpora.layout import Subsets
from sovits.data.corpora.listing import Listing, folder_at
from sovits.data.corpora.recording import Recording, finished, troubled, undescribed
from sovits.data.corpora.tables import Row, place
from sovits.data.corpora.text_file import lines, read_text
from sovits.errors import SovitsError
from sovits.text.language import MANDARIN

CONTENT = "content.txt"
_PINYIN = re.compile(r"[a-zü:]+\d")


class AISHELL3:
    """``train/wav/SSB0005/SSB00050001.wav`` and ``train/content.txt`` with lines of the file's name, a tab, and each character with
    its pinyin (``广 guang3 州 zhou1``), of which the characters are taken; ``test`` likewise.

    Args:
        root: the folder that ``train`` and ``test`` were unpacked to, the one it lies in, or one of the two.
        subsets: only these of the two.
    """

    def __init__(self, root: str | Path, subsets: Sequence[str] | None = None) -> None:
        self.root = Path(root).expanduser()
        self.subsets = subsets

    def find(self) -> list[Recording]:
        """Every utterance, sorted by name; one that the table doesn't name comes without a text.

        Raises:
            SovitsError: another folder, or an unknown subset.
        """
        subsets = Subsets(
            "AISHELL-3", f"train/ and test/ with wav/ and {CONTENT}", lambda f: (f / CONTENT).is_file() and (f / "wav").is_dir()
        )
        root, chosen = subsets.find(self.root, self.subsets)
        listing = Listing(root, chosen)
        found = troubled(listing, _speaker_of)
        for subset in chosen:
            table = root / subset / CONTENT
            try:
                rows = place(_rows(table, listing.below(subset)), listing)
            except SovitsError as error:
                found.append(Recording(table, f"{subset}/{CONTENT}", "", table.stem, problem=str(error).rstrip(".")))
                rows = {}
            found += [placed.recording(_speaker_of(name), PurePosixPath(name).stem, MANDARIN) for name, placed in rows.items()]
            found += undescribed(listing, (name for name in listing.below(subset) if name not in rows), _speaker_of, MANDARIN)
        return finished(found)


def _rows(table: Path, names: Sequence[str]) -> Iterator[Row]:
    folders = {PurePosixPath(name).name: folder_at(name, 2) for name in names}
    for number, line in enumerate(lines(read_text(table)), start=1):
        if not line.strip():
            continue
        name, _, content = (part.strip() for part in line.partition("\t"))
        # An r-coloured syllable may hold two characters in one token (花儿 huar1): what is not pinyin is text.
        text = "".join(token for token in content.split() if not _PINYIN.fullmatch(token))
        problem = None
        if not text:
            problem = (
                f"{table}, line {number}: {line.strip()[:40]!r} does not read name, tab, characters with pinyin; complete or remove it"
            )
        yield Row(f"wav/{folders.get(name, name[:7])}/{name}" if name in folders or text else "", text, None, None, table, number, problem)


def _speaker_of(name: str) -> str:
    return folder_at(name, 2)
