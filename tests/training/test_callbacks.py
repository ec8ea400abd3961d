"""The callbacks on a tiny real model, a tiny real set and a real trainer."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from rich.console import Console

from sovits.audio.spectrogram import log_compress
from sovits.audio.waveform import read_waveform, write_waveform
from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import Manifest, Utterance
from sovits.errors import SovitsError
from sovits.hearing import MosScores
from sovits.metrics import MosProxy, Panel, Recording, SpeakerSimilarity
from sovits.text.batch import TextBatch
from sovits.text.encoding import EncodedText
from sovits.training.callbacks import GeneratorProgress, Judging, SampleLogger, SpeakerBankKeeper
from sovits.training.callbacks.progress import duration
from sovits.training.lightning_module import VoiceTraining
from sovits.training.loggers import csv_logger, wandb_logger
from sovits.training.optimisation import WarmEma
from tests.builders import HOP, tiny_training
from tests.builders import SAMPLE_RATE as RATE
from tests.readings import reading

STEPS = 4
PITCHES = {"anna": 220.0, "ben": 120.0}


def read_characters(text: str, language: str | None) -> EncodedText:
    """Every character a phone."""
    if language == "zh":
        raise SovitsError("This front end reads no Mandarin; write it in Latin letters.")
    ids = [1 + ord(character) % 48 for character in text]
    zeros = [0] * len(ids)
    return EncodedText(text, list(text), ids, zeros, zeros, zeros[:1], zeros)


class PitchEncoder:
    """A judge that hears pitch: a unit vector on the circle."""

    sample_rate = 16000
    channels = 2
    settings: ClassVar[dict[str, str]] = {"encoder": "pitch"}

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        peak = np.abs(np.fft.rfft(samples, 16000)).argmax() / 400.0
        return np.array([np.cos(peak), np.sin(peak)], dtype=np.float32)


class LoudnessScorer:
    """Five for full scale, one for silence."""

    def __call__(self, clip: np.ndarray, sample_rate: int) -> MosScores:
        score = 1 + 4 * float(np.abs(clip).mean())
        return MosScores(score, score, score, score)


@pytest.fixture(scope="module")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    utterances = []
    for speaker, pitch in PITCHES.items():
        for number, split in enumerate(["train", "train", "train", "val", "val", "test"]):
            seconds = 1.2 + 0.1 * number
            time = np.arange(int(seconds * RATE)) / RATE
            samples = 0.3 * np.sin(2 * np.pi * pitch * time).astype(np.float32)
            path = write_waveform(root / "clips" / f"{speaker}_{number}.flac", samples, RATE)
            utterances.append(
                Utterance(
                    f"{speaker}/{number}",
                    f"clips/{path.name}",
                    speaker,
                    "en",
                    f"clip {number}",
                    0.0,
                    seconds,
                    seconds,
                    split,
                    "r.wav",
                    "sidecar:r.txt",
                    hashlib.sha256(path.read_bytes()).hexdigest(),
                )
            )
    Manifest(RATE, tuple(utterances)).save(root)
    return root


def make_data(root: Path) -> SpeechDataModule:
    return SpeechDataModule(str(root), read_characters, RATE, HOP, frame_budget=400, max_clips=2, reference_seconds=0.5)


def make_training(speakers: list[str], steps: int = STEPS) -> VoiceTraining:
    return tiny_training(steps, adversary_from=1, speakers=speakers)


def make_trainer(folder: Path, callbacks: list[Callback], loggers: list[Logger] | None = None, validate_every: int = 2) -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=loggers or False,
        callbacks=callbacks,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, GeneratorProgress) for callback in callbacks),
        enable_model_summary=False,
        max_epochs=-1,
        check_val_every_n_epoch=None,
        val_check_interval=validate_every,
        num_sanity_val_steps=1 if loggers else 0,
        log_every_n_steps=1,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )


def make_judging(every_n_validations: int = 1) -> Judging:
    judges = {"voice": SpeakerSimilarity, "opinion": functools.partial(MosProxy, scorer=LoudnessScorer()), "none": None}
    panel = Panel(judges, PitchEncoder())
    return Judging(panel, max_clips_per_speaker=2, references_per_speaker=2, every_n_validations=every_n_validations)


def make_samples(folder: Path) -> SampleLogger:
    sentences = {"en": ["hello there"], "zh": ["你好"], "mixed": ["hello you"]}
    return SampleLogger(sentences, str(folder / "samples"), max_speakers=2, every_n_validations=2)


@pytest.fixture(scope="module")
def run(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VoiceTraining, str]:
    """One run with everything in it; its folder, module and what the progress bar wrote."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    data = make_data(tiny_set)
    training = make_training(data.speakers)
    progress = GeneratorProgress(["train/generator/total", "train/generator/missing"], 1, 2, ["val/mel", "val/speaker_similarity"])
    written = io.StringIO()
    progress.console = Console(file=written, width=200)
    best = ModelCheckpoint(
        folder / "checkpoints", "best", monitor="val/speaker_similarity", mode="max", save_last=True, save_on_train_epoch_end=False
    )
    loggers = [
        csv_logger(str(folder), 1),
        TensorBoardLogger(folder, "tensorboard", ""),
        wandb_logger(str(folder), "sovits-tests", offline=True),
    ]
    callbacks = [SpeakerBankKeeper(2), make_judging(), make_samples(folder), progress, best, WarmEma(0.99)]
    make_trainer(folder, callbacks, loggers).fit(training, data)
    loggers[2].experiment.finish()
    return folder, training, written.getvalue()


def test_the_speaker_bank_is_the_mean_voice_of_the_averaged_weights(run: tuple[Path, VoiceTraining, str], tiny_set: Path) -> None:
    folder, training, _ = run
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    training.load_state_dict(checkpoint["state_dict"])
    training.eval()
    waveforms = [torch.from_numpy(read_waveform(tiny_set / "clips" / f"ben_{number}.flac", RATE)) for number in (0, 1)]
    whole = [samples[: len(samples) // HOP * HOP] for samples in waveforms]
    with torch.no_grad():
        embeddings = [training.synthesizer.embed_speaker(samples[None])[0] for samples in whole]
    expected = torch.stack(embeddings).mean(0)
    bank = checkpoint["sovits"]["speaker_bank"]
    assert sorted(bank) == ["anna", "ben"]
    assert bank["ben"].norm().item() == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(bank["ben"], expected / expected.norm(), atol=1e-5, rtol=1e-4)
    assert not bank["ben"].is_inference()


def test_the_judges_reach_every_logger_and_the_checkpoint(run: tuple[Path, VoiceTraining, str]) -> None:
    folder, _, _ = run
    with (folder / "csv" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/speaker_similarity"]]
    assert len(rows) == STEPS // 2
    for name in (
        "val/speaker_similarity_real",
        "val/mos_proxy",
        "val/mos_proxy_real",
        "val/mos_proxy_worst_speaker",
        "val/speaker_similarity/anna",
        "val/mos_proxy/ben",
    ):
        assert all(row[name] for row in rows), name
    # Recordings of one pitch are all alike to this judge, and the mean of |0.3 sin| is 0.6 / pi.
    assert float(rows[0]["val/speaker_similarity_real"]) == pytest.approx(1.0, abs=1e-3)
    assert float(rows[0]["val/mos_proxy_real"]) == pytest.approx(1 + 4 * 0.6 / np.pi, rel=1e-3)
    assert rows[0]["val/mos_proxy_real"] == rows[1]["val/mos_proxy_real"]
    state = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["callbacks"]
    scores = next(value for key, value in state.items() if key.startswith("ModelCheckpoint"))
    assert float(scores["best_model_score"]) == pytest.approx(max(float(row["val/speaker_similarity"]) for row in rows))


def test_samples_are_written_at_every_second_validation(run: tuple[Path, VoiceTraining, str]) -> None:
    folder, _, _ = run
    assert [path.name for path in (folder / "samples").iterdir()] == ["step_000002"]
    names = sorted(path.name for path in (folder / "samples" / "step_000002" / "anna").iterdir())
    assert names == [
        "alignment.png",
        "from_text.wav",
        "mels.png",
        "predicted.wav",
        "sentence_en_1.wav",
        "sentence_mixed_1.wav",
        "target.wav",
    ]
    predicted = read_waveform(folder / "samples" / "step_000002" / "anna" / "predicted.wav", RATE)
    target = read_waveform(folder / "samples" / "step_000002" / "anna" / "target.wav", RATE)
    assert predicted.shape == target.shape
    np.testing.assert_allclose(np.abs(target).mean(), 0.6 / np.pi, rtol=1e-2)


def test_pictures_and_sounds_reach_tensorboard_and_wandb_but_not_csv(run: tuple[Path, VoiceTraining, str]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, _, _ = run
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert {"mels/anna", "alignment/ben"} <= set(events.Tags()["images"])
    assert {"predicted/anna", "sentence_en_1/ben"} <= set(events.Tags()["audio"])
    assert events.Images("mels/anna")[0].step == 2
    media = list((folder / "wandb").glob("offline-run-*/files/media"))
    assert len(media) == 1
    kept = {path.suffix for path in media[0].rglob("*") if path.is_file()}
    assert kept == {".png", ".wav", ".json"}, "pictures, sounds and the speakers' table"
    assert "mels" not in (folder / "csv" / "metrics.csv").read_text().splitlines()[0]


def test_progress_counts_generator_steps(run: tuple[Path, VoiceTraining, str]) -> None:
    lines = run[2].splitlines()
    assert lines[0] == f"Training from step 0 to {STEPS}."
    steps = [line for line in lines if line.startswith("step ")]
    assert [line.split()[1] for line in steps] == ["2/4", "4/4"]
    assert "generator " in steps[0]
    assert "steps/s" in steps[0]
    assert "missing" not in steps[0]
    assert steps[-1].endswith("0:00 left")
    assert [line.split("  ")[0] for line in lines if line.startswith("validation")] == ["validation at step 2", "validation at step 4"]
    assert duration(3725) == "1:02:05"
    assert duration(65.2) == "1:05"


def test_listening_leaves_training_as_it_was(tiny_set: Path, tmp_path: Path) -> None:
    """The same losses, from the same random numbers, with and without the callbacks that make the model speak."""
    losses, random_states = [], []
    bar = GeneratorProgress(["train/generator/mel"], 1, 50, ["val/mel"])
    terminal = io.StringIO()
    bar.console = Console(file=terminal, force_terminal=True, width=120)
    for callbacks in ([], [SpeakerBankKeeper(2), make_judging(2), make_samples(tmp_path), bar]):
        torch.manual_seed(1)
        data = make_data(tiny_set)
        training = make_training(data.speakers, steps=2)
        trainer = make_trainer(tmp_path, callbacks, validate_every=1)
        trainer.fit(training, data)
        assert training.generator_step == 2
        losses.append(float(trainer.callback_metrics["train/generator/total"]))
        random_states.append(torch.get_rng_state())
    # Not the weights themselves: the first forward of a process may round its last bit differently from the next ones.
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert torch.equal(*random_states)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert re.search(r"Training .*2/2.*mel \d", shown)
    assert "validation at step 2  mel " in shown
    assert bar._bar is None


def test_scores_are_those_of_the_judge_on_the_same_clips(tiny_set: Path, tmp_path: Path) -> None:
    data = make_data(tiny_set)
    training = make_training(data.speakers)
    trainer = make_trainer(tmp_path, [SpeakerBankKeeper(2), make_judging()])
    figures = trainer.validate(training, data, verbose=False)[0]
    judge = SpeakerSimilarity(data.speakers, PitchEncoder())
    readings = []
    for split in ("val", "train"):
        for speaker in data.speakers:
            for utterance in [u for u in data.utterances(split) if u.speaker == speaker][:2]:
                samples = read_waveform(tiny_set / utterance.path, RATE)
                recording = samples[: len(samples) // HOP * HOP]
                judge.enrol([Recording(utterance.id, speaker, recording, RATE)])
                if split == "val":
                    text = TextBatch.collate([read_characters(utterance.text, "en")])
                    voice = training.speaker_bank[speaker][None]
                    generator = torch.Generator().manual_seed(0)
                    spoken = training.synthesizer.eval().synthesize(text, voice, generators=generator).audio[0, 0]
                    readings.append(reading(utterance.id, speaker, recording, spoken.numpy(), RATE))
    judge.update(readings)
    for name, value in judge.compute().items():
        assert figures[f"val/{name}"] == pytest.approx(float(value), abs=1e-4), name


def test_speaking_before_there_is_a_bank_says_what_to_do(tiny_set: Path, tmp_path: Path) -> None:
    data = make_data(tiny_set)
    trainer = make_trainer(tmp_path, [make_judging()])
    with pytest.raises(SovitsError, match=r"has no 'anna'; put callbacks\.speaker_bank before"):
        trainer.validate(make_training(data.speakers), data, verbose=False)


def test_every_n_validations_survives_a_resume() -> None:
    first, second = make_judging(3), make_judging(3)
    first._validations = 2
    second.load_state_dict(first.state_dict())
    assert second._validations == 2
    with pytest.raises(SovitsError, match="every_n_validations=0"):
        make_judging(0)


def test_a_resumed_run_goes_on_in_the_first_csv_file(tmp_path: Path) -> None:
    first = csv_logger(str(tmp_path))
    first.log_metrics({"a": 1.0}, 0)
    first.save()
    second = csv_logger(str(tmp_path))
    second.log_metrics({"b": 2.0}, 1)
    second.save()
    assert (tmp_path / "csv" / "metrics.csv").read_text().splitlines() == ["a,b,step", "1.0,,0", ",2.0,1"]


@pytest.mark.parametrize(
    ("key", "offline", "expected"), [(None, None, True), ("x" * 40, None, False), ("x" * 40, True, True), (None, False, False)]
)
def test_wandb_is_offline_exactly_without_a_key(
    key: str | None, offline: bool | None, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    assert wandb_logger(str(tmp_path), "p", offline=offline)._offline is expected


def test_log_mel_of_a_sample_is_that_of_the_module(tiny_set: Path) -> None:
    training = make_training(["anna"])
    samples = read_waveform(tiny_set / "clips" / "anna_0.flac", RATE)
    expected = log_compress(training.mel_spectrogram(torch.from_numpy(samples)[None]))[0]
    torch.testing.assert_close(SampleLogger._log_mel(training, samples), expected)
