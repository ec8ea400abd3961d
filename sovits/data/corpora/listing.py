"""Every file below a folder, each once, whatever links, loops and closed doors there are."""

# Paths are strings here: a Path for each of 100,000 files takes longer than finding them.
# ruff: noqa: PTH100, PTH112, PTH113, PTH115, PTH117, PTH118, PTH120, PTH122
from __future__ import annotations

import os
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sovits.audio.waveform import READABLE
from sovits.errors import SovitsError

# Formats that people do hold recordings in and that cannot be read here: named in the report rather than overlooked.
UNREADABLE = (".m4a", ".aac", ".wma", ".amr", ".aiff", ".aif", ".webm", ".mp4", ".caf", ".mka", ".ape")
_AUDIO = frozenset(READABLE + UNREADABLE)
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Trouble:
    """Something below the folder that cannot be listed as it stands."""

    name: str
    """Relative to the root."""
    path: Path
    reason: str
    is_folder: bool


class Listing:
    """The files below ``root``, by their names: paths relative to it, with forward slashes.

    Hidden files and folders (``.name``, and so macOS' ``._name``) are passed over. Links are followed, but no file is listed twice: a link
    to what is listed already, to a folder above itself or to nothing is one of the ``troubles``, as is what cannot be read.

    Args:
        root: the folder.
        folders: only these folders of it, relative to it.

    Raises:
        SovitsError: no such folder, or one that cannot be read.
    """

    def __init__(self, root: Path, folders: Sequence[str] = ("",)) -> None:
        if not root.is_dir():
            raise SovitsError(f"There is no recordings folder {root}; give the corpus's folder as recordings=DIR.")
        self.root = root
        self.audio: dict[str, str] = {}
        """Paths of the audio files by name, sorted by name."""
        self.others: dict[str, str] = {}
        """Paths of all other files by name."""
        self.troubles: list[Trouble] = []
        self._folders: dict[str, str] = {}
        """Names of the folders, each with a slash at its end, by real path."""
        self._linked: dict[str, str] = {}
        """Names of the audio files that are links, by real path."""
        self._links: list[tuple[str, str]] = []
        for folder in folders:
            prefix = f"{folder}/" if folder else ""
            self._walk(prefix, str(root / folder), os.path.realpath(root / folder))
        # Real files first: what a link leads to is then listed under its own name, and in the same order on every machine.
        while self._links:
            links, self._links = sorted(self._links), []
            for name, path in links:
                self._follow(name, path)
        self.audio = dict(sorted(self.audio.items()))

    @cached_property
    def names(self) -> list[str]:
        """Those of the audio files, sorted."""
        return list(self.audio)

    def below(self, folder: str) -> list[str]:
        """Names of the audio files below ``folder`` (a name; empty: all), sorted."""
        if not folder:
            return self.names
        return self.names[bisect_left(self.names, f"{folder}/") : bisect_left(self.names, f"{folder}0")]  # 0 comes after / in ASCII

    def name_of(self, path: Path) -> str | None:
        """The name of a path inside the root, listed or not; ``None`` for one outside."""
        given, root = os.path.abspath(path), os.path.abspath(self.root)
        if given == root:
            return ""
        return os.path.relpath(given, root).replace(os.sep, "/") if given.startswith(os.path.join(root, "")) else None

    def locate(self, written: str, beside: Path, *, moved: bool = False) -> tuple[str, Path] | None:
        """The audio file that ``written`` means, as its name and path; the name of a file outside the root is its absolute path.

        Taken as it stands, from ``beside`` and from the root; then with its backslashes as slashes. A path of another machine
        (absolute, but not there) is shortened from the left until what is left exists below one of the two.

        Args:
            written: a path, of Windows or not.
            beside: the folder of the file that names it.
            moved: shorten relative paths as well.
        """
        for path in self._candidates(written, str(beside), moved):
            if (name := self._listed(path)) is not None:
                return name, Path(self.audio[name])
        for path in self._candidates(written, str(beside), moved):
            if os.path.isfile(path):
                name = self._listed_as(os.path.realpath(path)) or self.name_of(Path(path)) or Path(path).as_posix()
                return name, Path(self.audio.get(name, path))
        return None

    @cached_property
    def _prefix(self) -> str:
        return os.path.join(os.path.abspath(self.root), "")

    @cached_property
    def _folded(self) -> dict[str, str | None]:
        """Names by what does not tell case and composed letters apart; ``None`` where that leaves two."""
        names: dict[str, str | None] = {}
        for name in self.audio:
            key = folded(name)
            names[key] = None if key in names else name
        return names

    def _candidates(self, written: str, beside: str, moved: bool) -> Iterator[str]:
        """Absolute paths that ``written`` may mean, the most literal first."""
        slashed = _DRIVE.sub("", written, count=1).replace("\\", "/") if "\\" in written or _DRIVE.match(written) else written
        starts = dict.fromkeys((beside, str(self.root)))
        for form in dict.fromkeys((written, slashed)):
            for start in starts:
                yield os.path.abspath(os.path.join(start, form))
        if moved or slashed.startswith("/"):
            parts = [part for part in slashed.split("/") if part not in ("", ".", "..")]
            for first in range(len(parts)):
                for start in starts:
                    yield os.path.abspath(os.path.join(start, *parts[first:]))

    def _listed(self, path: str) -> str | None:
        if not path.startswith(self._prefix):
            return None
        name = path[len(self._prefix) :].replace(os.sep, "/")
        return name if name in self.audio else self._folded.get(folded(name))

    def _listed_as(self, real: str) -> str | None:
        """The name under which the file of this real path is listed."""
        if real in self._linked:
            return self._linked[real]
        folder, base = os.path.split(real)
        name = self._folders.get(folder, "/") + base
        return name if name in self.audio else None

    def _walk(self, prefix: str, path: str, real: str) -> None:
        """Lists a folder that is no link, and all below it; keeps the links for later."""
        waiting = [(prefix, path, real)]
        while waiting:
            prefix, path, real = waiting.pop()
            if real in self._folders:
                self._trouble(prefix, path, f"the folder is listed as {self._folders[real].rstrip('/') or 'the root'} already", folder=True)
                continue
            self._folders[real] = prefix
            try:
                with os.scandir(path) as entries:
                    inside = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                if not prefix:
                    raise SovitsError(f"{path} cannot be read ({error.strerror}); make it readable.") from error
                self._trouble(prefix, path, f"the folder cannot be read ({error.strerror}); make it readable", folder=True)
                continue
            for entry in inside:
                if entry.name.startswith("."):
                    continue
                if not _is_utf8(entry.name):
                    self._trouble(prefix + entry.name, entry.path, "its name is not UTF-8; rename it", folder=entry.is_dir())
                elif entry.is_symlink():
                    self._links.append((prefix + entry.name, entry.path))
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append((f"{prefix}{entry.name}/", entry.path, os.path.join(real, entry.name)))
                else:
                    self._file(prefix + entry.name, entry.path, regular=entry.is_file(follow_symlinks=False))

    def _file(self, name: str, path: str, *, regular: bool = True) -> None:
        if not _is_audio(name):
            self.others[name] = path
        elif regular:
            self.audio[name] = path
        else:
            self._trouble(name, path, "it is not a file with contents (but a pipe or a device); remove it")

    def _follow(self, name: str, path: str) -> None:
        target = os.path.realpath(path)
        if os.path.isdir(target):
            if f"{os.path.realpath(os.path.dirname(path))}{os.sep}".startswith(os.path.join(target, "")):
                self._trouble(name, path, f"the link leads back to {target}, which holds it; remove the link", folder=True)
            else:
                self._walk(f"{name}/", path, target)
        elif not _is_audio(name) and os.path.isfile(target):
            self.others[name] = path
        elif os.path.isfile(target):
            if (listed := self._listed_as(target)) is not None:
                self._trouble(name, path, f"the link leads to {listed}, which is listed itself; remove one of them")
            else:
                self._linked[target] = name
                self._file(name, path)
        elif _is_audio(name) or not os.path.splitext(name)[1]:
            self._trouble(name, path, f"the link leads to {os.readlink(path)}, which is not there; mend or remove it")

    def _trouble(self, name: str, path: str, reason: str, *, folder: bool = False) -> None:
        self.troubles.append(Trouble(_shown(name).rstrip("/"), Path(path), reason, folder))


def _is_audio(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in _AUDIO


def _is_utf8(name: str) -> bool:
    """Whether a name can be written down: bytes that are not UTF-8 come as lone surrogates."""
    return name.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in name)


def _shown(name: str) -> str:
    return name if _is_utf8(name) else os.fsencode(name).decode("utf-8", "backslashreplace")


def folder_at(name: str, level: int) -> str:
    """The folder of a file so many levels below the root (0: ``a`` of ``a/b.wav``); empty where it has none there."""
    folders = name.split("/")[:-1]
    return folders[level] if len(folders) > level else ""


def is_absolute(name: str) -> bool:
    """Whether a path is absolute, here or on Windows."""
    return name.startswith("/") or os.path.isabs(name) or _DRIVE.match(name) is not None


def folded(name: str) -> str:
    """``name`` without what some file systems do not tell apart: case, and how an accented letter is composed."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
