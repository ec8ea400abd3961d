"""Voices in memory and on disk: whole whatever happens, and never a path."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.serving.shelf import EnrolmentDetails, ModelVoice, ShelvedVoice, UnknownVoice, VoiceExists, VoiceShelf
from sovits.serving.voice_folder import LOCK, FolderHeld, VoiceFolder

SIZE = 8
ABOUT = EnrolmentDetails(12.5, 2, "Bea agreed on 3 May.", "alice")


def voice(seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def shelf(folder: Path | None) -> VoiceShelf:
    return VoiceShelf({"ana": voice(1), "bo": voice(2)}, folder, SIZE)


def files(folder: Path) -> list[str]:
    """What is in the folder but its lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


def put(folder: Path, name: str, values: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{name}.npy", values)
    return folder / f"{name}.npy"


def test_voices_of_the_model_and_of_the_folder(tmp_path: Path) -> None:
    put(tmp_path / "bank", "bea", 3 * voice(3))
    own = shelf(tmp_path / "bank")
    assert own.names == ["ana", "bea", "bo"]
    np.testing.assert_allclose(own["bea"], voice(3), rtol=1e-6)
    assert [(one.id, one.origin, one.consent) for one in own.described()] == [
        ("ana", "model", None),
        ("bea", "enrolled", None),
        ("bo", "model", None),
    ]
    with pytest.raises(SovitsError, match="no speaker 'anna' \\(did you mean ana"):
        own["anna"]


def test_a_new_voice_outlives_the_service(tmp_path: Path) -> None:
    own = shelf(tmp_path / "new" / "bank")
    own.add("Bea", voice(3), ABOUT)
    for one in (own, shelf(tmp_path / "new" / "bank")):
        np.testing.assert_allclose(one["Bea"], voice(3), rtol=1e-6)
        told = next(each for each in one.described() if each.id == "Bea")
        assert (told.origin, told.seconds, told.clips, told.consent) == ("enrolled", 12.5, 2, "Bea agreed on 3 May.")
        assert told.enrolled_at is not None
        assert told.enrolled_at.endswith("+00:00")
    assert json.loads((tmp_path / "new" / "bank" / "Bea.json").read_text())["key"] == "alice"
    assert files(tmp_path / "new" / "bank") == ["Bea.json", "Bea.npy"]
    with pytest.raises(VoiceExists, match="'Bea' already"):
        own.add("Bea", voice(4), ABOUT)
    with pytest.raises(VoiceExists, match="'ana' already"):
        own.add("ana", voice(4), ABOUT)


def test_taking_away(tmp_path: Path) -> None:
    own = shelf(tmp_path)
    own.add("bea", voice(3), ABOUT)
    own.remove("bea")
    assert own.names == ["ana", "bo"]
    assert files(tmp_path) == []
    with pytest.raises(UnknownVoice, match="no voice 'bea'"):
        own.remove("bea")
    with pytest.raises(ModelVoice, match="'ana' is a voice of the model"):
        own.remove("ana")


def test_a_voice_of_the_folder_goes_before_the_model_s(tmp_path: Path) -> None:
    put(tmp_path, "ana", voice(5))
    own = shelf(tmp_path)
    np.testing.assert_allclose(own["ana"], voice(5), rtol=1e-6)
    own.remove("ana")
    np.testing.assert_allclose(own["ana"], voice(1), rtol=1e-6)


def test_what_changes_on_disk_is_picked_up(tmp_path: Path) -> None:
    own = shelf(tmp_path)
    assert not own.refresh()
    path = put(tmp_path, "bea", voice(3))
    assert own.refresh()
    assert not own.refresh()
    np.testing.assert_allclose(own["bea"], voice(3), rtol=1e-6)
    path.with_suffix(".json").write_text(json.dumps({"consent": "yes"}))
    assert own.refresh()
    assert own.described()[1].consent == "yes"
    put(tmp_path, "bea", voice(4).astype(np.float64))
    assert own.refresh()
    np.testing.assert_allclose(own["bea"], voice(4), rtol=1e-6)
    path.unlink()
    assert own.refresh()
    assert "bea" not in own


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "bea.npy"),
        (b"no array at all", "bea.npy"),
        (np.zeros(SIZE, np.float32), "all zero"),
        (np.full(SIZE, np.nan, np.float32), "finite"),
        (np.ones(SIZE + 1, np.float32), "has 9 numbers and this model's voices have 8"),
        (np.ones((2, SIZE), np.float32), "not a voice"),
        (np.arange(SIZE), "int64"),
        (np.ones(100_000, np.float32), "has 400128 bytes"),
    ],
)
def test_a_broken_file_is_told_once_and_left_out(
    tmp_path: Path, content: bytes | np.ndarray, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "cy", voice(6))
    if isinstance(content, bytes):
        (tmp_path / "bea.npy").write_bytes(content)
    else:
        put(tmp_path, "bea", content)
    with caplog.at_level(logging.WARNING):
        own = shelf(tmp_path)
        own.refresh()
    assert own.names == ["ana", "bo", "cy"]
    (record,) = caplog.records
    assert message in record.message
    assert record.message.startswith("'bea.npy' is left out")
    put(tmp_path, "bea", voice(3))
    own.refresh()
    assert "bea" in own


def _archive(path: Path) -> None:
    np.savez(path.with_suffix(".npz"), voice=voice(3))
    path.with_suffix(".npz").rename(path)


def _lying_header(path: Path) -> None:
    np.save(path, voice(3))
    path.write_bytes(path.read_bytes().replace(b"(8,), }" + b" " * 12, b"(1000000000000000,)".ljust(17) + b"}" + b" "))
    assert b"(1000000000000000,)}" in path.read_bytes()


@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, _archive, _lying_header, lambda path: path.symlink_to(path), lambda path: path.write_bytes(b"PK\3\4xx")]
)
def test_nothing_in_the_folder_stops_the_others(tmp_path: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture) -> None:
    own = shelf(tmp_path)
    make(tmp_path / "bea.npy")
    put(tmp_path, "cy", voice(6))
    with caplog.at_level(logging.WARNING):
        own.refresh()
        own.refresh()
    assert own.names == ["ana", "bo", "cy"]
    assert [record.message.partition(" is left out")[0] for record in caplog.records] == ["'bea.npy'"]


def test_a_name_in_either_way_of_writing_it(tmp_path: Path) -> None:
    composed, taken_apart = (unicodedata.normalize(form, "Zoé") for form in ("NFC", "NFD"))
    put(tmp_path, taken_apart, voice(3))
    own = shelf(tmp_path)
    assert {one.id: one.origin for one in own.described()} == {composed: "enrolled", "ana": "model", "bo": "model"}
    with pytest.raises(VoiceExists):
        own.add(taken_apart, voice(4), ABOUT)
    own.remove(taken_apart)
    assert composed not in own
    assert files(tmp_path) == []


@pytest.mark.parametrize("size", [SIZE, SIZE + 1])
def test_a_voice_that_somebody_just_put_there_is_not_replaced(tmp_path: Path, size: int) -> None:
    own = shelf(tmp_path)
    values = np.ones(size, np.float32)
    put(tmp_path, "bea", values)
    with pytest.raises(VoiceExists, match="bea"):
        own.add("bea", voice(3), ABOUT)
    np.testing.assert_array_equal(np.load(tmp_path / "bea.npy"), values)
    assert not (tmp_path / "bea.json").exists()


def test_a_voice_is_kept_as_float32_of_norm_1(tmp_path: Path) -> None:
    shelf(tmp_path).add("bea", 5 * voice(3).astype(np.float64), ABOUT)
    kept = np.load(tmp_path / "bea.npy")
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept, voice(3), atol=1e-6)


def test_a_copy_that_keeps_the_time_is_another_file(tmp_path: Path) -> None:
    path = put(tmp_path, "bea", voice(3))
    os.utime(path, ns=(10**18, 10**18))
    own = shelf(tmp_path)
    new = put(tmp_path / "elsewhere", "bea", voice(4))
    os.utime(new, ns=(10**18, 10**18))
    new.replace(path)
    assert own.refresh()
    np.testing.assert_allclose(own["bea"], voice(4), rtol=1e-6)


def test_a_folder_that_goes_or_is_none(tmp_path: Path) -> None:
    own = shelf(tmp_path / "bank")
    own.add("bea", voice(3), ABOUT)
    shutil.rmtree(tmp_path / "bank")
    with pytest.raises(SovitsError, match="folder for voices is gone.*bank=FOLDER"):
        own.add("cy", voice(4), ABOUT)
    assert own.refresh()
    assert own.names == ["ana", "bo"]
    (tmp_path / "file").write_text("")
    with pytest.raises(SovitsError, match="bank=.*file is no folder"):
        shelf(tmp_path / "file")


def test_a_folder_that_cannot_be_read_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "bea", voice(3))
    own = shelf(tmp_path)

    def fail(_: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(Path, "iterdir", fail)
        assert not own.refresh()
        assert not own.refresh()
    assert "bea" in own
    assert [record.message.count("Input/output error") for record in caplog.records] == [1]
    assert not own.refresh()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    own = shelf(tmp_path)
    monkeypatch.setattr("sovits.serving.voice_folder.os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        own.add("bea", voice(3), ABOUT)
    assert files(tmp_path) == []
    assert "bea" not in own


@pytest.mark.slow
def test_a_killed_service_leaves_whole_voices(tmp_path: Path) -> None:
    work = (
        "import sys, numpy, pathlib\n"
        "from sovits.serving.shelf import EnrolmentDetails, VoiceShelf\n"
        "own = VoiceShelf({}, pathlib.Path(sys.argv[1]), 8)\n"
        "for number in range(10**6):\n"
        "    own.add(f'v{number}', numpy.ones(8), EnrolmentDetails(consent=f'of v{number}'))\n"
        "    print(number, flush=True)\n"
    )
    service = subprocess.Popen([sys.executable, "-c", work, str(tmp_path)], stdout=subprocess.PIPE)
    assert service.stdout is not None
    for _ in range(20):
        service.stdout.readline()
    service.send_signal(signal.SIGKILL)
    service.wait()
    service.stdout.close()
    own = VoiceShelf({}, tmp_path, 8)
    assert len(own.names) >= 20
    assert set(own.names) == {path.stem for path in tmp_path.glob("*.npy")}
    assert all(one.consent == f"of {one.id}" for one in own.described())


def test_pickles_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([print], dtype=object), allow_pickle=True)
    assert "evil" not in shelf(tmp_path)


def test_a_description_without_a_voice_and_what_a_kill_leaves(tmp_path: Path) -> None:
    (tmp_path / "bea.json").write_text("{}")
    (tmp_path / ".cy.npy.123.voice-partial").write_bytes(b"half")
    own = shelf(tmp_path)
    assert own.names == ["ana", "bo"]
    assert files(tmp_path) == ["bea.json"]
    own.add("bea", voice(3), ABOUT)
    assert next(one for one in own.described() if one.id == "bea").consent == ABOUT.consent


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2",
        "[]",
        "[" * 60_000,
        " " * 100_000 + "{}",
        '{"seconds": "long"}',
        '{"seconds": NaN}',
        '{"seconds": 1%s}' % ("0" * 400),
        '{"clips": true}',
        '{"consent": 5}',
        '{"consent": "\\ud800"}',
    ],
    ids=["cut", "list", "deep", "long", "text", "nan", "huge", "bool", "number", "surrogate"],
)
def test_a_description_that_is_none(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "bea", voice(3)).with_suffix(".json").write_text(text)
    with caplog.at_level(logging.WARNING):
        own = shelf(tmp_path)
        own.refresh()
    (record,) = caplog.records
    assert "bea.json does not describe a voice" in record.message
    assert ShelvedVoice("bea", "enrolled") in own.described()


@pytest.mark.parametrize("name", ["../bea", "/tmp/bea", "a/b", "..", ".hidden", "", "a\0b", "x" * 300, "bea\n"])
def test_names_are_never_paths(tmp_path: Path, name: str) -> None:
    own = shelf(tmp_path / "bank")
    with pytest.raises(SovitsError):
        own.add(name, voice(3), ABOUT)
    with pytest.raises(SovitsError):
        own.remove(name)
    assert [path.name for path in tmp_path.rglob("*")] == ["bank"]


def test_without_a_folder_nobody_is_enrolled() -> None:
    own = shelf(None)
    assert own.names == ["ana", "bo"]
    assert not own.refresh()
    with pytest.raises(SovitsError, match="bank=FOLDER"):
        own.add("bea", voice(3), ABOUT)


def test_two_who_add_the_same_name(tmp_path: Path) -> None:
    own, said = shelf(tmp_path), []

    def add(number: int) -> None:
        try:
            own.add("bea", voice(number), EnrolmentDetails(consent=str(number)))
            said.append(str(number))
        except VoiceExists:
            said.append("exists")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (one for one in said if one != "exists")
    assert len(said) == 4
    np.testing.assert_allclose(own["bea"], voice(int(winner)), rtol=1e-6)
    assert next(one for one in own.described() if one.id == "bea").consent == winner


def test_two_services_add_one_name_once(tmp_path: Path) -> None:
    work = (
        "import sys, numpy, pathlib\n"
        "from sovits.serving.shelf import EnrolmentDetails, VoiceExists, VoiceShelf\n"
        "own = VoiceShelf({}, pathlib.Path(sys.argv[1]), 8)\n"
        "print(flush=True)\n"
        "sys.stdin.readline()\n"
        "for number in range(20):\n"
        "    try:\n"
        "        own.add(f'v{number}', numpy.eye(8)[int(sys.argv[2])], EnrolmentDetails(consent=sys.argv[2]))\n"
        "        print(number)\n"
        "    except VoiceExists:\n"
        "        pass\n"
    )
    command = [sys.executable, "-c", work, str(tmp_path)]
    services = [subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in ("0", "1")]
    for service in services:
        assert service.stdout is not None
        service.stdout.readline()
    for service in services:
        assert service.stdin is not None
        service.stdin.write("go\n")
        service.stdin.flush()
    added = [[int(line) for line in service.communicate(timeout=60)[0].split()] for service in services]
    assert sorted(added[0] + added[1]) == list(range(20))
    own = VoiceShelf({}, tmp_path, 8)
    for one in own.described():
        assert int(one.id[1:]) in added[int(one.consent or "")]
        assert own[one.id][int(one.consent or "")] == 1


def test_a_folder_that_another_service_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = shelf(tmp_path)
    monkeypatch.setattr("sovits.serving.voice_folder.HELD_SECONDS", 0.05)
    with VoiceFolder(tmp_path, SIZE).held(), pytest.raises(FolderHeld, match="Another service holds"):
        own.add("bea", voice(3), ABOUT)
    own.add("bea", voice(3), ABOUT)


def test_a_description_is_not_inherited_by_another_voice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelf(tmp_path).add("bea", voice(3), ABOUT)
    # A kill between the two, while it was added or taken away.
    (tmp_path / "bea.npy").unlink()
    put(tmp_path, "bea", voice(4))
    with caplog.at_level(logging.WARNING):
        own = shelf(tmp_path)
    assert ShelvedVoice("bea", "enrolled") in own.described()
    assert "belongs to another voice" in caplog.text


def test_reading_while_voices_come_and_go(tmp_path: Path) -> None:
    own, wrong = shelf(tmp_path), []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                assert own["ana"].shape == (SIZE,)
                assert {"ana", "bo"} <= set(own.names)
                assert len(own.described()) >= 2
            except Exception as error:  # a thread's errors are nobody's otherwise
                wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(30):
        own.add(f"v{number}", voice(number), ABOUT)
        if number % 2:
            own.remove(f"v{number}")
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert len(own.names) == 2 + 15
