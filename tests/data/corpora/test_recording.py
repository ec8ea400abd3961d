from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.recording import Recording, finished, select_speakers, stem_of, with_sidecar
from sovits.errors import SovitsError
from tests.data.corpora.trees import by_name, write


def recording(name: str, speaker: str | None = None, **rest: str) -> Recording:
    return Recording(Path(name), name, name.split("/")[0] if speaker is None else speaker, stem_of(name), **rest)


def test_clips_of_two_recordings_never_share_a_name() -> None:
    names = [
        *("ann/a.wav", "ann/a.flac", "ann/x/b.wav", "ann/x_b.wav", "ann/c.wav", "ann/c_0001.wav", "ann/d_0001.wav", "ann/d_0002.wav"),
        *("bob/a.wav", "Cy/e.wav", "cy/E.wav", "ann/F.wav", "ann/f.wav", "ann/ann-a-wav.wav", f"ann/{'长' * 80}.wav"),
    ]
    found = by_name(finished(recording(name) for name in names))
    stems = [(r.speaker.casefold(), r.stem.casefold()) for r in found.values()]
    assert len(set(stems)) == len(names)
    assert all(len(r.stem.encode()) <= 180 for r in found.values())
    assert not any((speaker, stem[:-5]) in stems for speaker, stem in stems if stem[-5:] == "_0001")
    assert {name: found[name].stem for name in ("bob/a.wav", "ann/c.wav", "ann/d_0001.wav", "ann/ann-a-wav.wav")} == {
        "bob/a.wav": "a",
        "ann/c.wav": "c",
        "ann/d_0001.wav": "d_0001",
        "ann/ann-a-wav.wav": "ann-a-wav",
    }
    assert list(found) == sorted(names)


def test_what_cannot_be_used_does_not_rename_what_can() -> None:
    found = by_name(finished([recording("ann/a.m4a"), recording("ann/a.wav"), recording("ann/a.flac", problem="it is gone")]))
    assert found["ann/a.wav"].stem == "a"
    assert found["ann/a.m4a"].problem == ".m4a cannot be read; convert it to .wav or .flac"
    assert found["ann/a.flac"].problem == "it is gone"


@pytest.mark.parametrize("speaker", ["O'Brien", "😀", "../../x", "a/b", "a\\b", " ann", ".hidden", "x" * 201])
def test_a_speaker_that_cannot_name_a_file_is_a_problem_of_each_recording(speaker: str) -> None:
    found = finished([recording("1.wav", speaker), recording("2.wav", "ann")])
    assert "cannot be a speaker's name" in (found[0].problem or "")
    assert found[1].problem is None


def test_speakers_of_letters_of_any_script_are_fine_and_composed() -> None:
    names = ["王小明", "Jose\u0301 M. von_X-2", "19"]
    assert [r.speaker for r in finished(recording("1.wav", name) for name in names)] == ["王小明", "José M. von_X-2", "19"]


def test_a_sidecar_is_read_as_one_line_or_told_as_a_problem(tmp_path: Path) -> None:
    said = with_sidecar(recording("ann/1.wav"), write(tmp_path / "1.txt", "\ufeffhello\r\n there \n"))
    assert (said.text, said.transcript, said.problem) == ("hello there", "sidecar:1.txt", None)
    empty = with_sidecar(recording("ann/1.wav"), write(tmp_path / "2.txt", " \n"))
    assert empty.problem == "its transcript 2.txt is empty; write what is said, or remove it"
    (tmp_path / "3.txt").write_bytes("hello".encode("utf-16"))
    foreign = with_sidecar(recording("ann/1.wav"), tmp_path / "3.txt")
    assert foreign.problem == "its transcript 3.txt is not UTF-8 text but looks like UTF-16; save it as UTF-8"
    assert foreign.text is None


def test_speakers_are_chosen_by_name() -> None:
    found = [recording("ann/1.wav"), recording("bob/2.wav"), recording("cy/3.wav"), recording("x.csv", "", problem="unreadable")]
    assert select_speakers(found, None) == found
    assert [r.name for r in select_speakers(found, ["cy", "ann"])] == ["ann/1.wav", "cy/3.wav", "x.csv"]
    with pytest.raises(SovitsError, match="no dora, eve; the recordings have ann, bob, cy"):
        select_speakers(found, ["ann", "eve", "dora"])


def test_an_unknown_speaker_among_many_is_told_some_of_them() -> None:
    with pytest.raises(SovitsError, match="s00, s01, .*s19 and 80 more"):
        select_speakers([recording(f"s{number:02}/1.wav") for number in range(100)], ["nobody"])
