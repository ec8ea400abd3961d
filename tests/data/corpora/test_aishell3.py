from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.aishell3 import AISHELL3
from sovits.errors import SovitsError
from tests.data.corpora.trees import aishell3, by_name, lay, problem, write


def test_both_parts_are_read_and_only_the_characters_taken(tmp_path: Path) -> None:
    root = aishell3(tmp_path)
    found = AISHELL3(root).find()
    assert found == AISHELL3(tmp_path).find()
    assert [(r.name, r.speaker, r.stem, r.text) for r in found] == [
        ("test/wav/SSB0005/SSB00050353.wav", "SSB0005", "SSB00050353", "你好"),
        ("train/wav/SSB0005/SSB00050001.wav", "SSB0005", "SSB00050001", "广州女大学生"),
        ("train/wav/SSB0005/SSB00050002.wav", "SSB0005", "SSB00050002", "尊重科学规律"),
        ("train/wav/SSB0009/SSB00090001.wav", "SSB0009", "SSB00090001", "一朵花儿"),
    ]
    assert {(r.language, r.transcript, r.problem) for r in found} == {("zh", "sidecar:content.txt", None)}
    assert found[0].path == root / found[0].name


def test_one_part_is_chosen_by_name_or_by_folder(tmp_path: Path) -> None:
    root = aishell3(tmp_path)
    (only,) = AISHELL3(root, subsets=["test"]).find()
    assert only.name == "test/wav/SSB0005/SSB00050353.wav"
    assert AISHELL3(root / "test").find() == [only]


def test_gaps_are_told_and_wrong_choices_refused(tmp_path: Path) -> None:
    root = aishell3(tmp_path)
    lay(root, "train/wav/SSB0009/SSB00090002.wav", "train/wav/stray.wav")
    with (root / "train/content.txt").open("a", encoding="utf-8") as table:
        table.write("SSB00110001.wav\t你 ni3\nSSB00090001.wav 没 mei2\nnonsense\n")
    (root / "test/content.txt").write_bytes("SSB00050353.wav\t你 ni3 好 hao3\n".encode("gb18030"))
    found = AISHELL3(root).find()
    assert "test/content.txt is not UTF-8 text but looks like GB18030" in problem(found, "test/content.txt")
    assert by_name(found)["test/wav/SSB0005/SSB00050353.wav"].text is None
    assert "line 4 names it, but the file is missing" in problem(found, "train/wav/SSB0011/SSB00110001.wav")
    assert "line 5: 'SSB00090001.wav 没 mei2' does not read name, tab, characters" in problem(found, "train/content.txt:5")
    assert "line 6: 'nonsense' does not read name, tab, characters" in problem(found, "train/content.txt:6")
    assert "outside a speaker's folder" in problem(found, "train/wav/stray.wav")
    assert by_name(found)["train/wav/SSB0009/SSB00090002.wav"].text is None
    assert by_name(found)["train/wav/SSB0009/SSB00090001.wav"].text == "一朵花儿"
    with pytest.raises(SovitsError, match=r"no dev in .*; it has test, train"):
        AISHELL3(root, subsets=["dev"]).find()
    write(tmp_path / "x/content.txt", "")
    with pytest.raises(SovitsError, match=r"x is not AISHELL-3: expected train/ and test/ with wav/ and content\.txt, found content\.txt"):
        AISHELL3(tmp_path / "x").find()
