"""The whole path as a user's shell walks it: recordings, a prepared set, a model, figures, speech."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sovits.data.demo import generate_demo
from sovits.data.manifest import Manifest
from sovits.reporting.loss_curves import read_curves
from sovits.voice import SpeakerBank, Voice

REPOSITORY = Path(__file__).parent.parent
QUICK = [
    "training.steps=4", "training.adversary_from=2", "training.schedule.warm_up_steps=1", "trainer.val_check_interval=4",
    "trainer.log_every_n_steps=1", "data.max_clips=4", "data.least_seconds=0",
]  # fmt: skip


def sovits(folder: Path, *arguments: str) -> str:
    """Runs the console script in ``folder`` and returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-m", "sovits.cli", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo speakers (a few sentences of each) were prepared and trained on."""
    folder = tmp_path_factory.mktemp("home")
    generate_demo(folder / "recordings", sentences=4)
    sovits(folder, "prepare", "recordings=recordings", "name=tiny")
    told = sovits(folder, "train", "experiment=quickstart", "data.root=outputs/prepared/tiny", "hydra.run.dir=outputs/run", *QUICK)
    assert "checkpoints/last.ckpt" in told
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> Path:
    return home / "outputs" / "run"


def test_prepared_clips_are_what_the_manifest_says(home: Path) -> None:
    root = home / "outputs" / "prepared" / "tiny"
    manifest = Manifest.load(root)
    assert manifest.speakers == ["alice", "bruno", "mei"]
    for utterance in manifest.utterances:
        header = soundfile.info(root / utterance.path)
        assert (header.samplerate, header.channels) == (22050, 1)
        assert header.duration == pytest.approx(utterance.duration, abs=1e-3)
        assert 1 <= utterance.duration <= 12
    assert {utterance.split for utterance in manifest.utterances} == {"train", "val", "test"}


def test_the_checkpoint_loads_safely_and_knows_itself(run: Path) -> None:
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    carried = checkpoint["sovits"]
    assert carried["generator_step"] == 4
    assert carried["speakers"] == ["alice", "bruno", "mei"] == sorted(carried["speaker_bank"])
    assert carried["config"]["training"]["steps"] == 4
    for embedding in carried["speaker_bank"].values():
        assert embedding.norm() == pytest.approx(1.0, abs=1e-5)
    assert SpeakerBank.load(run / "speakers").names == carried["speakers"]


def test_every_logger_has_the_figures_pictures_and_sounds(run: Path) -> None:
    curves = read_curves(run / "csv" / "metrics.csv")
    for name in ("mel", "kl", "duration", "adversarial", "feature_matching", "total", "gradient_norm"):
        assert np.isfinite(curves[f"train/generator/{name}"][1]).all()
    assert {"train/discriminator/total", "val/mel", "val/speaker_similarity", "val/speaker_similarity_real", "val/mos_proxy"} <= set(curves)
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0, "audio": 0})
    events.Reload()
    assert {f"mels/{speaker}" for speaker in ("alice", "bruno", "mei")} <= set(events.Tags()["images"])
    assert "sentence_mixed_1/alice" in events.Tags()["audio"]
    media = next(run.glob("wandb/offline-run-*/files/media"))
    assert list(media.glob("images/**/*.png"))
    assert list(media.glob("audio/**/*.wav"))
    assert (run / "losses.png").stat().st_size > 10_000
    for speaker in ("alice", "bruno", "mei"):
        assert {"mels.png", "alignment.png", "predicted.wav", "target.wav", "from_text.wav", "sentence_mixed_1.wav"} <= {
            path.name for path in (run / "samples" / "step_000004" / speaker).iterdir()
        }


def test_evaluate_compares_with_the_recordings(home: Path, run: Path) -> None:
    sovits(home, "evaluate", f"checkpoint={run}/checkpoints/last.ckpt", "output=outputs/evaluation")
    folder = home / "outputs" / "evaluation"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["generator step"] == 4
    assert (folder / "index.html").is_file()
    assert {path.stem for path in (folder / "pictures").glob("*.png")} == {"alice", "bruno", "mei"}


def test_one_sentence_in_two_languages_is_spoken(home: Path, run: Path) -> None:
    sovits(home, "synthesize", f"checkpoint={run}/checkpoints/last.ckpt", "speaker=mei", "text=Hello，欢迎致电客服中心", "output=hello.wav")
    samples, rate = soundfile.read(home / "hello.wav")
    assert rate == 22050
    assert len(samples) % 512 == 0
    assert len(samples) > 0.3 * rate
    voice = Voice.load(run / "checkpoints" / "last.ckpt")
    again = voice.speak("Hello，欢迎致电客服中心", "mei").samples
    np.testing.assert_allclose(samples, again, atol=1e-3)


@pytest.mark.slow
def test_resuming_goes_on_where_the_run_stopped(home: Path, run: Path) -> None:
    changes = [override if not override.startswith("training.steps") else "training.steps=6" for override in QUICK]
    sovits(
        home, "train", "experiment=quickstart", "data.root=outputs/prepared/tiny", "hydra.run.dir=outputs/longer",
        f"resume={run}/checkpoints/last.ckpt", "~logger.wandb", "~callbacks.samples", "~callbacks.judging", "~callbacks.stop_early",
        *changes,
    )  # fmt: skip
    longer = home / "outputs" / "longer"
    assert torch.load(longer / "checkpoints" / "last.ckpt", weights_only=True)["sovits"]["generator_step"] == 6
    assert read_curves(longer / "csv" / "metrics.csv")["train/generator/mel"][0].min() >= 4


def test_the_notebook_reads_the_run(home: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(REPOSITORY / "notebooks" / "one_run.ipynb", as_version=4)
    notebook.cells[1].source = notebook.cells[1].source.replace("RUN = None", "RUN = 'outputs/run'")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(home)}}).execute()
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "val/mel" in printed
    assert "mei" in printed


@pytest.mark.slow
def test_real_speech_goes_the_same_way(real_speech: Path, home: Path) -> None:
    sovits(home, "prepare", f"recordings={real_speech}", f"corpus.metadata={real_speech}/manifest.csv", "speakers=[p225]", "name=real")
    manifest = Manifest.load(home / "outputs" / "prepared" / "real")
    assert len(manifest.utterances) == 10
    assert {utterance.language for utterance in manifest.utterances} == {"en"}
    sovits(
        home, "train", "experiment=per_speaker", "data.root=outputs/prepared/real", "data.speaker=p225", "hydra.run.dir=outputs/p225",
        "~logger.wandb", "~callbacks.samples", *QUICK,
    )  # fmt: skip
    curves = read_curves(home / "outputs" / "p225" / "csv" / "metrics.csv")
    # The judge finds two recordings of one person alike; four steps of training do not sound like anybody.
    assert curves["val/speaker_similarity_real"][1][-1] > 0.8
    assert curves["val/speaker_similarity"][1][-1] < curves["val/speaker_similarity_real"][1][-1]
