from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.vctk import VCTK
from sovits.errors import SovitsError
from tests.data.corpora.trees import by_name, lay, old_vctk, problem, vctk, write


def test_one_microphone_s_takes_are_read_with_their_texts_from_the_folder_and_from_above(tmp_path: Path) -> None:
    root = vctk(tmp_path)
    found = VCTK(tmp_path).find()
    assert found == VCTK(root, 1).find()
    assert [(r.name, r.speaker, r.stem, r.text) for r in found] == [
        (f"wav48_silence_trimmed/{speaker}/{speaker}_{number}_mic1.flac", speaker, f"{speaker}_{number}_mic1", text)
        for speaker, number, text in (
            ("p225", "001", "Please call Stella."),
            ("p225", "002", "Ask her to bring these things."),
            ("p280", "001", "Please call Stella."),
            ("p315", "001", None),
            ("s5", "001", "Please call Stella."),
        )
    ]
    assert {(r.language, r.problem) for r in found} == {("en", None)}
    assert found[0].transcript == "sidecar:p225_001.txt"
    assert found[0].path == root / "wav48_silence_trimmed/p225/p225_001_mic1.flac"


def test_a_sentence_that_the_chosen_microphone_lacks_is_told(tmp_path: Path) -> None:
    found = VCTK(vctk(tmp_path), "2").find()
    missing = by_name(found)["wav48_silence_trimmed/p280/p280_001_mic2.flac"]
    assert (missing.speaker, missing.problem) == ("p280", "microphone 2 did not record it; choose corpus.microphone=both")
    assert [r.stem for r in found if r.problem is None] == ["p225_001_mic2", "p225_002_mic2", "s5_001_mic2"]


def test_both_microphones_make_two_recordings_of_a_sentence(tmp_path: Path) -> None:
    found = VCTK(vctk(tmp_path), "both").find()
    assert len(found) == len({(r.speaker, r.stem) for r in found}) == 8
    both = [r for r in found if r.speaker == "p225"]
    assert [r.stem for r in both] == ["p225_001_mic1", "p225_001_mic2", "p225_002_mic1", "p225_002_mic2"]
    assert both[0].text == both[1].text == "Please call Stella."
    assert [r.stem for r in found if r.speaker == "p280"] == ["p280_001_mic1"]


def test_a_take_kept_in_two_formats_is_not_lost(tmp_path: Path) -> None:
    root = lay(vctk(tmp_path), "wav48_silence_trimmed/s5/s5_001_mic1.wav")
    found = [r for r in VCTK(root).find() if r.speaker == "s5"]
    assert [(r.path.suffix, r.text) for r in found] == [(".flac", "Please call Stella."), (".wav", "Please call Stella.")]
    assert len({r.stem for r in found}) == 2


def test_the_older_release_has_one_microphone(tmp_path: Path) -> None:
    root = old_vctk(tmp_path)
    for microphone in (1, "both"):
        found = VCTK(root, microphone).find()
        assert [(r.name, r.speaker, r.stem) for r in found] == [
            ("wav48/p225/p225_001.wav", "p225", "p225_001"),
            ("wav48/p226/p226_001.wav", "p226", "p226_001"),
        ]
        assert {(r.text, r.language) for r in found} == {("Please call Stella.", "en")}
    with pytest.raises(SovitsError, match="older VCTK with one microphone; choose corpus.microphone=1"):
        VCTK(root, 2).find()


def test_bad_parts_are_told_and_another_folder_or_microphone_is_refused(tmp_path: Path) -> None:
    root = vctk(tmp_path)
    (root / "txt/p225/p225_001.txt").write_bytes("Please call Stella.".encode("utf-16"))
    write(root / "txt/p225/p225_002.txt", "\n")
    lay(root, "wav48_silence_trimmed/stray_mic1.flac")
    (root / "wav48_silence_trimmed/p225/up").symlink_to(root)
    found = VCTK(root).find()
    assert "p225_001.txt is not UTF-8 text but looks like UTF-16" in problem(found, "wav48_silence_trimmed/p225/p225_001_mic1.flac")
    assert "p225_002.txt is empty" in problem(found, "wav48_silence_trimmed/p225/p225_002_mic1.flac")
    assert "outside a speaker's folder" in problem(found, "wav48_silence_trimmed/stray_mic1.flac")
    assert "leads back to" in problem(found, "wav48_silence_trimmed/p225/up")
    assert sum(r.problem is None for r in found) == 3
    with pytest.raises(SovitsError, match=r"expected wav48_silence_trimmed/ \(or wav48/\) and txt/, found p225"):
        VCTK(root / "txt").find()
    with pytest.raises(SovitsError, match="corpus.microphone=3 is none of VCTK's; choose 1, 2 or both"):
        VCTK(root, 3)
