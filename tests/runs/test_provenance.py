"""Where a run came from."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import Manifest
from sovits.runs.provenance import commit, data_told, fingerprint, source_hash, versions
from sovits.text import EnglishLetters, MandarinPhonemizer, SemanticTokenizer, TextFrontEnd
from tests.builders import HOP, SAMPLE_RATE


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in ("sovits", "conf"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("a = 1\n")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_the_commit_and_whether_code_was_changed(checkout: Path) -> None:
    head = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    (checkout / "notes.txt").write_text("no code")
    assert commit(checkout) == head
    (checkout / "conf" / "new.yaml").write_text("a: 1")
    assert commit(checkout) == head + "+"


def test_no_commit_without_a_checkout_or_without_git(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = checkout / "environment" / "site-packages"
    (inside / "sovits").mkdir(parents=True)
    assert commit(inside) is None
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert shutil.which("git") is None
    assert commit(checkout) is None


def test_a_changed_module_is_another_source(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.py").write_text("a = 1")
    first = source_hash(tmp_path)
    (tmp_path / "sub" / "a.pyc").write_bytes(b"no source")
    assert source_hash(tmp_path) == first
    (tmp_path / "sub" / "a.py").write_text("a = 2")
    second = source_hash(tmp_path)
    (tmp_path / "sub" / "a.py").rename(tmp_path / "a.py")
    assert len({first, second, source_hash(tmp_path)}) == 3


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "sovits", "sovits source", "torch", "lightning", "numpy", "speechmos"} <= versions().keys()


def module(root: Path, **choice: object) -> SpeechDataModule:
    front_end = TextFrontEnd(EnglishLetters(), MandarinPhonemizer(), SemanticTokenizer())
    return SpeechDataModule(str(root), front_end, SAMPLE_RATE, HOP, **choice)  # type: ignore[arg-type]


def test_the_fingerprint_is_of_what_is_chosen_and_not_of_where_it_lies(prepared: Path, tmp_path: Path) -> None:
    own = fingerprint(module(prepared))
    copied = tmp_path / "elsewhere"
    shutil.copytree(prepared, copied)
    assert fingerprint(module(copied)) == own
    others = [
        fingerprint(module(prepared, **choice))
        for choice in ({"speaker": "ana"}, {"limit_utterances": 1}, {"seconds_per_speaker": 2.2}, {"evaluate_on_train": True})
    ]
    assert len({own, *others}) == 5
    # The same choice, differently said.
    assert fingerprint(module(prepared, speakers=["bo", "ana"])) == own
    assert fingerprint(module(prepared, limit_utterances=2)) == others[2]


@pytest.mark.parametrize("change", [{"text": "Bye"}, {"content_hash": "0" * 64}, {"language": "zh"}])
def test_another_text_or_sound_is_other_data(change: dict[str, str], prepared: Path, tmp_path: Path) -> None:
    copied = tmp_path / "set"
    shutil.copytree(prepared, copied)
    manifest = Manifest.load(copied)
    changed = (replace(manifest.utterances[0], **change), *manifest.utterances[1:])  # type: ignore[arg-type]
    Manifest(manifest.sample_rate, changed).save(copied)
    assert fingerprint(module(copied, cache=False)) != fingerprint(module(prepared))


def test_the_data_of_a_run(prepared: Path) -> None:
    told = data_told(module(prepared, limit_utterances=2))
    assert told["root"] == str(prepared.resolve())
    assert told["clips"] == {"ana": 2, "bo": 2}
    assert told["seconds"] == pytest.approx({"ana": 2.05, "bo": 2.05})
