from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.text_file import lines, read_text
from sovits.errors import SovitsError


def test_utf8_is_read_with_and_without_a_mark(tmp_path: Path) -> None:
    for codec in ("utf-8", "utf-8-sig"):
        (tmp_path / "a").write_bytes("naïve 你好\r\n".encode(codec))
        assert read_text(tmp_path / "a") == "naïve 你好\r\n"


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        ("Hello there", "utf-16", "UTF-16"),
        ("Hello there", "utf-16-le", "UTF-16"),
        ("Hello there", "utf-16-be", "UTF-16"),
        ("你好，世界。", "utf-16", "UTF-16"),
        ("Müller sagt: Grüße aus Köln, wie schön", "latin-1", "Latin-1 or Windows-1252"),
        ("“Don’t”, she said – café", "cp1252", "Latin-1 or Windows-1252"),
        ("path,text\n1.wav,你好，世界。今天天气很好\n", "gb18030", "GB18030 (Chinese)"),
    ],
)
def test_another_encoding_is_refused_with_what_it_looks_like(tmp_path: Path, text: str, codec: str, name: str) -> None:
    (tmp_path / "notes.txt").write_bytes(text.encode(codec))
    with pytest.raises(SovitsError) as caught:
        read_text(tmp_path / "notes.txt")
    assert str(caught.value) == f"{tmp_path / 'notes.txt'} is not UTF-8 text but looks like {name}; save it as UTF-8."


def test_bytes_of_no_encoding_and_closed_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"RIFF....WAVEfmt \0\x01" + b"abcdefgh" * 9)
    with pytest.raises(SovitsError, match="looks like no text at all"):
        read_text(tmp_path / "x")

    def closed(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", closed)
    with pytest.raises(SovitsError, match=r"x cannot be read \(Permission denied\); make it readable"):
        read_text(tmp_path / "x")


def test_lines_end_where_a_line_ends_and_nowhere_else() -> None:
    assert lines("a\u2028b\r\nc\x85d\n") == ["a\u2028b", "c\x85d", ""]
