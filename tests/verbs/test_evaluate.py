"""Evaluation of a tiny real checkpoint on a tiny set: the figures, the files, and what is left out."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from sovits.audio.spectrogram import MelSpectrogram, log_compress
from sovits.audio.waveform import read_waveform, resample, write_waveform
from sovits.cli import config_directory
from sovits.data.manifest import Manifest, Utterance
from sovits.errors import SovitsError
from sovits.hearing import MosScores
from sovits.verbs.evaluate import evaluate
from sovits.voice import Voice
from tests.builders import SAMPLE_RATE
from tests.checkpoints import tiny_checkpoint

SPEAKERS = ("ana", "bo", "new one")
"""The last is unknown to the model."""


class EnvelopeEncoder:
    """A judge for tests: the direction of a clip's first 64 samples."""

    sample_rate = SAMPLE_RATE
    channels = 64
    settings: ClassVar[dict[str, Any]] = {"encoder": "envelope"}

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        head = np.resize(samples, 64)
        return head / max(float(np.linalg.norm(head)), 1e-9)


class Loudness:
    """A scorer for tests."""

    def __call__(self, clip: np.ndarray, sample_rate: int) -> MosScores:
        return MosScores(1 + float(np.abs(clip).mean()), 1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    utterances = []
    for speaker in SPEAKERS:
        for number, split in enumerate(["train", "train", "test", "test", "test"]):
            samples = 0.3 * np.random.default_rng([number, len(speaker)]).uniform(-1, 1, SAMPLE_RATE + 400 * number).astype(np.float32)
            path = write_waveform(root / "clips" / f"{speaker}_{number}.flac", samples, SAMPLE_RATE)
            seconds = len(samples) / SAMPLE_RATE
            text = "a Привет" if (speaker, number) == ("bo", 4) else f"Clip {number} & <b>more</b>, 欢迎"
            utterances.append(
                Utterance(
                    f"{speaker}/{number}",
                    f"clips/{path.name}",
                    speaker,
                    "en",
                    text,
                    0.0,
                    seconds,
                    seconds,
                    split,
                    "r.wav",
                    "sidecar:r.txt",
                    "0",
                )
            )
    (root / "clips" / "bo_3.flac").write_bytes(b"not audio")
    Manifest(SAMPLE_RATE, tuple(utterances)).save(root)
    return root


@pytest.fixture(scope="module")
def checkpoint(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = tiny_checkpoint()
    content["sovits"]["config"] = {**content["sovits"]["config"], "data": {"root": str(prepared)}}
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    torch.save(content, path)
    return path


def config(output: Path, **changes: Any) -> DictConfig:
    with initialize_config_dir(str(config_directory().resolve()), version_base="1.3"):
        composed = compose("evaluate", overrides=["hydra.run.dir=."])
    composed.output = str(output)
    composed.encoder = {"_target_": f"{__name__}.EnvelopeEncoder"}
    composed.judges = {name: composed.judges[name] for name in ("speaker_similarity", "mos_proxy", "mel_distance", "nearest_speaker")}
    composed.judges.mos_proxy.scorer = {"_target_": f"{__name__}.Loudness"}
    for key, value in changes.items():
        setattr(composed, key, value)
    return composed


def test_every_figure_of_every_clip(checkpoint: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = evaluate(config(tmp_path, checkpoint=str(checkpoint), references_per_speaker=1))
    assert page == tmp_path / "index.html"
    with (tmp_path / "metrics.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["ana/2", "ana/3", "ana/4", "bo/2", "new one/2", "new one/3", "new one/4"]
    assert [row["zero_shot"] for row in rows.values()] == ["False"] * 4 + ["True"] * 3
    row, voice = rows["ana/3"], Voice.load(checkpoint)
    recording = read_waveform(prepared / "clips" / "ana_3.flac", SAMPLE_RATE)
    reconstruction = voice.reconstruct(recording, voice.bank["ana"])
    whole = recording[: len(reconstruction)]
    mel = MelSpectrogram(22050, 2048, 512, 80)
    first, second = (log_compress(mel(torch.from_numpy(resample(sound, SAMPLE_RATE, 22050))[None])) for sound in (reconstruction, whole))
    assert float(row["mel_distance_reconstruction"]) == pytest.approx(float((first - second).abs().mean()), abs=1e-3)
    encoder = EnvelopeEncoder()
    others = [encoder(read_waveform(prepared / "clips" / f"ana_{number}.flac", SAMPLE_RATE)) for number in (2, 4, 0)]
    speech = voice.speak(row["text"], "ana", language="en", seed=0)
    sounds = {"recording": whole, "reconstruction": reconstruction, "synthesis": speech.samples}
    for (name, samples), ending in zip(sounds.items(), ("_real", "_reconstruction", ""), strict=True):
        expected = np.mean([encoder(samples) @ other for other in others])
        assert float(row[f"speaker_similarity{ending}"]) == pytest.approx(expected, abs=1e-5), name
        assert float(row[f"mos_proxy{ending}"]) == pytest.approx(1 + np.abs(samples).mean(), abs=1e-5), name
        written = read_waveform(tmp_path / "audio" / "ana" / f"3_{name}.wav", SAMPLE_RATE)
        np.testing.assert_allclose(written, np.clip(samples, -1, 1), atol=1e-4)
    assert float(row["seconds_synthesis"]) == pytest.approx(len(speech.samples) / SAMPLE_RATE)
    assert 0 < float(row["real_time_factor"]) < 100
    assert "speaker similarity" in capsys.readouterr().out
    assert "new one</a> (zero-shot)" in page.read_text(encoding="utf-8")


def test_means_are_over_clips_and_then_over_speakers(checkpoint: Path, tmp_path: Path) -> None:
    evaluate(config(tmp_path, checkpoint=str(checkpoint)))
    with (tmp_path / "metrics.csv").open() as file:
        clips = list(csv.DictReader(file))
    with (tmp_path / "speakers.csv").open() as file:
        speakers = {row["speaker"]: row for row in csv.DictReader(file)}
    own = [float(clip["mel_distance"]) for clip in clips if clip["speaker"] == "ana"]
    assert float(speakers["ana"]["mel_distance"]) == pytest.approx(np.mean(own), abs=1e-5)
    assert [(row["clips"], row["zero_shot"]) for row in speakers.values()] == [("3", "False"), ("1", "False"), ("3", "True")]
    summary = json.loads((tmp_path / "summary.json").read_text())
    means = [float(row["mos_proxy"]) for row in speakers.values()]
    assert summary["means_over_speakers"]["mos_proxy"] == pytest.approx(np.mean(means), abs=1e-5)
    assert summary["figures"]["mos_proxy"]["higher_is_better"] is True
    assert set(summary["judges"]) == {"speaker_similarity", "mos_proxy", "mel_distance", "nearest_speaker"}
    assert (summary["generator step"], summary["split"], summary["clips"]) == (7, "test", 7)


class Links(HTMLParser):
    """Everything a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [unquote(value) for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_on_its_own_and_nothing_is_lost(checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        page = evaluate(config(tmp_path, checkpoint=str(checkpoint)))
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    files = [link for link in links.found if not link.startswith("#")]
    assert len(files) == 7 * 3 + 3 + 1
    assert all((tmp_path / link).is_file() and "://" not in link for link in files)
    with (tmp_path / "confusion.csv").open() as file:
        confused = list(csv.DictReader(file))
    assert [(row["sound"], row["speaker"]) for row in confused[:3]] == [("synthesis", name) for name in SPEAKERS]
    assert [sum(int(row[name]) for name in SPEAKERS) for row in confused] == [3, 1, 3] * 2, "every clip was taken for somebody"
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["ana.png", "bo.png", "new_one.png"]
    assert "Clip 2 & <b>more</b>, 欢迎" in links.text
    left_out = json.loads((tmp_path / "summary.json").read_text())["left_out"]
    assert set(left_out) == {"bo/3", "bo/4"}
    assert "bo_3.flac is damaged or not audio" in left_out["bo/3"]
    assert "unsupported script" in left_out["bo/4"]
    assert left_out["bo/4"] in links.text
    assert "Left out bo/3" in caplog.text
    assert f"Listen:   open {page} in a browser" in caplog.text


def test_chosen_speakers_and_clips(checkpoint: Path, tmp_path: Path) -> None:
    evaluate(config(tmp_path, checkpoint=str(checkpoint), speakers=["bo", "ana"], max_clips_per_speaker=1))
    with (tmp_path / "metrics.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["bo/2", "ana/2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint": None}, "checkpoint is not given"),
        ({"split": "dev"}, "split=dev is none of train, val, test"),
        ({"split": "val"}, "has no val utterance of ana, bo, new one; choose another split"),
        ({"speakers": ["zoe"]}, r"speakers=\['zoe'\]: .* has no such speaker; it has ana, bo, new one"),
        ({"data": {"root": "/nowhere"}}, "No prepared set at /nowhere"),
    ],
)
def test_mistakes_are_named(checkpoint: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SovitsError, match=message):
        evaluate(config(tmp_path, **{"checkpoint": str(checkpoint), **changes}))
    assert not list(tmp_path.iterdir())
