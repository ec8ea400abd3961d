"""`sovits train` on a tiny set: what it starts from, what it keeps, and what it refuses before the first step."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from transformers import GPTNeoConfig, GPTNeoModel

from sovits.audio.waveform import write_waveform
from sovits.cli import config_directory
from sovits.data.manifest import Manifest, Utterance
from sovits.errors import SovitsError
from sovits.verbs import train as train_verb
from sovits.voice import Voice
from sovits.voice.export import Exporter
from sovits.voice.torch_engine import TorchEngine
from tests.builders import HOP, N_FFT, N_MELS, NARROW, SAMPLE_RATE
from tests.published_encoders import EMBEDDING, write_published_encoder

SMALL = [
    *NARROW, "text=characters", f"audio.sample_rate={SAMPLE_RATE}", f"audio.n_fft={N_FFT}", f"audio.n_bins={N_FFT // 2 + 1}",
    f"audio.hop_length={HOP}", f"audio.n_mels={N_MELS}", "audio.hop_factors=[8,8]", "training.mel_loss.n_ffts=[256]",
    "training.mel_loss.n_mels=[20]", "training.adversary_from=1", "training.steps=2", "trainer.val_check_interval=1", "data.max_clips=4",
    "~callbacks.samples", "~callbacks.judging", "~callbacks.progress", "~logger.wandb", "~logger.tensorboard",
    "+trainer.enable_progress_bar=false",
]  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two speakers of four clips."""
    root = tmp_path_factory.mktemp("set")
    clips = []
    for speaker in ("ana", "bo"):
        for number, split in enumerate(["train", "train", "train", "val"]):
            samples = 0.3 * np.random.default_rng([number, len(speaker)]).uniform(-1, 1, SAMPLE_RATE + 400 * number).astype(np.float32)
            path = write_waveform(root / "clips" / f"{speaker}_{number}.flac", samples, SAMPLE_RATE)
            seconds = len(samples) / SAMPLE_RATE
            place = str(path.relative_to(root))
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            told = ("en", "Hello", 0.0, seconds, seconds, split, "raw.wav", "sidecar", content)
            clips.append(Utterance(f"{speaker}/{number}", place, speaker, *told))
    Manifest(SAMPLE_RATE, tuple(clips)).save(root)
    return root


def trained(prepared: Path, run: Path, *overrides: str) -> Path:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose("train", [*SMALL, f"data.root={prepared}", f"paths.run={run}", *overrides])
    return train_verb.train(config)


@pytest.fixture(scope="module")
def first(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a whole run."""
    return trained(prepared, tmp_path_factory.mktemp("first"))


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


def test_a_run_keeps_a_checkpoint_voices_and_figures(first: Path) -> None:
    run = first.parent.parent
    assert first == run / "checkpoints" / "last.ckpt"
    assert {path.name for path in (run / "speakers").iterdir()} >= {"ana.npy", "bo.npy"}
    assert (run / "csv" / "metrics.csv").is_file()
    assert torch.load(first, weights_only=True)["sovits"]["generator_step"] == 2


def test_the_last_checkpoint_is_of_the_last_step_though_nothing_got_better(prepared: Path, tmp_path: Path) -> None:
    still = ["training.generator_optimizer.lr=0.0", "speaker_encoder=table", "training.steps=5", "trainer.val_check_interval=2"]
    checkpoint = trained(prepared, tmp_path, *still)
    assert torch.load(checkpoint, weights_only=True)["sovits"]["generator_step"] == 5
    assert torch.load(checkpoint.with_name("best.ckpt"), weights_only=True)["sovits"]["generator_step"] == 2


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Where models lie that are not trained here, each in the layout it is published in."""
    language_model = tmp_path_factory.mktemp("language_model")
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_layers": 1, "num_heads": 2, "attention_types": [[["global"], 1]]}
    GPTNeoModel(GPTNeoConfig(max_position_embeddings=128, **sizes)).save_pretrained(language_model)
    speaker_model = write_published_encoder(tmp_path_factory.mktemp("speaker_model"))
    return {
        "language_model": f"model.semantic_encoder.source={language_model}",
        "speaker_model": f"model.speaker_encoder.source={speaker_model}",
    }


@pytest.mark.parametrize(
    "choice",
    [
        "decoder=hifigan", "decoder=harmonic", "decoder=upsampling model.decoder.upsample_rates=[4,4]",
        "duration=stochastic", "posterior=linear", "text=bpe",
        "speaker_encoder=table", f"speaker_encoder=speechbrain {{speaker_model}} embedding_size={EMBEDDING}",
        "semantic=frozen {language_model} model.text_encoder.semantic_channels=8 text.tokenizer.source=null",
        "semantic=lora {language_model} model.text_encoder.semantic_channels=8 text.tokenizer.source=null",
    ],
)  # fmt: skip
def test_a_checkpoint_of_every_choice_speaks_as_the_run_did(
    choice: str, elsewhere: dict[str, str], prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    build = train_verb.build_training
    monkeypatch.setattr(train_verb, "build_training", lambda *arguments: made.append(build(*arguments)) or made[-1])
    checkpoint = trained(prepared, tmp_path, "training.steps=1", *choice.format(**elsewhere).split())
    voice = Voice.load(checkpoint)
    said = voice.speak("Hello", "ana").samples
    assert len(said) % HOP == 0
    # The run ends with the averaged weights, those that it saved.
    own = Voice(TorchEngine(made[0].synthesizer, made[0].mel_spectrogram, made[0].posterior_spectrogram), voice.front_end, voice.bank)
    np.testing.assert_allclose(own.speak("Hello", "ana").samples, said, rtol=1e-6, atol=1e-7)
    assert np.isfinite(said).all()
    assert said.std() > 0


def test_a_warm_start_says_what_was_taken_and_takes_it(
    first: Path, prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        started = trained(prepared, tmp_path, f"warm_start={first}", "decoder=hifigan", "training.steps=0")
    told = "\n".join(record.getMessage() for record in caplog.records if "Warm start" in record.getMessage())
    old, new = weights(first), weights(started)
    for part in ("synthesizer.flow", "synthesizer.text_encoder", "discriminators"):
        names = [name for name in new if name.startswith(f"{part}.")]
        assert f"Warm start from last.ckpt: {part}: {len(names)} of {len(names)} weights taken" in told
        assert all(torch.equal(new[name], old[name]) for name in names)
    assert "synthesizer.decoder: " in told
    assert "not in the checkpoint" in told


def test_only_chosen_parts_are_taken(first: Path, prepared: Path, tmp_path: Path) -> None:
    started = trained(prepared, tmp_path, f"warm_start={first}", "warm_start_parts=[flow]", "training.steps=0", "seed=9")
    old, new = weights(first), weights(started)
    same = {
        name.split(".")[1]
        for name in new
        if name.startswith("synthesizer.") and name.endswith("weight") and torch.equal(new[name], old[name])
    }
    assert "flow" in same
    assert not same & {"text_encoder", "decoder", "posterior_encoder"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("warm_start={first} resume={first}", "resume=.* and warm_start=.* both give the weights"),
        ("warm_start={first} warm_start_parts=[vocoder]", "warm_start_parts names 'vocoder', .* its parts are decoder"),
        ("warm_start=nowhere.ckpt", "There is no checkpoint nowhere.ckpt"),
        ("resume=nowhere.ckpt", "resume=nowhere.ckpt is not a file"),
        ("resume={first} decoder=hifigan training.steps=3", r"another architecture; what differs: synthesizer.decoder .*warm_start"),
        ("resume={first} data.speaker=ana training.steps=3", "trained on the speakers ana, bo and data.root now has ana"),
        ("audio.sample_rate=16000", "16000"),
    ],
)
def test_mistakes_are_refused_before_the_first_step(overrides: str, message: str, first: Path, prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=message):
        trained(prepared, tmp_path, *overrides.format(first=first).split())
    assert not (tmp_path / "checkpoints").exists()


def test_who_has_too_little_is_only_read(first: Path, prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        checkpoint = trained(prepared, tmp_path / "run", f"warm_start={first}", "data.least_seconds=100", "training.steps=50")
    assert "less than data.least_seconds=100: ana (" in caplog.text
    assert "nothing is trained, the voices are read as the model is" in caplog.text
    one, other = weights(first), weights(checkpoint)
    assert all(torch.equal(one[name], other[name]) for name in one if name.startswith("synthesizer."))
    assert torch.load(checkpoint, weights_only=True)["sovits"]["generator_step"] == 0
    assert {path.name for path in (tmp_path / "run" / "speakers").iterdir()} >= {"ana.npy", "bo.npy"}


def test_a_guide_without_alignments_is_refused(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"training\.guided_steps=1 needs alignments to go by; add data\.align_phones=true"):
        trained(prepared, tmp_path / "run", "training.guided_steps=1")


def test_a_guided_start_is_a_run_like_any_other(prepared: Path, tmp_path: Path) -> None:
    checkpoint = trained(prepared, tmp_path / "run", "training.guided_steps=1", "data.align_phones=true")
    assert torch.load(checkpoint, weights_only=True)["sovits"]["generator_step"] == 2


def test_a_shared_model_of_other_audio_is_refused_with_both_values(first: Path, prepared: Path, tmp_path: Path) -> None:
    Exporter(first, None, ["hello"], {}, rounds=1).write("trainable", tmp_path / "shared")
    told = r"warm_start=.*shared was trained with audio\.f_min=0\.0 and this run has audio\.f_min=50; choose audio\.f_min=0\.0"
    with pytest.raises(SovitsError, match=told):
        trained(prepared, tmp_path / "run", f"warm_start={tmp_path / 'shared'}", "audio.f_min=50")
    checkpoint = trained(prepared, tmp_path / "other", f"warm_start={tmp_path / 'shared'}", "training.steps=1")
    assert checkpoint.is_file()
