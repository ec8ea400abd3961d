from __future__ import annotations

import re
from pathlib import Path

import pytest

from sovits.data.corpora.listing import Listing
from sovits.data.corpora.tables import Row, place, read_table
from sovits.errors import SovitsError
from tests.data.corpora.trees import lay, write


def rows(root: Path, table: str) -> list[Row]:
    lay(root, "ann/1.wav", "ann/same.wav", "ann/x/same.wav", "ann/a.b.wav")
    return read_table(write(root / "list.csv", table), Listing(root))


@pytest.mark.parametrize("table", ["a,b\n1,2\n", "", "path;text\n1.wav;hello\n"])
def test_what_is_no_table_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(SovitsError, match=r"list\.csv is no table"):
        rows(tmp_path, table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path,text\n,hello\n", "line 2: there is no path; fill it in"),
        ("path,text\nann/1.wav\n", "line 2: there is no text; write what is said"),
        ("path,text\nann/1.wav,hello, there\n", "line 2: there are more fields than columns; put a text with commas into quotes"),
        ('path,text\nann/1.wav,"hello\nann/same.wav,there\n', "its text runs over several lines; close its quotes"),
        ("1|hello\nnonsense\n", r"line 2: 'nonsense' does not read id\|text"),
        ("1|hello\n|hello\n", r"line 2: '\|hello' does not read id\|text"),
        ("1|\n", "line 1: there is no text"),
        ("same|hello\n", "line 1: same may be ann/same.wav or ann/x/same.wav; use a header with path,text instead"),
    ],
)
def test_a_bad_line_is_told_and_the_rest_goes_on(tmp_path: Path, table: str, message: str) -> None:
    read = rows(tmp_path, table)
    (bad,) = [row for row in read if row.problem]
    assert re.search(message, bad.problem or "")
    assert str(tmp_path / "list.csv") in (bad.problem or "")
    assert len(read) == 1 or read[0].problem is None


def test_ids_may_have_dots_or_the_file_s_suffix_and_texts_may_hold_quotes_and_rare_line_signs(tmp_path: Path) -> None:
    read = rows(tmp_path, '1.wav|"hello\u2028there|\r\na.b|"x" y|\r\n\r\n')
    assert [(Path(row.file).name, row.text, row.problem) for row in read] == [
        ("1.wav", '"hello there', None),
        ("a.b.wav", '"x" y', None),
    ]


def test_a_header_may_have_spaces_quotes_and_other_columns(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, '"text", "path" ,age,speaker\n"a ""b"" c", ann/1.wav ,7, mei \n')
    assert (row.file, row.text, row.speaker, row.line) == ("ann/1.wav", 'a "b" c', "mei", 2)


def test_a_line_that_means_no_file_is_named_by_its_number(tmp_path: Path) -> None:
    placed = place(rows(tmp_path, "path,text\n,hello\nD:\\gone\\2.wav,two\nann/1.wav,one\n"), Listing(tmp_path))
    assert sorted(placed) == ["D:/gone/2.wav", "ann/1.wav", "list.csv:2"]
    assert "line 3 names it, but the file is missing" in (placed["D:/gone/2.wav"].row.problem or "")
    assert placed["list.csv:2"].path == tmp_path / "list.csv"
    assert placed["ann/1.wav"].row.problem is None


def test_a_language_that_is_not_spoken_is_the_row_s_problem(tmp_path: Path) -> None:
    placed = place(rows(tmp_path, "path,text,language\nann/1.wav,konnichiwa,ja\nann/same.wav,hello,auto\n"), Listing(tmp_path))
    bad = placed["ann/1.wav"].recording("ann", "1")
    assert "line 2: language 'ja' (Japanese) is not spoken here" in (bad.problem or "")
    good = placed["ann/same.wav"].recording("ann", "same", "en")
    assert (good.problem, good.language, good.text) == (None, "en", "hello")
