"""Finding a published corpus's folder: it may be the one given, or the one in it that its archive unpacks to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sovits.data.corpora.recording import some
from sovits.errors import SovitsError


@dataclass(frozen=True)
class Subsets:
    """A corpus that comes in parts, each a folder."""

    corpus: str
    """Its name, for errors."""
    expected: str
    """What lies in its folder, for errors."""
    is_subset: Callable[[Path], bool]
    """Looks at a folder."""

    def find(self, root: Path, wanted: Sequence[str] | None) -> tuple[Path, list[str]]:
        """The corpus's folder and the names of the ``wanted`` subsets in it (``None``: all), sorted. ``root`` may also be one subset.

        Raises:
            SovitsError: another folder, or an unknown subset.
        """
        if root.is_dir() and self.is_subset(root.resolve()):
            root = root.resolve()
            root, there = root.parent, [root.name]
        else:
            root = corpus_folder(root, self.corpus, self.expected, lambda folder: bool(self._in(folder)))
            there = self._in(root)
        if unknown := sorted(set(wanted or ()) - set(there)):
            raise SovitsError(f"corpus.subsets: there is no {some(unknown)} in {root}; it has {some(there, 9)}.")
        return root, there if wanted is None else sorted(set(wanted))

    def _in(self, folder: Path) -> list[str]:
        return sorted(path.name for path in folder.iterdir() if path.is_dir() and self.is_subset(path))


def corpus_folder(root: Path, corpus: str, expected: str, is_it: Callable[[Path], bool]) -> Path:
    """``root``, or the one folder in it, that ``is_it``.

    Args:
        root: as the user gave it.
        corpus: its name, for the error.
        expected: what lies in its folder, for the error.
        is_it: looks at a folder.

    Raises:
        SovitsError: no such folder, none that is it, or several.
    """
    if not root.is_dir():
        raise SovitsError(f"There is no recordings folder {root}; give the folder of {corpus} as recordings=DIR.")
    if is_it(root):
        return root
    try:
        inside = sorted(path for path in root.iterdir() if not path.name.startswith("."))
        found = [path for path in inside if path.is_dir() and is_it(path)]
    except OSError as error:
        raise SovitsError(f"{root} cannot be read ({error.strerror}); make it readable.") from error
    if len(found) == 1:
        return found[0]
    if found:
        raise SovitsError(
            f"{root} holds {corpus} more than once ({some([path.name for path in found])}); give one of them as recordings=DIR."
        )
    seen = some([path.name for path in inside], 5) or "nothing"
    raise SovitsError(f"{root} is not {corpus}: expected {expected}, found {seen}; give its folder as recordings=DIR.")
