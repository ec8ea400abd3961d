from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.ljspeech import LJSpeech
from sovits.errors import SovitsError
from tests.data.corpora.trees import by_name, lay, ljspeech, problem, write


def test_the_corpus_is_read_with_its_normalised_texts_from_its_folder_and_from_above(tmp_path: Path) -> None:
    root = ljspeech(tmp_path)
    found = LJSpeech(root).find()
    assert [(r.name, r.path, r.stem, r.text) for r in found] == [
        (f"wavs/LJ001-000{n}.wav", root / f"wavs/LJ001-000{n}.wav", f"LJ001-000{n}", text)
        for n, text in (
            (1, 'in fourteen fifty-five, the "Bible" of forty-two lines,'),
            (2, '"Aldus said'),
            (3, "Müller’s types — five pounds"),
        )
    ]
    assert {(r.speaker, r.language, r.transcript, r.problem) for r in found} == {("LJ", "en", "sidecar:metadata.csv", None)}
    assert LJSpeech(str(tmp_path), speaker="Linda").find()[0].speaker == "Linda"


def test_what_is_missing_or_twice_is_told_and_a_clip_without_a_row_keeps_no_text(tmp_path: Path) -> None:
    root = ljspeech(tmp_path)
    lay(root, "wavs/LJ002-0001.wav", "wavs/._LJ002-0001.wav")
    with (root / "metadata.csv").open("a", encoding="utf-8") as table:
        table.write("LJ001-0001|something else|something else\nLJ009-0009|gone|gone\nLJ001-0004\n")
    found = LJSpeech(root).find()
    assert "lines 1 and 4 say different things of it" in problem(found, "wavs/LJ001-0001.wav")
    assert "line 5 names it, but the file is missing" in problem(found, "LJ009-0009.wav")
    assert "line 6: 'LJ001-0004' does not read id|text" in problem(found, "metadata.csv:6")
    extra = by_name(found)["wavs/LJ002-0001.wav"]
    assert (extra.text, extra.problem, extra.speaker) == (None, None, "LJ")
    assert len(found) == 6


def test_another_folder_is_refused_with_what_was_expected_and_seen(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"no recordings folder .*gone; give the folder of LJSpeech"):
        LJSpeech(tmp_path / "gone").find()
    lay(tmp_path / "x", "p225/1.wav", "readme.txt")
    with pytest.raises(SovitsError, match=r"x is not LJSpeech: expected wavs/ and metadata\.csv, found p225, readme\.txt; give its folder"):
        LJSpeech(tmp_path / "x").find()
    ljspeech(tmp_path / "y/a")
    ljspeech(tmp_path / "y/b")
    (tmp_path / "z").mkdir()
    for name in ("a", "b"):
        (tmp_path / "y" / name / "LJSpeech-1.1").rename(tmp_path / "z" / name)
    with pytest.raises(SovitsError, match=r"z holds LJSpeech more than once \(a, b\); give one of them"):
        LJSpeech(tmp_path / "z").find()
    write(tmp_path / "z/a/metadata.csv", "").write_bytes("LJ001-0001|café|café\n".encode("latin-1"))
    with pytest.raises(SovitsError, match="looks like Latin-1"):
        LJSpeech(tmp_path / "z/a").find()
