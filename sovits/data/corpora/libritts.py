"""LibriTTS and LibriTTS-R: read books, a folder of each speaker and chapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from sovits.data.corpora.layout import Subsets
from sovits.data.corpora.listing import Listing, folder_at
from sovits.data.corpora.recording import Recording, finished, troubled, undescribed, with_sidecar
from sovits.errors import SovitsError
from sovits.text.language import ENGLISH

_TEXTS = ("normalized", "original")
_SUBSETS = ("train", "dev", "test")


class LibriTTS:
    """``train-clean-100/19/198/19_198_000000_000000.wav`` with ``.normalized.txt`` and ``.original.txt`` beside it.

    Args:
        root: the folder ``LibriTTS`` or ``LibriTTS_R``, the one it lies in, or one of its subsets.
        text: ``normalized`` (numbers and abbreviations written out) or ``original``.
        subsets: only these, such as ``train-clean-100``.
    """

    def __init__(self, root: str | Path, text: str = "normalized", subsets: Sequence[str] | None = None) -> None:
        if text not in _TEXTS:
            raise SovitsError(f"corpus.text={text} is none of LibriTTS's; choose {' or '.join(_TEXTS)}.")
        self.root = Path(root).expanduser()
        self.text = text
        self.subsets = subsets

    def find(self) -> list[Recording]:
        """Every utterance of the subsets, sorted by name.

        Raises:
            SovitsError: another folder, or an unknown subset.
        """
        subsets = Subsets("LibriTTS", "folders such as train-clean-100/", _is_subset)
        root, chosen = subsets.find(self.root, self.subsets)
        listing = Listing(root, chosen)
        found = undescribed(listing, listing.names, _speaker_of, ENGLISH)
        sidecars = (listing.others.get(f"{PurePosixPath(name).with_suffix('')}.{self.text}.txt") for name in listing.names)
        found = [r if text is None else with_sidecar(r, Path(text)) for r, text in zip(found, sidecars, strict=True)]
        return finished([*found, *troubled(listing, _speaker_of)])


def _is_subset(folder: Path) -> bool:
    return folder.name.split("-")[0] in _SUBSETS and folder.name.count("-") in (1, 2) and folder.is_dir()


def _speaker_of(name: str) -> str:
    return folder_at(name, 1)
