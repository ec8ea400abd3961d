from __future__ import annotations

from pathlib import Path

import pytest

from sovits.data.corpora.folders import Folders
from sovits.errors import SovitsError
from tests.data.corpora.trees import by_name, lay, problem, write


def test_every_format_in_every_depth_is_found_and_the_folder_is_the_speaker(tmp_path: Path) -> None:
    names = ["ann/1.wav", "ann/x/2.FLAC", "ann/x/y/3.mp3", "bob/4.ogg", "bob/5.opus"]
    found = Folders(lay(tmp_path, *names, "bob/notes.pdf", "readme.md", "bob/._4.ogg", ".DS_Store")).find()
    assert [(r.name, r.path, r.speaker, r.stem) for r in found] == [
        ("ann/1.wav", tmp_path / "ann/1.wav", "ann", "1"),
        ("ann/x/2.FLAC", tmp_path / "ann/x/2.FLAC", "ann", "x_2"),
        ("ann/x/y/3.mp3", tmp_path / "ann/x/y/3.mp3", "ann", "x_y_3"),
        ("bob/4.ogg", tmp_path / "bob/4.ogg", "bob", "4"),
        ("bob/5.opus", tmp_path / "bob/5.opus", "bob", "5"),
    ]
    assert all(r.text is None and r.problem is None for r in found)


def test_sidecars_are_read_whatever_the_case_of_the_suffixes(tmp_path: Path) -> None:
    lay(tmp_path, "ann/1.wav", "ann/2.WAV", "ann/3.wav", 'ann/O\'Neil said "你好" 😀.wav', "ann/5.wav")
    write(tmp_path / "ann/1.txt", "hello")
    write(tmp_path / "ann/2.LAB", "你好")
    (tmp_path / "ann/3.txt").write_bytes("你好".encode("gb18030"))
    write(tmp_path / 'ann/O\'Neil said "你好" 😀.txt', "hello")
    found = by_name(Folders(tmp_path).find())
    assert (found["ann/1.wav"].text, found["ann/1.wav"].transcript) == ("hello", "sidecar:1.txt")
    assert (found["ann/2.WAV"].text, found["ann/2.WAV"].transcript) == ("你好", "sidecar:2.LAB")
    assert "3.txt is not UTF-8 text but looks like GB18030" in (found["ann/3.wav"].problem or "")
    assert found['ann/O\'Neil said "你好" 😀.wav'].text == "hello"
    assert (found["ann/5.wav"].text, found["ann/5.wav"].problem) == (None, None)


def test_a_table_in_the_speaker_s_folder_is_read_in_both_forms(tmp_path: Path) -> None:
    lay(tmp_path, "ann/wavs/1.wav", "ann/wavs/2.wav", "bob/1.wav")
    write(tmp_path / "ann/metadata.csv", "1|the raw|the normalised\n2|two, words\n3|three\n")
    write(tmp_path / "bob/metadata.csv", 'path,text,language\n1.wav,"one, two",EN\n')
    found = by_name(Folders(tmp_path).find())
    assert found["ann/wavs/1.wav"].text == "the normalised"
    assert found["ann/wavs/2.wav"].text == "two, words"
    assert found["ann/3.wav"].speaker == "ann"
    assert "line 3 names it, but the file is missing; add it or remove the line" in (found["ann/3.wav"].problem or "")
    bob = found["bob/1.wav"]
    assert (bob.text, bob.language, bob.transcript, bob.problem) == ("one, two", "en", "sidecar:metadata.csv", None)


def test_the_more_specific_table_wins_and_names_the_speaker(tmp_path: Path) -> None:
    lay(tmp_path / "audio", "corpus_a/1.wav", "corpus_a/2.wav", "3.wav")
    write(tmp_path / "audio/corpus_a/1.txt", "from the sidecar")
    write(tmp_path / "audio/metadata.csv", "path,text\ncorpus_a/1.wav,from the root\n")
    assert by_name(Folders(tmp_path / "audio").find())["corpus_a/1.wav"].text == "from the root"
    write(tmp_path / "audio/corpus_a/metadata.csv", "path,text\n1.wav,from the folder\n")
    assert by_name(Folders(tmp_path / "audio").find())["corpus_a/1.wav"].text == "from the folder"
    write(tmp_path / "list.csv", "text,speaker,extra,path\nfrom the list,ann,7,audio/corpus_a/1.wav\nloose but told,bob,8,audio\\3.wav\n")
    found = by_name(Folders(tmp_path / "audio", tmp_path / "list.csv").find())
    assert (found["corpus_a/1.wav"].speaker, found["corpus_a/1.wav"].text) == ("ann", "from the list")
    assert (found["corpus_a/2.wav"].speaker, found["corpus_a/2.wav"].text) == ("corpus_a", None)
    assert (found["3.wav"].speaker, found["3.wav"].text, found["3.wav"].problem) == ("bob", "loose but told", None)


def test_a_table_of_the_root_may_name_files_elsewhere(tmp_path: Path) -> None:
    lay(tmp_path, "audio/ann/1.wav", "elsewhere/zoe/2.wav")
    write(tmp_path / "audio/metadata.csv", "path,text\n../elsewhere/zoe/2.wav,hello\n")
    outside = by_name(Folders(tmp_path / "audio").find())[str(tmp_path / "elsewhere/zoe/2.wav")]
    assert (outside.speaker, outside.stem, outside.text, outside.problem) == ("zoe", "2", "hello", None)


def test_a_table_that_cannot_be_read_is_named_and_the_audio_still_listed(tmp_path: Path) -> None:
    lay(tmp_path, "ann/1.wav", "bob/2.wav", "cy/3.wav")
    (tmp_path / "ann/metadata.csv").write_bytes("path,text\n1.wav,hello\n".encode("utf-16"))
    (tmp_path / "bob/metadata.csv").write_bytes("2|café\n".encode("latin-1"))
    write(tmp_path / "cy/metadata.csv", "name;age\ncy;7\n")
    found = Folders(tmp_path).find()
    assert "ann/metadata.csv is not UTF-8 text but looks like UTF-16; save it as UTF-8" in problem(found, "ann/metadata.csv")
    assert "looks like Latin-1" in problem(found, "bob/metadata.csv")
    assert "cy/metadata.csv is no table of transcripts" in problem(found, "cy/metadata.csv")
    usable = [recording for recording in found if recording.problem is None]
    assert [(r.name, r.speaker, r.text) for r in usable] == [
        ("ann/1.wav", "ann", None),
        ("bob/2.wav", "bob", None),
        ("cy/3.wav", "cy", None),
    ]
    assert [r.speaker for r in found if r.problem] == ["ann", "bob", "cy"]


def test_a_given_table_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    lay(tmp_path / "audio", "ann/1.wav")
    (tmp_path / "list.csv").write_bytes("path,text\n1.wav,hello\n".encode("utf-16"))
    with pytest.raises(SovitsError, match=r"list\.csv is not UTF-8 text but looks like UTF-16"):
        Folders(tmp_path / "audio", tmp_path / "list.csv").find()
    with pytest.raises(SovitsError, match=r"no table .*gone\.csv"):
        Folders(tmp_path / "audio", tmp_path / "gone.csv").find()


def test_loose_audio_and_bad_links_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    lay(tmp_path, "1.wav", "ann/2.wav")
    (tmp_path / "ann/again").symlink_to(tmp_path)
    (tmp_path / "bob").symlink_to(tmp_path / "ann")
    found = Folders(tmp_path).find()
    assert problem(found, "1.wav") == "it lies outside a speaker's folder; move it into one"
    assert "leads back to" in problem(found, "ann/again")
    assert "listed as ann already" in problem(found, "bob")
    assert [(r.name, r.speaker) for r in found if r.problem is None] == [("ann/2.wav", "ann")]
    assert [r.speaker for r in found if r.problem] == ["", "ann", "bob"]


def test_one_file_under_two_speakers_is_a_problem_but_one_name_under_two_is_not(tmp_path: Path) -> None:
    lay(tmp_path, "ann/1.wav", "bob/1.wav", "pool/2.wav", "pool/3.wav", "pool/4.wav")
    write(
        tmp_path / "metadata.csv",
        "path,text,speaker\npool/2.wav,hello,ann\npool/2.wav,hello,bob\npool/3.wav,one,ann\npool/3.wav,two,ann\n"
        "pool/4.wav,same,ann\npool/4.wav,same,ann\n",
    )
    found = Folders(tmp_path).find()
    assert "lines 2 and 3 give it to two speakers, ann and bob; keep one" in problem(found, "pool/2.wav")
    assert "lines 4 and 5 say different things of it; keep one" in problem(found, "pool/3.wav")
    assert not problem(found, "pool/4.wav")
    assert not problem(found, "ann/1.wav")
    assert not problem(found, "bob/1.wav")


def test_folders_that_cannot_be_prepared_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"no recordings folder .*nowhere"):
        Folders(tmp_path / "nowhere").find()
    with pytest.raises(SovitsError, match=r"no audio in .*none; put \.wav \.flac \.mp3 \.ogg \.opus .*<speaker>/"):
        Folders(lay(tmp_path / "none", "ann/readme.txt")).find()
    with pytest.raises(SovitsError, match=r"outside a speaker's folder \(1\.wav, 2\.wav\); move it to .*<speaker>/"):
        Folders(lay(tmp_path / "loose", "1.wav", "2.wav", "notes/read.me")).find()
