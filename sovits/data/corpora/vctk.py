"""VCTK: 110 English speakers, each sentence by two microphones."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from sovits.data.corpora.layout import corpus_folder
from sovits.data.corpora.listing import Listing, folder_at
from sovits.data.corpora.recording import Recording, finished, troubled, undescribed, with_sidecar
from sovits.errors import SovitsError
from sovits.text.language import ENGLISH

TWO_MICROPHONES = "wav48_silence_trimmed"
ONE_MICROPHONE = "wav48"
_TAKE = re.compile(r"(.+)_mic([12])")
_BOTH = "both"


class VCTK:
    """``wav48_silence_trimmed/p225/p225_001_mic1.flac`` (0.92) or ``wav48/p225/p225_001.wav`` (0.80), and ``txt/p225/p225_001.txt``.

    The corpus lacks some parts: p280 and p315 were not recorded by microphone 2, and p315 has no texts.

    Args:
        root: the folder ``VCTK-Corpus-0.92`` or ``VCTK-Corpus``, or the one it lies in.
        microphone: 1 (omni-directional, the one of 0.80), 2 (small diaphragm condenser), or ``both``: two recordings of each sentence.
    """

    def __init__(self, root: str | Path, microphone: int | str = 1) -> None:
        if str(microphone) not in ("1", "2", _BOTH):
            raise SovitsError(f"corpus.microphone={microphone} is none of VCTK's; choose 1, 2 or {_BOTH}.")
        self.root = Path(root).expanduser()
        self.microphone = str(microphone)

    def find(self) -> list[Recording]:
        """Every take of the chosen microphone, sorted by name; a sentence that only the other has is told as a problem.

        Raises:
            SovitsError: another folder, or microphone 2 of the release that has one.
        """
        root = corpus_folder(
            self.root,
            "VCTK",
            f"{TWO_MICROPHONES}/ (or {ONE_MICROPHONE}/) and txt/",
            lambda f: (f / "txt").is_dir() and ((f / TWO_MICROPHONES).is_dir() or (f / ONE_MICROPHONE).is_dir()),
        )
        folder = TWO_MICROPHONES if (root / TWO_MICROPHONES).is_dir() else ONE_MICROPHONE
        if folder == ONE_MICROPHONE and self.microphone == "2":
            raise SovitsError(f"{root} is the older VCTK with one microphone; choose corpus.microphone=1, or get release 0.92.")
        listing = Listing(root, [folder, "txt"])
        sentences: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name in listing.audio:
            sentence, microphone = _take(name)
            sentences[sentence].append((microphone, name))
        found = [recording for sentence, takes in sentences.items() for recording in self._recordings(listing, sentence, takes)]
        return finished([*found, *troubled(listing, _speaker_of)])

    def _recordings(self, listing: Listing, sentence: str, takes: list[tuple[str, str]]) -> list[Recording]:
        """Those of one sentence; ``takes``: microphones and names."""
        chosen = [name for microphone, name in takes if self.microphone == _BOTH or microphone in ("", self.microphone)]
        speaker = _speaker_of(sentence)
        if not chosen:
            path = PurePosixPath(f"{sentence}_mic{self.microphone}{PurePosixPath(takes[0][1]).suffix}")
            problem = f"microphone {self.microphone} did not record it; choose corpus.microphone={_BOTH}"
            return [Recording(listing.root / path, str(path), speaker, path.stem, problem=problem)]
        takes_found = undescribed(listing, chosen, _speaker_of, ENGLISH)
        text = listing.others.get(f"txt/{speaker}/{PurePosixPath(sentence).name}.txt")
        return takes_found if text is None else [with_sidecar(recording, Path(text)) for recording in takes_found]


def _take(name: str) -> tuple[str, str]:
    """The sentence of a file, and its microphone (empty: not told)."""
    stem = str(PurePosixPath(name).with_suffix(""))
    match = _TAKE.fullmatch(stem)
    return (match[1], match[2]) if match else (stem, "")


def _speaker_of(name: str) -> str:
    return folder_at(name, 1)
