from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.metadata import MetadataTable
from sovits.errors import SovitsError
from tests.data.corpora.trees import lay, metadata, problem, write


def test_only_what_the_table_lists_is_found_from_the_folder_or_the_file(tmp_path: Path) -> None:
    root = metadata(tmp_path)
    found = MetadataTable(root).find()
    assert found == MetadataTable(root / "metadata.csv").find()
    assert [(r.name, r.path, r.speaker, r.stem, r.text, r.language, r.problem) for r in found] == [
        ("ann/1.wav", root / "ann/1.wav", "ann", "1", "hello, there", None, None),
        ("wavs/2.wav", root / "wavs/2.wav", "mei", "2", "你好", "zh", None),
    ]


def test_rows_without_a_speaker_may_be_given_one(tmp_path: Path) -> None:
    assert [r.speaker for r in MetadataTable(metadata(tmp_path), speaker="zoe").find()] == ["zoe", "mei"]
    lay(tmp_path / "joan", "1.wav", "2.wav")
    write(tmp_path / "joan/metadata.csv", "1|hello|\n2|there|\n")
    assert [(r.speaker, r.stem, r.text) for r in MetadataTable(tmp_path / "joan").find()] == [
        ("joan", "1", "hello"),
        ("joan", "2", "there"),
    ]


def test_bad_rows_are_told_and_bad_tables_refused(tmp_path: Path) -> None:
    lay(tmp_path, "ann/1.wav", "ann/2.m4a", "ann/3.wav", "a b/quote's 你好 😀.wav")
    table = write(
        tmp_path / "my table.csv",
        "path,text,speaker\nann/1.wav,hello,../../x\nann\\2.m4a,hello,ann\nann/3.wav,,ann\n"
        "a b\\quote's 你好 😀.wav,hello,ann\nann/4.wav,gone,ann\n",
    )
    found = MetadataTable(table).find()
    assert "'../../x' cannot be a speaker's name" in problem(found, "ann/1.wav")
    assert problem(found, "ann/2.m4a") == ".m4a cannot be read; convert it to .wav or .flac"
    assert "line 4: there is no text" in problem(found, "ann/3.wav")
    assert "line 6 names it, but the file is missing" in problem(found, "ann/4.wav")
    assert [r.name for r in found if r.problem is None] == ["a b/quote's 你好 😀.wav"]
    with pytest.raises(SovitsError, match=r"no table .*metadata\.csv; give it, or a folder with a metadata\.csv, as recordings=PATH"):
        MetadataTable(tmp_path).find()
    with pytest.raises(SovitsError, match="lists nothing"):
        MetadataTable(write(tmp_path / "none.csv", "path,text\n")).find()
    table.write_bytes("path,text\nann/1.wav,café\n".encode("latin-1"))
    with pytest.raises(SovitsError, match="looks like Latin-1"):
        MetadataTable(table).find()
