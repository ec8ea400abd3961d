from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.recording import Recording, find_recordings
from sovits.errors import SovitsError


def lay(root: Path, *names: str) -> Path:
    """Empty files of these names; nothing here is opened."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def by_name(recordings: list[Recording]) -> dict[str, Recording]:
    return {recording.name: recording for recording in recordings}


def test_every_format_in_every_depth_is_found_and_the_folder_is_the_speaker(tmp_path: Path) -> None:
    names = ["ann/1.wav", "ann/x/2.FLAC", "ann/x/y/3.mp3", "bob/4.ogg", "bob/5.opus"]
    found = find_recordings(lay(tmp_path, *names, "bob/notes.pdf", "readme.md"))
    assert [(r.name, r.speaker, r.stem) for r in found] == [
        ("ann/1.wav", "ann", "1"),
        ("ann/x/2.FLAC", "ann", "x_2"),
        ("ann/x/y/3.mp3", "ann", "x_y_3"),
        ("bob/4.ogg", "bob", "4"),
        ("bob/5.opus", "bob", "5"),
    ]
    assert all(r.text is None and r.problem is None for r in found)


def test_sidecars_are_read_as_one_line_and_named(tmp_path: Path) -> None:
    lay(tmp_path, "ann/1.wav", "ann/2.wav", "ann/3.wav", "ann/4.wav")
    write(tmp_path / "ann/1.txt", "\ufeffhello\r\n there \n")
    write(tmp_path / "ann/2.lab", "你好")
    (tmp_path / "ann/3.txt").write_bytes("你好".encode("gb18030"))
    found = by_name(find_recordings(tmp_path))
    assert (found["ann/1.wav"].text, found["ann/1.wav"].transcript) == ("hello there", "sidecar:1.txt")
    assert (found["ann/2.wav"].text, found["ann/2.wav"].transcript) == ("你好", "sidecar:2.lab")
    assert "3.txt is not UTF-8" in (found["ann/3.wav"].problem or "")
    assert found["ann/4.wav"].text is None


def test_a_table_in_the_speaker_s_folder_is_read_in_both_forms(tmp_path: Path) -> None:
    lay(tmp_path, "ann/wavs/1.wav", "ann/wavs/2.wav", "bob/1.wav")
    write(tmp_path / "ann/metadata.csv", "1|the raw|the normalised\n2|two, words\n3|three\n")
    write(tmp_path / "bob/metadata.csv", 'path,text,language\n1.wav,"one, two",en\n')
    found = by_name(find_recordings(tmp_path))
    assert found["ann/wavs/1.wav"].text == "the normalised"
    assert found["ann/wavs/2.wav"].text == "two, words"
    assert found["ann/3.wav"].speaker == "ann"
    assert "line 3 names it, but the file is missing" in (found["ann/3.wav"].problem or "")
    assert (found["bob/1.wav"].text, found["bob/1.wav"].language, found["bob/1.wav"].transcript) == (
        "one, two",
        "en",
        "sidecar:metadata.csv",
    )


def test_the_given_table_wins_and_names_the_speaker(tmp_path: Path) -> None:
    lay(tmp_path / "audio", "corpus_a/1.wav", "corpus_a/2.wav")
    write(tmp_path / "audio/corpus_a/1.txt", "from the sidecar")
    write(tmp_path / "audio/metadata.csv", "path,text\ncorpus_a/1.wav,from the folder\n")
    write(tmp_path / "list.csv", "text,speaker,extra,path\nfrom the list,ann,7,audio/corpus_a/1.wav\n")
    found = by_name(find_recordings(tmp_path / "audio", metadata=tmp_path / "list.csv"))
    assert (found["corpus_a/1.wav"].speaker, found["corpus_a/1.wav"].text) == ("ann", "from the list")
    assert (found["corpus_a/2.wav"].speaker, found["corpus_a/2.wav"].text) == ("corpus_a", None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a,b\n1,2\n", "is no table"),
        ("", "is no table"),
        ("path,text\n,hello\n", "line 2 has no path"),
        ("path,text,speaker\nann/1.wav,hello,../../x\n", r"line 2: speaker \.\./\.\./x cannot"),
        ("1|hello\nnonsense\n", r"line 2 has no \|"),
        ("same|hello\n", "may be .* or "),
    ],
)
def test_a_bad_table_is_refused_with_its_line(tmp_path: Path, table: str, message: str) -> None:
    lay(tmp_path / "audio", "ann/1.wav", "ann/same.wav", "ann/x/same.wav")
    write(tmp_path / "audio" / "list.csv", table)
    with pytest.raises(SovitsError, match=message) as caught:
        find_recordings(tmp_path / "audio", metadata=tmp_path / "audio" / "list.csv")
    assert "list.csv" in str(caught.value)


def test_clips_of_two_recordings_never_share_a_name(tmp_path: Path) -> None:
    names = [
        "ann/a.wav",
        "ann/a.flac",
        "ann/x/b.wav",
        "ann/x_b.wav",
        "ann/c.wav",
        "ann/c_0001.wav",
        "ann/d_0001.wav",
        "ann/d_0002.wav",
        "bob/a.wav",
    ]
    found = find_recordings(lay(tmp_path, *names))
    stems = [(r.speaker, r.stem) for r in found]
    assert len(set(stems)) == len(names)
    plain = by_name(found)
    assert plain["bob/a.wav"].stem == "a"
    assert plain["ann/c.wav"].stem == "c"
    assert plain["ann/c_0001.wav"].stem != "c_0001"
    assert plain["ann/d_0001.wav"].stem == "d_0001"


def test_formats_that_cannot_be_read_are_named_not_overlooked(tmp_path: Path) -> None:
    found = by_name(find_recordings(lay(tmp_path, "ann/1.wav", "ann/2.m4a")))
    assert found["ann/2.m4a"].problem == ".m4a cannot be read; convert it to .wav or .flac"


def test_a_linked_speaker_folder_is_followed(tmp_path: Path) -> None:
    lay(tmp_path / "elsewhere", "deep/1.wav")
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "ann").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert [r.name for r in find_recordings(tmp_path / "all")] == ["ann/deep/1.wav"]


def test_folders_that_cannot_be_prepared_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"no recordings folder .*nowhere"):
        find_recordings(tmp_path / "nowhere")
    lay(tmp_path / "none", "ann/readme.txt")
    with pytest.raises(SovitsError, match=r"no audio in .*none; put \.wav \.flac \.mp3 \.ogg \.opus .*<speaker>/"):
        find_recordings(tmp_path / "none")
    lay(tmp_path / "loose", "1.wav", "2.wav", "ann/3.wav")
    with pytest.raises(SovitsError, match=r"outside a speaker's folder \(1\.wav, 2\.wav\); move it to .*<speaker>/"):
        find_recordings(tmp_path / "loose")
    with pytest.raises(SovitsError, match="no table"):
        find_recordings(tmp_path / "none", metadata=tmp_path / "list.csv")


def test_speakers_are_chosen_by_name(tmp_path: Path) -> None:
    lay(tmp_path, "ann/1.wav", "bob/2.wav", "cy/3.wav")
    assert [r.speaker for r in find_recordings(tmp_path, speakers=["cy", "ann"])] == ["ann", "cy"]
    with pytest.raises(SovitsError, match="no dora; the recordings have ann, bob, cy"):
        find_recordings(tmp_path, speakers=["ann", "dora"])
