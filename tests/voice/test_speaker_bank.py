"""The bank of voices: files in and out, names that are never paths, errors that name what is wrong."""

from __future__ import annotations

import os

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.voice import SpeakerBank


@pytest.fixture
def bank() -> SpeakerBank:
    return SpeakerBank.from_embeddings({"p225": np.array([3.0, 0.0, 4.0]), "小明": np.array([0.0, -2.0, 0.0])})


def test_voices_are_of_norm_one(bank):
    np.testing.assert_allclose(bank["p225"], np.array([0.6, 0.0, 0.8]), rtol=1e-6)
    assert bank.names == ["p225", "小明"]
    assert len(bank) == 2
    assert bank.embedding_size == 3
    assert "p225" in bank
    assert "p226" not in bank


def test_a_bank_on_disk_is_one_plain_file_for_each_speaker(bank, tmp_path):
    folder = bank.save(tmp_path / "speakers")
    assert sorted(path.name for path in folder.iterdir()) == ["p225.npy", "小明.npy"], "and nothing half-written beside them"
    stored = np.load(folder / "p225.npy", allow_pickle=False)
    assert stored.dtype == np.float32
    np.testing.assert_allclose(stored, [0.6, 0, 0.8], rtol=1e-6)
    loaded = SpeakerBank.load(folder)
    assert loaded.names == bank.names
    for name in bank.names:
        np.testing.assert_allclose(loaded[name], bank[name], rtol=1e-6)


def test_a_loaded_bank_needs_its_files_no_more(bank, tmp_path):
    loaded = SpeakerBank.load(bank.save(tmp_path))
    for path in tmp_path.glob("*.npy"):
        path.unlink()
    assert loaded["小明"].tolist() == [0, -1, 0]


def test_an_interrupted_save_leaves_the_old_voice(bank, tmp_path, monkeypatch):
    bank.save(tmp_path)
    before = (tmp_path / "p225.npy").read_bytes()
    monkeypatch.setattr(np, "save", lambda file, *_, **__: (file.write(b"half"), (_ for _ in ()).throw(OSError("disk full"))))
    with pytest.raises(OSError, match="disk full"):
        bank.save(tmp_path)
    assert (tmp_path / "p225.npy").read_bytes() == before


def test_an_unknown_speaker_brings_the_nearest_and_the_known(bank):
    with pytest.raises(SovitsError, match=r"no speaker 'p252' \(did you mean p225\?\); choose one of p225, 小明"):
        bank["p252"]
    with pytest.raises(SovitsError, match=r"no speaker 'zoe'; choose one of"):
        bank["zoe"]
    with pytest.raises(SovitsError, match="the bank is empty"):
        SpeakerBank()["p225"]
    many = SpeakerBank.from_embeddings({f"s{number:03d}": np.ones(2) for number in range(50)})
    with pytest.raises(SovitsError, match=r"s019 and 30 more"):
        many["nobody"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../p225", "/etc/p225", "a/b", "a\\b", ".hidden", " p", "p ", "a\0b", "a\nb", "a:b", "~", "*"]
)
def test_a_path_is_not_a_name(name):
    with pytest.raises(SovitsError, match="cannot be a speaker's name"):
        SpeakerBank().add(name, np.ones(2))


@pytest.mark.parametrize("name", ["p225", "André", "小明", "a.b-c_d", "Ana Maria", "हिन्दी", "-1"])
def test_names_in_any_script(name, tmp_path):
    bank = SpeakerBank.from_embeddings({name: np.ones(2)})
    assert SpeakerBank.load(bank.save(tmp_path)).names == [name]


def test_composed_and_decomposed_letters_are_one_name():
    bank = SpeakerBank.from_embeddings({"Andre\u0301": np.ones(2)})
    assert "Andr\u00e9" in bank
    assert bank["Andr\u00e9"].shape == bank["Andre\u0301"].shape == (2,)


@pytest.mark.parametrize("embedding", [np.zeros(3), np.array([1.0, float("nan")]), np.ones((2, 2)), np.ones(0), np.array(1.0)])
def test_what_is_no_voice_is_refused(embedding):
    with pytest.raises(SovitsError, match="'bo' is not a voice"):
        SpeakerBank().add("bo", embedding)


def test_all_voices_have_one_size(bank, tmp_path):
    with pytest.raises(SovitsError, match=r"'bo' has 4 numbers where the others of the bank have 3"):
        bank.add("bo", np.ones(4))
    bank.save(tmp_path)
    np.save(tmp_path / "zed.npy", np.ones(5, dtype=np.float32))
    with pytest.raises(SovitsError, match=r"小明\.npy has 3 numbers|zed\.npy has 5 numbers"):
        SpeakerBank.load(tmp_path)


def test_unusable_folders_and_files_are_named(tmp_path):
    with pytest.raises(SovitsError, match=r"no speaker bank .*nowhere"):
        SpeakerBank.load(tmp_path / "nowhere")
    with pytest.raises(SovitsError, match=r"holds no \.npy file"):
        SpeakerBank.load(tmp_path)
    for content in (b"", b"not numpy at all", b"\x93NUMPY\x01\x00"):
        (tmp_path / "bad.npy").write_bytes(content)
        with pytest.raises(SovitsError, match=r"bad\.npy is not an embedding"):
            SpeakerBank.load(tmp_path)
    np.save(tmp_path / "bad.npy", np.ones(3, dtype=np.int64))
    with pytest.raises(SovitsError, match=r"bad\.npy holds int64"):
        SpeakerBank.load(tmp_path)


def test_pickles_are_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(SovitsError, match=r"trap\.npy is not an embedding"):
        SpeakerBank.load(tmp_path)
    assert not (tmp_path / "sprung").exists()
