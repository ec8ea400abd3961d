from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.libritts import LibriTTS
from sovits.errors import SovitsError
from tests.data.corpora.trees import by_name, lay, libritts, problem


@pytest.mark.parametrize("name", ["LibriTTS", "LibriTTS_R"])
def test_every_subset_is_read_with_its_normalised_texts(tmp_path: Path, name: str) -> None:
    root = libritts(tmp_path, name)
    found = LibriTTS(root).find()
    assert found == LibriTTS(tmp_path).find()
    assert [(r.name, r.speaker, r.stem) for r in found] == [
        ("dev-clean/84/121123/84_1.wav", "84", "84_1"),
        ("train-clean-100/19/198/19_198_000000_000000.wav", "19", "19_198_000000_000000"),
        ("train-clean-100/26/495/26_495_000004_000001.wav", "26", "26_495_000004_000001"),
    ]
    assert {(r.text, r.language, r.problem) for r in found} == {("Mister Smith paid five pounds.", "en", None)}
    assert found[0].transcript == "sidecar:84_1.normalized.txt"
    assert found[0].path == root / found[0].name


def test_the_original_texts_and_single_subsets_are_chosen(tmp_path: Path) -> None:
    root = libritts(tmp_path)
    (only,) = LibriTTS(root, text="original", subsets=["dev-clean"]).find()
    assert (only.text, only.transcript) == ("Mr. Smith paid £5.", "sidecar:84_1.original.txt")
    assert LibriTTS(root / "dev-clean", text="original").find() == [only]


def test_gaps_are_told_and_wrong_choices_refused(tmp_path: Path) -> None:
    root = libritts(tmp_path)
    (root / "dev-clean/84/121123/84_1.normalized.txt").write_bytes("café".encode("latin-1"))
    (root / "train-clean-100/19/198/19_198_000000_000000.normalized.txt").unlink()
    lay(root, "dev-clean/stray.wav")
    found = LibriTTS(root).find()
    assert "84_1.normalized.txt is not UTF-8 text but looks like Latin-1" in problem(found, "dev-clean/84/121123/84_1.wav")
    assert "outside a speaker's folder" in problem(found, "dev-clean/stray.wav")
    bare = by_name(found)["train-clean-100/19/198/19_198_000000_000000.wav"]
    assert (bare.text, bare.problem) == (None, None)
    with pytest.raises(SovitsError, match=r"no test-clean in .*; it has dev-clean, train-clean-100"):
        LibriTTS(root, subsets=["test-clean"]).find()
    with pytest.raises(SovitsError, match="corpus.text=raw is none of LibriTTS's; choose normalized or original"):
        LibriTTS(root, text="raw")
    with pytest.raises(SovitsError, match=r"is not LibriTTS: expected folders such as train-clean-100/, found 198"):
        LibriTTS(root / "train-clean-100/19").find()
