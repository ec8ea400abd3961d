"""Tables of transcripts: a CSV with a header, or lines of ``id|text`` as LJSpeech has them."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sovits.errors import SovitsError

TABLE_NAME = "metadata.csv"
_COLUMNS = ("path", "text", "speaker", "language")


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    path: Path
    """The audio file; it need not exist."""
    text: str
    speaker: str | None
    language: str | None
    table: Path
    line: int


def read_table(table: Path, files: Sequence[Path]) -> list[Row]:
    """Reads either kind of table.

    * A header with the columns ``path`` and ``text``, and if wanted ``speaker`` and ``language``: paths are relative to the table's folder.
    * No header and ``|`` between the fields: ``id|text`` or ``id|text|normalised text``; ``id`` is the name, without its suffix, of
      one of ``files`` below the table's folder.

    Raises:
        SovitsError: the table is missing, not UTF-8, has neither form, or a line of it is incomplete or ambiguous.
    """
    if not table.is_file():
        raise SovitsError(f"There is no table {table}; give metadata=FILE.csv with the columns path,text or lines of id|text.")
    try:
        content = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SovitsError(f"{table} is not UTF-8 text; save it as UTF-8.") from error
    first = content.splitlines()[0] if content.strip() else ""
    if {"path", "text"} <= {name.strip() for name in first.split(",")}:
        return list(_with_header(table, content))
    if "|" in first:
        return list(_without_header(table, content, files))
    raise SovitsError(
        f"{table} is no table of transcripts; its first line must name the columns path,text[,speaker,language] or read id|text."
    )


def _with_header(table: Path, content: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(content, newline=""), skipinitialspace=True)
    for fields in reader:
        path, text, speaker, language = ((fields.get(column) or "").strip() for column in _COLUMNS)
        if not path:
            raise SovitsError(f"{table}, line {reader.line_num} has no path; fill it in or remove the line.")
        if "/" in speaker or "\\" in speaker or speaker in (".", ".."):
            raise SovitsError(f"{table}, line {reader.line_num}: speaker {speaker} cannot be a folder's name; leave out the slashes.")
        yield Row(table.parent / path, " ".join(text.split()), speaker or None, language or None, table, reader.line_num)


def _without_header(table: Path, content: str, files: Sequence[Path]) -> Iterator[Row]:
    named: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        if path.is_relative_to(table.parent):
            named[path.stem].append(path)
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        name, *texts = line.split("|")
        if not texts:
            raise SovitsError(f"{table}, line {number} has no |; every line must read id|text.")
        matches = named[name.strip()]
        if len(matches) > 1:
            raise SovitsError(f"{table}, line {number}: {name} may be {matches[0]} or {matches[1]}; use a header with path,text instead.")
        path = matches[0] if matches else table.parent / f"{name.strip()}.wav"
        yield Row(path, " ".join(texts[-1].split()), None, None, table, number)
