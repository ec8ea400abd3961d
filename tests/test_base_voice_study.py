"""The scripts of the base voice's study: slices of a training, what is gathered, and who is told apart."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import butter, lfilter

from sovits.audio.waveform import write_waveform
from sovits.data.espeak import open_espeak
from sovits.errors import SovitsError
from tests.checkpoints import tiny_checkpoint
from tests.conftest import REPOSITORY
from tests.training.interruptions import write_set
from tests.verbs.test_train import SMALL

STUDY = REPOSITORY / "experiments" / "base_voice"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """A script of the study as a module."""
    monkeypatch.syspath_prepend(str(STUDY))
    return __import__


def overrides(root: Path, steps: int) -> list[str]:
    return [*SMALL, f"data.root={root}", f"training.steps={steps}", "evaluation=none", "callbacks.checkpoints.every_steps=5",
            f"trainer.val_check_interval={steps}"]  # fmt: skip


@pytest.mark.slow
def test_two_slices_are_one_training(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_parts = script("train_in_parts")
    root = write_set(tmp_path / "set")
    whole = tmp_path / "whole"
    in_parts.train(whole, 5, overrides(root, 300))

    class EndsEarly(subprocess.Popen):
        """A machine whose time is over as soon as there is something to keep."""

        def __init__(self, command: list[str]) -> None:
            super().__init__(command)
            threading.Thread(target=self._watch, daemon=True).start()

        def _watch(self) -> None:
            while not (tmp_path / "first" / "checkpoints" / "last.ckpt").is_file():
                time.sleep(0.05)
            self.send_signal(signal.SIGTERM)

    with monkeypatch.context() as changed:
        changed.setattr(in_parts.subprocess, "Popen", EndsEarly)
        in_parts.train(tmp_path / "first", 5, overrides(root, 300))
    parts = in_parts.keep(tmp_path / "first", tmp_path / "parts", "full", 0.05)
    assert 0 < parts.generator_step < 300
    assert not parts.finished
    assert len(parts.hashes) > 1
    assert max((tmp_path / "parts" / name).stat().st_size for name in parts.hashes) <= 50_000

    further = in_parts.go_on_from(tmp_path / "parts", tmp_path / "second")
    in_parts.train(tmp_path / "second", 5, [*overrides(root, 300), *further])
    end = in_parts.keep(tmp_path / "second", tmp_path / "end", "full", 0.05)
    assert (end.generator_step, end.finished) == (300, True)
    one, other = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (whole, tmp_path / "second"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(SovitsError, match="at step 300: nothing is left to do"):
        in_parts.go_on_from(tmp_path / "end", tmp_path / "third")


@pytest.fixture
def cut(script, tmp_path: Path) -> Path:
    """A folder with the parts of some checkpoint."""
    folder = tmp_path / "parts"
    folder.mkdir()
    in_parts = script("train_in_parts")
    pieces = {f"checkpoint.part00{number}": bytes([number]) * 10 for number in range(3)}
    for name, piece in pieces.items():
        (folder / name).write_bytes(piece)
    hashes = {name: in_parts.hashlib.sha256(piece).hexdigest() for name, piece in pieces.items()}
    (folder / "parts.json").write_text(json.dumps({"state": "full", "generator_step": 7, "finished": False, "hashes": hashes}))
    return folder


def test_parts_are_put_together_in_their_order(script, cut: Path, tmp_path: Path) -> None:
    assert script("train_in_parts").go_on_from(cut, tmp_path / "run") == ["resume=true"]
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").read_bytes() == bytes([0] * 10 + [1] * 10 + [2] * 10)


@pytest.mark.parametrize(("name", "content", "told"), [("checkpoint.part001", b"x", "damaged"), ("checkpoint.part002", None, "missing")])
def test_a_bad_part_is_named_and_nothing_is_left(script, name: str, content: bytes | None, told: str, cut: Path, tmp_path: Path) -> None:
    (cut / name).unlink()
    if content:
        (cut / name).write_bytes(content)
    with pytest.raises(SovitsError, match=f"{name} is {told}; copy the folder of that slice again"):
        script("train_in_parts").go_on_from(cut, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()


def test_a_folder_without_parts_is_refused(script, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"has no whole parts\.json"):
        script("train_in_parts").go_on_from(tmp_path, tmp_path / "run")


def test_weights_alone_start_warm(script, cut: Path, tmp_path: Path) -> None:
    about = json.loads((cut / "parts.json").read_text())
    (cut / "parts.json").write_text(json.dumps(about | {"state": "weights"}))
    assert script("train_in_parts").go_on_from(cut, tmp_path / "run") == [f"warm_start={cut}", "warm_start_parts=null"]


def write_collection(root: Path) -> Path:
    """A speech collection as the study takes one: speakers with texts, one of them to be left out, and one without."""
    random = np.random.default_rng(0)
    rows = [
        ("a/1.flac", "corpus", "ana", "HELLO OUT THERE"),
        ("a/2.flac", "corpus", "ana", "Good morning."),
        ("b/1.flac", "corpus", "bo", "你好"),
        ("c/1.flac", "ljspeech", "LJ", "Not to be used."),
        ("d/1.flac", "fsdd", "digits", "ONE"),
    ]
    for path in [*(row[0] for row in rows), "untranscribed/u.flac"]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, 0.1 * random.standard_normal(16000), 16000)
    lines = ["path,corpus,speaker,text", *(",".join(row) for row in rows)]
    (root / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "untranscribed" / "manifest.csv").write_text("path,corpus,speaker\nuntranscribed/u.flac,corpus,cy\n", encoding="utf-8")
    return root


def test_what_is_gathered(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    speech = write_collection(tmp_path / "speech")
    output = tmp_path / "base"
    command = [sys.executable, str(STUDY / "collect.py"), "--speech", str(speech), "--output", str(output), "--sentences", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    speakers = {folder.name for folder in output.iterdir()}
    recorded = {name for name in speakers if not name.startswith("generated_")}
    assert recorded == {f"{name}{copy}" for name in ("corpus_ana", "corpus_bo", "untold_cy") for copy in ("", "_x0.9", "_x1.1")}
    assert {folder.name for folder in (tmp_path / "base-left-out").iterdir()} == {"ljspeech_LJ"}
    for copy, speed in (("", 1.0), ("_x0.9", 0.9), ("_x1.1", 1.1)):
        file = soundfile.info(output / f"corpus_ana{copy}" / "1.flac")
        assert (file.frames, file.samplerate) == (16000, round(16000 * speed)), "played at another speed, and honest about its bandwidth"
    assert (output / "corpus_ana" / "1.txt").read_text(encoding="utf-8") == "HELLO OUT THERE\n"
    assert not list((output / "untold_cy").glob("*.txt")), "in noise no word is heard"
    said = {path.read_text(encoding="utf-8").strip() for path in output.glob("generated_*/*.txt")}
    assert said == {"Hello out there.", "Good morning.", "你好。"}
    assert all(len(list(folder.glob("*.flac"))) == 2 for folder in output.glob("generated_*"))


def test_what_a_recogniser_hears_becomes_a_text(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("espeakng_loader")
    dictation, collect = script("dictation"), script("collect")
    with open_espeak() as espeak:
        speech = espeak.speak("one two three four", "en-us", rate=150, pitch=45, pitch_range=50)
    pause = np.zeros(espeak.sample_rate // 5, np.float32)
    path = write_waveform(tmp_path / "counting.wav", np.concatenate([pause, speech.samples, pause]), espeak.sample_rate)
    heard = dictation.dictate(path)
    assert "two three four" in heard
    assert dictation.dictate(path) == heard, "whatever it heard before"

    told = collect.Recorded(tmp_path / "told.wav", "corpus_ana", "corpus", "HELLO")
    untold, noise = (collect.Recorded(tmp_path / f"{name}.wav", f"untold_{name}", "corpus", "") for name in ("bo", "noise"))
    monkeypatch.setattr(collect, "dictate_all", lambda paths: ["" if path.stem == "noise" else "one two" for path in paths])
    found = collect.written_down([told, untold, noise])
    assert [(one.speaker, one.text) for one in found] == [("corpus_ana", "HELLO"), ("heard_bo", "one two"), ("untold_noise", "")]


def test_how_high_voices_speak(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "run" / "audio" / "ana"
    folder.mkdir(parents=True)
    time = np.arange(22050) / 22050
    for kind, hertz in (("recording", 200), ("reconstruction", 220), ("synthesis", 100)):
        soundfile.write(folder / f"1_{kind}.wav", sum(0.2 / k * np.sin(2 * np.pi * k * hertz * time) for k in (1, 2, 3)), 22050)
    monkeypatch.setattr(sys, "argv", ["pitches.py", f"base={tmp_path / 'run'}"])
    script("pitches").main()
    *_, row = capsys.readouterr().out.splitlines()
    name, speaker, recorded, *others = row.strip("| ").split(" | ")
    assert (name, speaker, recorded) == ("base", "ana", "200")
    hertz, cents = zip(*((int(cell.split()[0]), int(cell.split("(")[1].split()[0])) for cell in others), strict=True)
    assert hertz == pytest.approx((220, 100), abs=2)
    assert cents == pytest.approx((165, -1200), abs=15)


def test_several_checkpoints_become_their_mean(script, tmp_path: Path) -> None:
    ship = script("ship")
    moved, last = tmp_path / "moved.ckpt", tmp_path / "last.ckpt"
    content = tiny_checkpoint()
    torch.save(content, last)
    state = content["state_dict"]
    torch.save({**content, "state_dict": {name: w + 1 if w.is_floating_point() else w for name, w in state.items()}}, moved)
    mean = torch.load(ship.mean_of([moved, last], tmp_path / "mean.ckpt"), weights_only=True)
    for name, weight in state.items():
        torch.testing.assert_close(mean["state_dict"][name], weight + 0.5 if weight.is_floating_point() else weight)
    assert mean["sovits"]["generator_step"] == content["sovits"]["generator_step"]

    torch.save({**content, "state_dict": dict(list(state.items())[1:])}, moved)
    with pytest.raises(SovitsError, match="has other weights than"):
        ship.mean_of([moved, last], tmp_path / "mean.ckpt")


def test_a_folder_that_is_no_collection_is_named(script, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"There is no .*manifest\.csv; give the folder of a speech collection"):
        script("collect").read_manifests(tmp_path)
    (tmp_path / "manifest.csv").write_text("file,who\nx.wav,ana\n", encoding="utf-8")
    with pytest.raises(SovitsError, match="lacks one of the columns path, corpus, speaker; it has file, who"):
        script("collect").read_manifests(tmp_path)


def test_who_is_told_apart(script) -> None:
    speakers = script("speakers")
    voices = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    told = speakers.Voices(voices, torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 2, 3]))
    assert told.rate(np.array([0, 1])) == 0.0
    swapped = speakers.Voices(voices, torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1, 2, 3]))
    assert swapped.rate(np.array([0, 1])) >= 0.5


def test_bands_that_a_model_leaves_out_are_seen(
    script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "run" / "audio" / "ana"
    folder.mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal(22050)
    dull = lfilter(*butter(8, 4000, fs=22050), noise)
    dull[256:] += np.resize(dull[:256], len(dull) - 256)  # the same in every frame, beside the noise
    for kind, samples in (("recording", noise), ("reconstruction", 0.5 * noise), ("synthesis", dull)):
        soundfile.write(folder / f"1_{kind}.wav", samples, 22050)
    monkeypatch.setattr(sys, "argv", ["bands.py", str(tmp_path / "run")])
    script("bands").main()
    rows = {line.split(" | ")[2]: line.strip("| ").split(" | ")[3:] for line in capsys.readouterr().out.splitlines()[2:]}
    assert [float(figure) for figure in rows["reconstruction"][:-1]] == [0, 0, 0, 0], "loudness has no say"
    low, middle, high, highest, frames = (float(figure) for figure in rows["synthesis"])
    assert abs(low) < 3
    assert abs(middle) < 3
    assert highest < high < -6
    assert abs(float(rows["recording"][-1])) < 0.05
    assert frames > 0.3


def test_figures_over_training_become_a_curve(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    curve = script("curve")
    names = [name + kind for name in curve.FIGURES for kind in ("", "_reconstruction", "_real")]
    for step in (0, 500):
        folder = tmp_path / str(step)
        folder.mkdir()
        rows = [f"{speaker},True,{','.join(str(start + step / 1000) for _ in names)}" for speaker, start in (("ana", 1), ("bo", 2))]
        (folder / "speakers.csv").write_text("\n".join([f"speaker,zero_shot,{','.join(names)}", *rows]), encoding="utf-8")
    given = [f"500={tmp_path / '500'}", f"0={tmp_path / '0'}", "--output", str(tmp_path / "curve.png")]
    monkeypatch.setattr(sys, "argv", ["curve.py", *given])
    curve.main()
    _, _, first, second, recordings = capsys.readouterr().out.splitlines()
    assert first.split(" | ")[:2] == ["| 0", "1.50"]
    assert second.split(" | ")[:2] == ["| 500", "2.00"]
    assert recordings == "| recordings | " + " | ".join(["2.00"] * 6) + " |"
    assert (tmp_path / "curve.png").stat().st_size > 5000


def test_harmonics_of_several_models_are_drawn_side_by_side(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harmonics = script("harmonics")
    time = np.arange(22050) / 22050
    for name in ("one", "other"):
        folder = tmp_path / name / "audio" / "ana"
        folder.mkdir(parents=True)
        for kind in ("recording", "reconstruction", "synthesis"):
            soundfile.write(folder / f"1_{kind}.wav", 0.3 * np.sin(2 * np.pi * 400 * time), 22050)
    frequencies, times, level = harmonics.spectrogram(tmp_path / "one" / "audio" / "ana" / "1_recording.wav")
    assert frequencies[level.mean(1).argmax()] == pytest.approx(400, abs=10)
    assert frequencies[-1] <= harmonics.HIGHEST
    assert 0.8 < times[-1] - times[0] < 1
    given = ["ana/1", f"one={tmp_path / 'one'}", f"other={tmp_path / 'other'}", "--output", str(tmp_path / "harmonics.png")]
    monkeypatch.setattr(sys, "argv", ["harmonics.py", *given])
    harmonics.main()
    assert (tmp_path / "harmonics.png").stat().st_size > 5000
