"""Tables of transcripts: a CSV with a header, or lines of ``id|text`` as LJSpeech has them; and what their rows say of which file."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from sovits.audio.waveform import READABLE
from sovits.data.corpora.languages import spoken_code
from sovits.data.corpora.listing import Listing, is_absolute
from sovits.data.corpora.recording import Recording
from sovits.data.corpora.text_file import lines, read_text
from sovits.errors import SovitsError

TABLE_NAME = "metadata.csv"
_COLUMNS = ("path", "text", "speaker", "language")
_EXTRA = "fields beyond the columns"
_ADD_OR_REMOVE = "add it or remove the line"


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    file: str
    """The path of the audio as written, which need not exist; empty where the line tells none."""
    text: str
    speaker: str | None
    language: str | None
    """As written."""
    table: Path
    line: int
    problem: str | None = None
    """What is wrong with the line, and what to do about it."""


@dataclass(frozen=True)
class Placed:
    """A row and the file that it means."""

    row: Row
    name: str
    """As ``Recording.name``; of a row that means no file, the table's with the line's number."""
    path: Path

    def recording(self, speaker: str, stem: str, language: str | None = None) -> Recording:
        """What the row tells; ``speaker`` and ``language`` hold where it names none."""
        row, problem = self.row, self.row.problem
        try:
            language = spoken_code(row.language or "") or language
        except SovitsError as error:
            problem = problem or _of_line(row, str(error).rstrip("."))
        speaker = row.speaker or speaker
        if problem is not None:
            return Recording(self.path, self.name, speaker, stem, language=language, problem=problem)
        return Recording(self.path, self.name, speaker, stem, row.text, f"sidecar:{row.table.name}", language)


def read_table(table: Path, listing: Listing) -> list[Row]:
    """Reads either kind of table; a line that is incomplete or ambiguous becomes a row with a problem.

    * A header with the columns ``path`` and ``text``, and if wanted ``speaker`` and ``language``: paths are relative to the table's folder.
    * No header and ``|`` between the fields: ``id|text`` or ``id|text|normalised text``; ``id`` is the name, without its suffix, of
      a listed file below the table's folder.

    Raises:
        SovitsError: the table is missing, not UTF-8 text, or has neither form.
    """
    if not table.is_file():
        raise SovitsError(f"There is no table {table}; it must be a CSV with the columns path,text or have lines of id|text.")
    content = read_text(table)
    first = lines(content)[0]
    if {"path", "text"} <= {name.strip().strip('"') for name in first.split(",")}:
        return list(_with_header(table, content))
    if "|" in first:
        return list(_without_header(table, content, listing))
    raise SovitsError(
        f"{table} is no table of transcripts; its first line must name the columns path,text[,speaker,language] or read id|text."
    )


def place(rows: Iterable[Row], listing: Listing, *, moved: bool = False) -> dict[str, Placed]:
    """The rows of one table by the name of the file they mean; rows that disagree about a file become one with a problem.

    Args:
        rows: of the table.
        listing: where their files are looked for (see ``Listing.locate``).
        moved: whether relative paths may have been written where the files lay in other folders.
    """
    placed: dict[str, Placed] = {}
    for row in rows:
        found = listing.locate(row.file, row.table.parent, moved=moved) if row.file else None
        if found is not None:
            name, path = found
        elif row.file:
            name, path = _missing(row.file, row.table.parent, listing)
            row = replace(row, problem=row.problem or f"{row.table}, line {row.line} names it, but the file is missing; {_ADD_OR_REMOVE}")
        else:
            name, path = f"{listing.name_of(row.table) or row.table.as_posix()}:{row.line}", row.table
        if (other := placed.get(name)) is not None and _said(other.row) != _said(row):
            row = replace(other.row, problem=f"{row.table}, lines {other.row.line} and {row.line} {_difference(other.row, row)}; keep one")
        placed[name] = Placed(row, name, path)
    return placed


def _with_header(table: Path, content: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(content, newline=""), restkey=_EXTRA, skipinitialspace=True)
    reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    for fields in _csv_rows(table, reader):
        path, text, speaker, language = ((fields.get(column) or "").strip() for column in _COLUMNS)
        row = Row(path, " ".join(text.split()), speaker or None, language or None, table, reader.line_num)
        if not path:
            yield replace(row, problem=_of_line(row, "there is no path; fill it in or remove the line"))
        elif not text:
            yield replace(row, problem=_of_line(row, "there is no text; write what is said"))
        elif "\n" in text:
            # The lines below were taken for the end of this text: say so rather than lose them.
            yield replace(row, problem=_of_line(row, "its text runs over several lines; close its quotes, or write it in one line"))
        elif any(fields.get(_EXTRA) or ()):
            yield replace(row, problem=_of_line(row, "there are more fields than columns; put a text with commas into quotes"))
        else:
            yield row


def _csv_rows(table: Path, reader: csv.DictReader[str]) -> Iterator[dict[str, Any]]:
    try:
        yield from reader
    except csv.Error as error:
        raise SovitsError(f"{table}, line {reader.line_num} is not CSV ({error}); look for a quote that is not closed.") from error


def _without_header(table: Path, content: str, listing: Listing) -> Iterator[Row]:
    named: dict[str, list[str]] = defaultdict(list)
    for name in listing.below(listing.name_of(table.parent) or ""):
        named[PurePosixPath(name).stem].append(name)
    for number, line in enumerate(lines(content), start=1):
        if not line.strip():
            continue
        written, *texts = (" ".join(field.split()) for field in line.split("|"))
        # An id with a suffix is a file's name; a dot alone may be part of an id.
        key = written[: -len(suffix)] if (suffix := PurePosixPath(written).suffix).lower() in READABLE else written
        matches = named.get(key, [])
        text = next((text for text in reversed(texts) if text), "")
        row = Row(listing.audio[matches[0]] if len(matches) == 1 else f"{key}.wav", text, None, None, table, number)
        if not key or not texts:
            row = replace(row, file="", problem=_of_line(row, f"{line.strip()[:40]!r} does not read id|text; complete or remove it"))
        elif len(matches) > 1:
            reason = f"{key} may be {matches[0]} or {matches[1]}; use a header with path,text instead"
            row = replace(row, file="", problem=_of_line(row, reason))
        elif not text:
            row = replace(row, problem=_of_line(row, "there is no text; write what is said"))
        yield row


def _of_line(row: Row, reason: str) -> str:
    return f"{row.table}, line {row.line}: {reason}"


def _missing(written: str, folder: Path, listing: Listing) -> tuple[str, Path]:
    """What to call a file that is not there."""
    if is_absolute(written):
        return written.replace("\\", "/"), Path(written)
    path = folder / written.replace("\\", "/")
    return listing.name_of(path) or path.as_posix(), path


def _said(row: Row) -> tuple[str, str | None, str | None, str | None]:
    return row.text, row.speaker, row.language, row.problem


def _difference(one: Row, other: Row) -> str:
    if one.speaker != other.speaker:
        return f"give it to two speakers, {one.speaker} and {other.speaker}"
    return "say different things of it"
