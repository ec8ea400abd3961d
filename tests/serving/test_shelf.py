"""Voices in memory and on disk: whole whatever happens, and never a path."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from sovits.errors import SovitsError
from sovits.serving.shelf import EnrolmentDetails, ModelVoice, UnknownVoice, VoiceExists, VoiceShelf

SIZE = 8
ABOUT = EnrolmentDetails(12.5, 2, "Bea agreed on 3 May.", "alice")


def voice(seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(SIZE, generator=torch.Generator().manual_seed(seed)), dim=0)


def shelf(folder: Path | None) -> VoiceShelf:
    return VoiceShelf({"ana": voice(1), "bo": voice(2)}, folder, SIZE)


def put(folder: Path, name: str, values: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{name}.npy", values)
    return folder / f"{name}.npy"


def test_voices_of_the_model_and_of_the_folder(tmp_path: Path) -> None:
    put(tmp_path / "bank", "bea", 3 * voice(3).numpy())
    own = shelf(tmp_path / "bank")
    assert own.names == ["ana", "bea", "bo"]
    torch.testing.assert_close(own["bea"], voice(3))
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
        torch.testing.assert_close(one["Bea"], voice(3))
        told = next(each for each in one.described() if each.id == "Bea")
        assert (told.origin, told.seconds, told.clips, told.consent) == ("enrolled", 12.5, 2, "Bea agreed on 3 May.")
        assert told.enrolled_at is not None
        assert told.enrolled_at.endswith("+00:00")
    assert json.loads((tmp_path / "new" / "bank" / "Bea.json").read_text())["key"] == "alice"
    assert sorted(path.name for path in (tmp_path / "new" / "bank").iterdir()) == ["Bea.json", "Bea.npy"]
    with pytest.raises(VoiceExists, match="'Bea' already"):
        own.add("Bea", voice(4), ABOUT)
    with pytest.raises(VoiceExists, match="'ana' already"):
        own.add("ana", voice(4), ABOUT)


def test_taking_away(tmp_path: Path) -> None:
    own = shelf(tmp_path)
    own.add("bea", voice(3), ABOUT)
    own.remove("bea")
    assert own.names == ["ana", "bo"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnknownVoice, match="no voice 'bea'"):
        own.remove("bea")
    with pytest.raises(ModelVoice, match="'ana' is a voice of the model"):
        own.remove("ana")


def test_a_voice_of_the_folder_goes_before_the_model_s(tmp_path: Path) -> None:
    put(tmp_path, "ana", voice(5).numpy())
    own = shelf(tmp_path)
    torch.testing.assert_close(own["ana"], voice(5))
    own.remove("ana")
    torch.testing.assert_close(own["ana"], voice(1))


def test_what_changes_on_disk_is_picked_up(tmp_path: Path) -> None:
    own = shelf(tmp_path)
    assert not own.refresh()
    path = put(tmp_path, "bea", voice(3).numpy())
    assert own.refresh()
    assert not own.refresh()
    torch.testing.assert_close(own["bea"], voice(3))
    path.with_suffix(".json").write_text(json.dumps({"consent": "yes"}))
    assert own.refresh()
    assert own.described()[1].consent == "yes"
    put(tmp_path, "bea", voice(4).numpy().astype(np.float64))
    assert own.refresh()
    torch.testing.assert_close(own["bea"], voice(4))
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
    ],
)
def test_a_broken_file_is_told_once_and_left_out(
    tmp_path: Path, content: bytes | np.ndarray, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "cy", voice(6).numpy())
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
    put(tmp_path, "bea", voice(3).numpy())
    own.refresh()
    assert "bea" in own


def test_pickles_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([print], dtype=object), allow_pickle=True)
    assert "evil" not in shelf(tmp_path)


def test_a_description_without_a_voice_and_what_a_kill_leaves(tmp_path: Path) -> None:
    (tmp_path / "bea.json").write_text("{}")
    (tmp_path / ".cy.npy.123.partial").write_bytes(b"half")
    own = shelf(tmp_path)
    assert own.names == ["ana", "bo"]
    own.add("bea", voice(3), ABOUT)
    assert next(one for one in own.described() if one.id == "bea").consent == ABOUT.consent


def test_a_description_that_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "bea", voice(3).numpy()).with_suffix(".json").write_text("[1, 2")
    with caplog.at_level(logging.WARNING):
        assert "bea" in shelf(tmp_path)
    assert "bea.json does not describe a voice" in caplog.text


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
