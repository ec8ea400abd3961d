from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.annotation_list import AnnotationList
from sovits.errors import SovitsError
from tests.data.corpora.trees import annotation_list, by_name, lay, problem, write


def test_the_only_list_of_a_folder_is_read_and_moved_paths_are_found(tmp_path: Path) -> None:
    root = annotation_list(tmp_path)
    found = AnnotationList(root).find()
    assert found == AnnotationList(root / "mei.list").find() == AnnotationList(root, root / "mei.list").find()
    long = "vocal_mei.wav_0000000000_0000123456"
    assert [(r.name, r.path, r.speaker, r.stem, r.text, r.language, r.transcript, r.problem) for r in found] == [
        ("slicer_opt/b.wav", root / "slicer_opt/b.wav", "mei", "b", "Hello there.", "en", "sidecar:mei.list", None),
        (f"slicer_opt/{long}.wav", root / f"slicer_opt/{long}.wav", "mei", long, "你好，世界。", "zh", "sidecar:mei.list", None),
    ]


def test_paths_are_absolute_or_relative_to_the_list_or_to_the_root(tmp_path: Path) -> None:
    lay(tmp_path, "audio/1.wav", "lists/2.wav", "elsewhere/3.wav", "audio/x/4.wav", "audio/a b's 你好 😀.wav")
    lines = [
        "1.wav|ann|EN|one",
        "2.wav|ann|en|two",
        f"{tmp_path}/elsewhere/3.wav|bob|En|three",
        "/home/other/x/4.wav|bob|auto|four",
        "E:\\其他\\a b's 你好 😀.wav|王小明|zh|五",
    ]
    table = write(tmp_path / "lists/my.list", "\ufeff" + "\r\n".join(lines) + "\r\n\r\n")
    found = by_name(AnnotationList(tmp_path / "audio", table).find())
    assert {name: (r.speaker, r.text, r.language, r.problem) for name, r in found.items()} == {
        "1.wav": ("ann", "one", "en", None),
        str(tmp_path / "lists/2.wav"): ("ann", "two", "en", None),
        str(tmp_path / "elsewhere/3.wav"): ("bob", "three", "en", None),
        "x/4.wav": ("bob", "four", None, None),
        "a b's 你好 😀.wav": ("王小明", "五", "zh", None),
    }


def test_bad_lines_are_told_one_by_one(tmp_path: Path) -> None:
    lay(tmp_path, *(f"{number}.wav" for number in range(8)))
    write(
        tmp_path / "a.list",
        "0.wav|ann|en|fine\n1.wav|ann|en\n2.wav|ann|JP|こんにちは\n3.wav|ann|ko|annyeong\n4.wav|ann|yue|你好\n5.wav||en|hello\n"
        "6.wav|ann|en| \nD:\\x\\9.wav|ann|en|gone\n|ann|en|hello\n7.wav|ann|en|hello\n7.wav|bob|en|hello\nnonsense\n",
    )
    found = AnnotationList(tmp_path).find()
    assert [r.name for r in found if r.problem is None] == ["0.wav"]
    for name, reason in {
        "1.wav": "line 2 has 3 fields; it must read path|speaker|language|text",
        "2.wav": "line 3: language 'JP' (Japanese) is not spoken here; use one of en, zh, mixed, auto",
        "3.wav": "line 4: language 'ko' (Korean)",
        "4.wav": "line 5: language 'yue' (Cantonese)",
        "5.wav": "line 6 has no speaker",
        "6.wav": "line 7 has no text",
        "D:/x/9.wav": "line 8 names it, but the file is missing; add it or remove the line",
        "a.list:9": "line 9 has no path",
        "7.wav": "lines 10 and 11 give it to two speakers, ann and bob; keep one",
        "nonsense": "line 12 has 1 fields",
    }.items():
        assert reason in problem(found, name)
        assert "a.list" in problem(found, name)


def test_two_moved_paths_that_come_to_the_same_file_are_a_problem(tmp_path: Path) -> None:
    lay(tmp_path, "1.wav")
    write(tmp_path / "a.list", "D:\\ann\\1.wav|ann|en|one\nD:\\bob\\1.wav|bob|en|two\n")
    (only,) = AnnotationList(tmp_path).find()
    assert "lines 1 and 2 give it to two speakers" in (only.problem or "")


def test_lists_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"has no \.list file; say .* with corpus\.list=FILE"):
        AnnotationList(tmp_path).find()
    (tmp_path / "a.list").write_bytes("1.wav|mei|zh|你好，世界\n".encode("gb18030"))
    with pytest.raises(SovitsError, match=r"a\.list is not UTF-8 text but looks like GB18030"):
        AnnotationList(tmp_path).find()
    write(tmp_path / "b.list", "\n")
    with pytest.raises(SovitsError, match=r"has several lists \(a\.list, b\.list\)"):
        AnnotationList(tmp_path).find()
    with pytest.raises(SovitsError, match=r"b\.list lists nothing"):
        AnnotationList(tmp_path, tmp_path / "b.list").find()
    with pytest.raises(SovitsError, match=r"no list .*gone\.list; give corpus\.list=FILE"):
        AnnotationList(tmp_path, tmp_path / "gone.list").find()
