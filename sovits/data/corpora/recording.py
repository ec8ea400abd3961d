"""Raw recordings on disk: which there are, who speaks, and what is said where a file beside them tells.

The layout is ``DIR/<speaker>/**/<name>.wav`` (or flac, mp3, ogg, opus). A transcript comes from the first of:

1. a row of a table: the file given as ``metadata``, ``DIR/<speaker>/metadata.csv``, ``DIR/metadata.csv``;
2. ``<name>.txt`` or ``<name>.lab`` beside the audio.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sovits.audio.waveform import READABLE
from sovits.data.corpora.tables import TABLE_NAME, Row, read_table
from sovits.errors import SovitsError

SIDECARS = (".txt", ".lab")
# Formats that people do hold recordings in and that cannot be read here: named in the report rather than overlooked.
UNREADABLE = (".m4a", ".aac", ".wma", ".amr", ".aiff", ".aif", ".webm", ".mp4", ".caf", ".mka", ".ape")
_CUT_NAME = re.compile(r"(.+)_\d{4}")


@dataclass(frozen=True)
class Recording:
    """One raw audio file. Nothing but its name has been looked at."""

    path: Path
    name: str
    """The path relative to the recordings folder, with forward slashes."""
    speaker: str
    stem: str
    """What its clips are called, unique among the speaker's recordings."""
    text: str | None = None
    """What is said, where a file tells; not checked yet."""
    transcript: str | None = None
    """Where ``text`` comes from, as in ``Utterance.transcript``."""
    language: str | None = None
    """What a table says of the language, as written there."""
    problem: str | None = None
    """Why this file cannot be used, where that shows before it is opened."""


def find_recordings(root: Path, *, metadata: Path | None = None, speakers: Sequence[str] | None = None) -> list[Recording]:
    """Every audio file below ``root/<speaker>`` and every row of the tables, sorted by name.

    Args:
        root: the recordings folder.
        metadata: a table of transcripts (see ``metadata.read_table``).
        speakers: only these.

    Raises:
        SovitsError: no such folder, no audio in it, audio outside speaker folders, a bad table, or an unknown speaker.
    """
    if not root.is_dir():
        raise SovitsError(f"There is no recordings folder {root}; give one as recordings=DIR with DIR/<speaker>/*.wav, or recordings=demo.")
    # One level by hand: a speaker's folder may be a link, and rglob follows none but its own start.
    inside = [*root.iterdir(), *(path for folder in root.iterdir() if folder.is_dir() for path in folder.rglob("*"))]
    files = sorted(path for path in inside if path.suffix.lower() in READABLE + UNREADABLE and path.is_file())
    rows = _rows(root, metadata, files)
    found = [_recording(root, path, rows.get(path.resolve())) for path in files]
    listed = {path.resolve() for path in files}
    found += [_recording(root, row.path, row) for key, row in sorted(rows.items()) if key not in listed]
    if not found:
        raise SovitsError(f"There is no audio in {root}; put {' '.join(READABLE)} files of each speaker into {root}/<speaker>/.")
    if loose := [recording.name for recording in found if not recording.speaker]:
        raise SovitsError(f"{root} holds audio outside a speaker's folder ({_some(loose)}); move it to {root}/<speaker>/.")
    return _with_unique_stems(_selected(found, speakers))


def read_sidecar(path: Path) -> tuple[str, Path] | None:
    """The text beside an audio file and the file it stands in, or ``None``.

    Raises:
        SovitsError: the text is not UTF-8.
    """
    for suffix in SIDECARS:
        if (sidecar := path.with_suffix(suffix)).is_file():
            try:
                return " ".join(sidecar.read_text(encoding="utf-8-sig").split()), sidecar
            except UnicodeDecodeError as error:
                raise SovitsError(f"{sidecar} is not UTF-8 text; save it as UTF-8.") from error
    return None


def _rows(root: Path, metadata: Path | None, files: Sequence[Path]) -> dict[Path, Row]:
    """Table rows by audio file; the more specific table wins."""
    tables = [path for path in [root / TABLE_NAME, *sorted(root.glob(f"*/{TABLE_NAME}"))] if path.is_file()]
    if metadata is not None:
        tables.append(metadata)
    return {row.path.resolve(): row for table in tables for row in read_table(table, files)}


def _recording(root: Path, path: Path, row: Row | None) -> Recording:
    inside = path.is_relative_to(root)
    name = path.relative_to(root).as_posix() if inside else path.as_posix()
    folders = path.relative_to(root).parts[:-1] if inside else (path.parent.name,)
    speaker = row.speaker if row is not None and row.speaker else folders[0] if folders else ""
    stem = "_".join([*folders[1:], path.stem])
    recording = Recording(path, name, speaker, stem)
    if not path.is_file() and row is not None:
        recording = replace(recording, speaker=speaker or row.table.parent.name)
        return replace(recording, problem=f"{row.table}, line {row.line} names it, but the file is missing; add it or remove the line")
    if path.suffix.lower() in UNREADABLE:
        return replace(recording, problem=f"{path.suffix} cannot be read; convert it to .wav or .flac")
    if row is not None:
        return replace(recording, text=row.text, transcript=f"sidecar:{row.table.name}", language=row.language)
    try:
        sidecar = read_sidecar(path)
    except SovitsError as error:
        return replace(recording, problem=str(error).rstrip("."))
    if sidecar is None:
        return recording
    return replace(recording, text=sidecar[0], transcript=f"sidecar:{sidecar[1].name}")


def _selected(recordings: list[Recording], speakers: Sequence[str] | None) -> list[Recording]:
    known = sorted({recording.speaker for recording in recordings})
    if unknown := sorted(set(speakers or ()) - set(known)):
        raise SovitsError(f"speakers: there is no {', '.join(unknown)}; the recordings have {', '.join(known)}.")
    return sorted((r for r in recordings if speakers is None or r.speaker in speakers), key=lambda recording: recording.name)


def _with_unique_stems(recordings: list[Recording]) -> list[Recording]:
    """Renames the clips of recordings that would write to the same file: ``a.wav`` beside ``a.flac``, or beside ``a_0001.wav``."""
    stems = Counter((recording.speaker, recording.stem.casefold()) for recording in recordings)

    def clashes(recording: Recording) -> bool:
        cut = _CUT_NAME.fullmatch(recording.stem.casefold())
        return stems[recording.speaker, recording.stem.casefold()] > 1 or (cut is not None and (recording.speaker, cut[1]) in stems)

    return [replace(r, stem=re.sub(r"[/.]", "-", r.name)) if clashes(r) else r for r in recordings]


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
