from __future__ import annotations

import os
from pathlib import Path

import pytest

from sovits.data.corpora.listing import Listing
from sovits.errors import SovitsError
from tests.data.corpora.trees import lay


def reasons(listing: Listing) -> dict[str, str]:
    return {trouble.name: trouble.reason for trouble in listing.troubles}


def test_audio_of_every_suffix_and_depth_is_listed_by_name_and_hidden_files_are_not(tmp_path: Path) -> None:
    names = ["ann/1.WAV", "ann/x/y/2.flac", "ann/3.M4A", "b/4.opus", "5.mp3", 'ann/quote\'s "say" 你好 😀.wav', "folder.wav/6.ogg"]
    lay(tmp_path, *names, "ann/1.txt", "ann/._1.WAV", ".DS_Store", "ann/.DS_Store", ".git/7.wav", "__MACOSX/ann/._1.WAV")
    listing = Listing(tmp_path)
    assert list(listing.audio) == sorted(names)
    assert [Path(path) for path in listing.audio.values()] == [tmp_path / name for name in sorted(names)]
    assert list(listing.others) == ["ann/1.txt"]
    assert not listing.troubles


def test_only_chosen_folders_are_looked_into_and_names_stay_relative_to_the_root(tmp_path: Path) -> None:
    lay(tmp_path, "a/1.wav", "b/2.wav", "b-c/3.wav", "c/4.wav")
    assert list(Listing(tmp_path, ["b", "c"]).audio) == ["b/2.wav", "c/4.wav"]
    assert Listing(tmp_path).below("b") == ["b/2.wav"]
    with pytest.raises(SovitsError, match="no recordings folder .*nowhere"):
        Listing(tmp_path / "nowhere")


def test_links_that_lead_back_are_named_once_and_not_followed(tmp_path: Path) -> None:
    root = lay(tmp_path / "all", "ann/1.wav", "bob/x/2.wav")
    (root / "ann/up").symlink_to(root)
    (root / "ann/upper").symlink_to("/")
    (root / "ann/self").symlink_to(root / "ann")
    (root / "bob/x/endless").symlink_to(root / "bob/x/endless")
    (root / "zoe").symlink_to(root / "bob")
    listing = Listing(root)
    assert list(listing.audio) == ["ann/1.wav", "bob/x/2.wav"]
    told = reasons(listing)
    assert sorted(told) == ["ann/self", "ann/up", "ann/upper", "bob/x/endless", "zoe"]
    assert all("leads back to" in told[name] and "remove the link" in told[name] for name in ("ann/self", "ann/up", "ann/upper"))
    assert "which is not there" in told["bob/x/endless"]
    assert "listed as bob already" in told["zoe"]


def test_linked_folders_elsewhere_are_followed_once(tmp_path: Path) -> None:
    lay(tmp_path / "elsewhere", "deep/1.wav", "deep/1.txt")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "elsewhere")
    root = lay(tmp_path / "all", "bob/2.wav")
    (root / "ann").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "cy").symlink_to(tmp_path / "elsewhere/deep", target_is_directory=True)
    listing = Listing(root)
    assert list(listing.audio) == ["ann/deep/1.wav", "bob/2.wav"]
    assert list(listing.others) == ["ann/deep/1.txt"]
    assert sorted(reasons(listing)) == ["ann/back", "cy"]


def test_each_real_file_is_listed_once_under_its_own_name(tmp_path: Path) -> None:
    lay(tmp_path / "store", "one", "two")
    root = lay(tmp_path / "all", "zoe/1.wav", "zoe/1.txt", "ann/2.wav")
    (root / "ann/copy.wav").symlink_to(root / "zoe/1.wav")
    (root / "ann/copy.txt").symlink_to(root / "zoe/1.txt")
    (root / "ann/one.wav").symlink_to(tmp_path / "store/one")
    (root / "bob").mkdir()
    (root / "bob/one.wav").symlink_to(tmp_path / "store/one")
    (root / "bob/gone.wav").symlink_to(tmp_path / "store/three")
    (root / "bob/gone.log").symlink_to(tmp_path / "store/three")
    listing = Listing(root)
    assert list(listing.audio) == ["ann/2.wav", "ann/one.wav", "zoe/1.wav"]
    assert "ann/copy.txt" in listing.others
    told = reasons(listing)
    assert sorted(told) == ["ann/copy.wav", "bob/gone.wav", "bob/one.wav"]
    assert "leads to zoe/1.wav, which is listed itself" in told["ann/copy.wav"]
    assert "leads to ann/one.wav" in told["bob/one.wav"]
    assert "three, which is not there; mend or remove it" in told["bob/gone.wav"]


def test_a_closed_folder_a_pipe_and_a_name_in_no_encoding_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "ann/1.wav", "closed/2.wav", "zoe/3.wav")
    os.mkfifo(tmp_path / "ann/pipe.wav")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/ann/caf\xe9.wav"))).touch()
    scandir = os.scandir

    def guarded(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    listing = Listing(tmp_path)
    assert list(listing.audio) == ["ann/1.wav", "zoe/3.wav"]
    assert reasons(listing) == {
        "closed": "the folder cannot be read (Permission denied); make it readable",
        "ann/pipe.wav": "it is not a file with contents (but a pipe or a device); remove it",
        "ann/caf\\xe9.wav": "its name is not UTF-8; rename it",
    }
    with pytest.raises(SovitsError, match=r"closed cannot be read \(Permission denied\); make it readable"):
        Listing(tmp_path / "closed")


@pytest.mark.parametrize(
    ("written", "moved", "expected"),
    [
        ("ann/1.wav", False, "ann/1.wav"),
        ("../all/ann/1.wav", False, "ann/1.wav"),
        ("ann\\1.wav", False, "ann/1.wav"),
        (".\\ann\\1.wav", False, "ann/1.wav"),
        ("ANN/1.WAV", False, "ann/1.wav"),
        ("D:\\old\\place\\ann\\1.wav", False, "ann/1.wav"),
        ("C:/old/ann/1.wav", False, "ann/1.wav"),
        ("//server/share/ann/1.wav", False, "ann/1.wav"),
        ("/home/me/ann/1.wav", False, "ann/1.wav"),
        ("output/ann/1.wav", False, None),
        ("output/ann/1.wav", True, "ann/1.wav"),
        ("output/1.wav", True, "1.wav"),
        ("back\\slash.wav", False, "back\\slash.wav"),
        ("Jose\u0300.wav", False, "Jos\u00e8.wav"),
        ("twice.wav", False, None),
        ("D:\\nothing.wav", True, None),
    ],
)
def test_a_path_is_found_however_it_is_written(tmp_path: Path, written: str, moved: bool, expected: str | None) -> None:
    root = lay(tmp_path / "all", "ann/1.wav", "1.wav", "back\\slash.wav", "Jos\u00e8.wav", "Twice.wav", "tWice.wav")
    found = Listing(root).locate(written, root, moved=moved)
    assert (found and found[0]) == expected
    assert found is None or found[1] == root / found[0]


def test_paths_are_also_taken_from_the_folder_of_what_names_them(tmp_path: Path) -> None:
    lay(tmp_path, "all/ann/1.wav", "other/2.wav")
    listing = Listing(tmp_path / "all")
    assert listing.locate("all/ann/1.wav", tmp_path) == ("ann/1.wav", tmp_path / "all/ann/1.wav")
    outside = tmp_path / "other/2.wav"
    assert listing.locate("other/2.wav", tmp_path) == (str(outside), outside)
    assert listing.locate(str(outside), tmp_path / "all") == (str(outside), outside)
    (tmp_path / "link").symlink_to(tmp_path / "all")
    assert listing.locate("link/ann/1.wav", tmp_path) == ("ann/1.wav", tmp_path / "all/ann/1.wav")
