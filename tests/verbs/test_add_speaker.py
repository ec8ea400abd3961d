"""`sovits train experiment=add_speaker`: a third voice for a tiny model of two, in every way."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from sovits.audio.waveform import read_waveform, write_waveform
from sovits.cli import config_directory
from sovits.data.manifest import Manifest, Utterance
from sovits.errors import SovitsError
from sovits.training.adding import VECTOR
from sovits.verbs import train as train_verb
from sovits.verbs.adopting import adopt
from sovits.voice import Voice
from sovits.voice.checkpoint import Checkpoint
from tests.builders import SAMPLE_RATE
from tests.verbs.test_train import SMALL

QUIET = ["evaluation=none"]
ADVERSARY = "training.adversary_from=1"
RECIPE = [one for one in SMALL if one.startswith(("training.", "trainer.", "data.", "~", "+")) and one != ADVERSARY]
JUDGE = [
    "~forgetting.panel.judges", "forgetting.panel.encoder=null",
    "+forgetting.panel.judges={mel_distance: {_target_: sovits.metrics.MelDistance, _partial_: true}}",
]  # fmt: skip


def write_set(root: Path, *speakers: str, sample_rate: int = SAMPLE_RATE) -> Path:
    """Five noises of each speaker, coloured by its name."""
    clips = []
    for speaker in speakers:
        for number, split in enumerate(["train", "train", "train", "val", "test"]):
            noise = np.random.default_rng([number, *speaker.encode()]).uniform(-1, 1, SAMPLE_RATE + 400 * number)
            samples = 0.3 * np.convolve(noise, np.ones(len(speaker)) / len(speaker), "same").astype(np.float32)
            path = write_waveform(root / "clips" / f"{speaker}_{number}.flac", samples, sample_rate)
            seconds = len(samples) / sample_rate
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            told = ("en", "Hello", 0.0, seconds, seconds, split, "raw.wav", "sidecar", content)
            clips.append(Utterance(f"{speaker}/{number}", str(path.relative_to(root)), speaker, *told))
    Manifest(sample_rate, tuple(clips)).save(root)
    return root


def trained(run: Path, *overrides: str) -> Path:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        return train_verb.train(compose("train", [f"paths.run={run}", *QUIET, *overrides]))


def added(run: Path, base: Path, root: Path, *overrides: str, speaker: str = "cleo") -> Path:
    usual = ["experiment=add_speaker", *RECIPE, f"checkpoint={base}", f"data.root={root}", f"data.speaker={speaker}", *JUDGE]
    return trained(run, *usual, *overrides)


@pytest.fixture(scope="module", autouse=True)
def no_command_line() -> None:
    HydraConfig.instance().cfg = None


@pytest.fixture(scope="module")
def old_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("old"), "ana", "bo")


@pytest.fixture(scope="module")
def new_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("new"), "cleo", "dan")


@pytest.fixture(scope="module")
def base(old_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("base"), *SMALL, f"data.root={old_set}")


@pytest.fixture(scope="module")
def table_base(old_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("table"), *SMALL, f"data.root={old_set}", "speaker_encoder=table")


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return {row["speaker"]: row for row in csv.DictReader(file)}


def changed(before: Checkpoint, after: Checkpoint) -> set[str]:
    """Weights that are not the same bits."""
    assert before.weights.keys() == after.weights.keys()
    return {name for name, weight in after.weights.items() if not torch.equal(weight, before.weights[name])}


def test_embedding_only_adds_a_voice_and_leaves_every_weight_and_old_voice_as_it_was(base: Path, new_set: Path, tmp_path: Path) -> None:
    checkpoint = added(tmp_path, base, new_set, "addition=embedding", "training.steps=3", "trainer.val_check_interval=2")
    before, after = Checkpoint.read(base), Checkpoint.read(checkpoint)
    assert after.speakers == ["ana", "bo", "cleo"]
    assert set(after.speaker_bank) == {"ana", "bo", "cleo"}
    assert not changed(before, after)
    assert all(torch.equal(after.state[name], before.state[name]) for name in before.state if name.startswith("discriminators."))
    assert all(torch.equal(after.speaker_bank[name], before.speaker_bank[name]) for name in ("ana", "bo"))
    old, new = Voice.load(base), Voice.load(checkpoint)
    for name in ("ana", "bo"):
        np.testing.assert_array_equal(old.speak("Hello", name).samples, new.speak("Hello", name).samples)
    assert len(new.speak("Hello", "cleo").samples)
    told = rows(tmp_path / "forgetting.csv")
    assert [told[name]["mel_distance_change"] for name in ("ana", "bo")] == ["0", "0"]
    assert (tmp_path / "speakers" / "ana.npy").is_file()
    assert (tmp_path / "speakers" / "cleo.npy").is_file()


@pytest.mark.slow
def test_the_voice_begins_at_the_mean_of_what_the_encoder_hears_and_moves(base: Path, new_set: Path, tmp_path: Path) -> None:
    start = Checkpoint.read(added(tmp_path / "start", base, new_set, "addition=embedding", "training.steps=0")).speaker_bank["cleo"]
    moved = Checkpoint.read(added(tmp_path / "moved", base, new_set, "addition=embedding", "training.steps=3")).speaker_bank["cleo"]
    voice = Voice.load(base)
    heard = [_heard(voice, path) for path in _clips(new_set)]
    torch.testing.assert_close(start, torch.nn.functional.normalize(torch.stack(heard).mean(0), dim=0), rtol=1e-4, atol=1e-5)
    assert not torch.equal(start, moved)
    assert moved.norm() == pytest.approx(1)


def _clips(root: Path) -> list[Path]:
    return [root / clip.path for clip in Manifest.load(root).utterances if clip.speaker == "cleo" and clip.split == "train"]


def _heard(voice: Voice, path: Path) -> torch.Tensor:
    samples = read_waveform(path, SAMPLE_RATE)
    hop = voice.engine.mel_spectrogram.hop_length
    with torch.no_grad():
        return voice.engine.synthesizer.embed_speaker(torch.from_numpy(samples[: len(samples) // hop * hop]).unsqueeze(0))[0]


@pytest.mark.slow
def test_lora_is_merged_into_plain_weights_of_its_parts_alone(base: Path, new_set: Path, tmp_path: Path) -> None:
    parts = "addition.way.parts=[flow,decoder]"
    checkpoint = added(tmp_path, base, new_set, "addition=lora", ADVERSARY, "addition.way.rank=2", parts, "training.steps=4")
    before, after = Checkpoint.read(base), Checkpoint.read(checkpoint)
    assert {name.split(".")[0] for name in changed(before, after)} == {"flow", "decoder"}
    assert all(torch.equal(after.speaker_bank[name], before.speaker_bank[name]) for name in ("ana", "bo"))
    assert len(Voice.load(checkpoint).speak("Hello", "cleo").samples)
    told = rows(tmp_path / "forgetting.csv")
    assert set(told) == {"ana", "bo", "(mean of the old)", "cleo"}
    assert [told[name]["is"] for name in ("ana", "cleo")] == ["old", "new"]
    assert [told[name]["clips"] for name in ("ana", "cleo")] == ["2", "2"]
    for row in told.values():
        before_it, after_it, change = (float(row[f"mel_distance_{ending}"]) for ending in ("before", "after", "change"))
        assert change == pytest.approx(after_it - before_it, abs=1e-4)
    assert float(told["ana"]["mel_distance_change"]) != 0


@pytest.mark.slow
def test_full_teaches_everything_but_the_speaker_encoder(base: Path, new_set: Path, tmp_path: Path) -> None:
    rehearsed = ["addition=full", ADVERSARY, "addition.rehearsal=0.5", "training.steps=4", "forgetting=null"]
    checkpoint = added(tmp_path, base, new_set, *rehearsed)
    before, after = Checkpoint.read(base), Checkpoint.read(checkpoint)
    parts = {name.split(".")[0] for name in changed(before, after)}
    assert {"text_encoder", "posterior_encoder", "flow", "decoder"} <= parts
    assert "speaker_encoder" not in parts
    assert not (tmp_path / "forgetting.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["embedding", "full addition.rehearsal=0.5"])
def test_a_table_gets_a_row(way: str, table_base: Path, new_set: Path, tmp_path: Path) -> None:
    checkpoint = added(tmp_path, table_base, new_set, *f"addition={way}".split(), "training.steps=2")
    before, after = Checkpoint.read(table_base), Checkpoint.read(checkpoint)
    name = "speaker_encoder.table.weight"
    assert after.weights[name].shape == (3, 256)
    assert torch.equal(after.weights[name][:2], before.weights[name])
    torch.testing.assert_close(after.weights[name][2], after.speaker_bank["cleo"])
    assert after.config["n_speakers"] == after.config["model"]["speaker_encoder"]["n_speakers"] == 3
    voice = Voice.load(checkpoint)
    assert np.isfinite(voice.speak("Hello", "cleo").samples).all()
    assert rows(tmp_path / "forgetting.csv")["cleo"]["mel_distance_before"] == ""


@pytest.mark.slow
def test_another_voice_on_top_and_all_old_ones_are_still_judged(base: Path, new_set: Path, tmp_path: Path) -> None:
    quick = ["addition=embedding", "training.steps=1"]
    third = added(tmp_path / "third", base, new_set, *quick)
    fourth = added(tmp_path / "fourth", third, new_set, *quick, speaker="dan")
    assert Checkpoint.read(fourth).speakers == ["ana", "bo", "cleo", "dan"]
    told = rows(tmp_path / "fourth" / "forgetting.csv")
    assert [name for name, row in told.items() if row["is"] == "old"] == ["ana", "bo", "cleo", "(mean of the old)"]


@pytest.mark.slow
def test_a_voice_can_be_replaced_when_asked(base: Path, old_set: Path, tmp_path: Path) -> None:
    overrides = ["addition=embedding", "training.steps=2", "addition.replace=true"]
    after = Checkpoint.read(added(tmp_path, base, old_set, *overrides, speaker="bo"))
    assert after.speakers == ["ana", "bo"]
    assert not torch.equal(after.speaker_bank["bo"], Checkpoint.read(base).speaker_bank["bo"])


@pytest.mark.slow
def test_a_run_that_adds_a_voice_resumes(base: Path, new_set: Path, tmp_path: Path) -> None:
    lora = ["addition=lora", ADVERSARY, "addition.way.rank=2", "addition.way.parts=[flow]", "addition.rehearsal=0.5", "forgetting=null"]
    whole = added(tmp_path / "whole", base, new_set, *lora, "training.steps=4", "training.schedule.steps=9")
    half = added(tmp_path / "half", base, new_set, *lora, "training.steps=2", "training.schedule.steps=9")
    again = added(tmp_path / "again", base, new_set, *lora, "training.steps=4", "training.schedule.steps=9", f"resume={half}")
    one, other = (torch.load(path, weights_only=True)["addition"]["state_dict"] for path in (whole, again))
    assert VECTOR in one
    assert all(torch.equal(other[name], value) for name, value in one.items())


@pytest.mark.slow
def test_sets_that_are_not_here_are_said_and_not_judged(
    base: Path, old_set: Path, new_set: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = old_set.rename(old_set.with_name("elsewhere"))
    try:
        added(tmp_path, base, new_set, "addition=embedding", "training.steps=1")
        with pytest.raises(SovitsError, match="addition.rehearsal=0.5 needs the old speakers' set, and .*old.* is not on this machine"):
            added(tmp_path / "rehearsed", base, new_set, "addition=full", ADVERSARY, "addition.rehearsal=0.5")
        added(tmp_path / "named", base, new_set, "addition=embedding", "training.steps=1", f"forgetting.root={moved}")
    finally:
        moved.rename(old_set)
    assert "What the old speakers lose is NOT measured" in caplog.text
    assert not (tmp_path / "forgetting.csv").exists()
    assert "ana" in rows(tmp_path / "named" / "forgetting.csv")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("data.speaker=bo data.root={old}", "has a voice bo already; replace it with addition.replace=true"),
        ("data.speaker=eve", "has no speaker eve; it has cleo, dan"),
        ("data.speaker=null", "data.speaker is not given"),
        ("checkpoint=null", "checkpoint is not given; for example: sovits train experiment=add_speaker"),
        ("checkpoint=nowhere.ckpt", "There is no checkpoint nowhere.ckpt"),
        ("warm_start={base}", "both give the weights to start from; leave warm_start out"),
        ("speaker_loss=aam", "would teach the speaker encoder"),
        ("addition.rehearsal=1.5", "addition.rehearsal=1.5 is outside 0"),
        ("addition.way.parts=[vocoder]", r"addition.way.parts=\['vocoder'\]: choose one or more of text_encoder"),
        ("addition.way.rank=0", "addition.way.rank=0"),
        ("addition.way.rank=1000", "addition.way.rank=1000 is too much for every layer of text_encoder"),
        ("forgetting.root=nowhere", "No prepared set at nowhere"),
        ("forgetting.splits=[train]", "forgetting.splits=.*train is none of val, test"),
    ],
)
def test_mistakes_are_refused_before_the_first_step(
    overrides: str, message: str, base: Path, old_set: Path, new_set: Path, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=message) as caught:
        added(tmp_path, base, new_set, *overrides.format(base=base, old=old_set).split())
    assert any(isinstance(error, SovitsError) for error in (caught.value, caught.value.__cause__))
    assert not (tmp_path / "checkpoints").exists()


def test_a_set_at_another_rate_is_refused_with_both_rates(base: Path, tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", "cleo", sample_rate=16000)
    with pytest.raises(SovitsError, match="prepared at 16000 Hz and the model of .* speaks at 8000 Hz"):
        added(tmp_path / "run", base, root)


def test_a_checkpoint_without_the_discriminators_is_refused(base: Path, new_set: Path, tmp_path: Path) -> None:
    content = torch.load(base, weights_only=True)
    content["state_dict"] = {name: weight for name, weight in content["state_dict"].items() if not name.startswith("discriminators.")}
    torch.save(content, tmp_path / "light.ckpt")
    with pytest.raises(SovitsError, match="light.ckpt has no weights of the discriminators"):
        added(tmp_path / "run", tmp_path / "light.ckpt", new_set)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("decoder=hifigan", "decoder=hifigan makes model.decoder._target_=.*Upsampling.*FrameRateDecoder"),
        ("embedding_size=384", "embedding_size=384 makes embedding_size=384, .* has 256"),
        ("audio.sample_rate=16000", "audio.sample_rate=16000 .* has 8000"),
        ("text=phones", r"text=phones makes text\."),
        ("model=base", r"model=base makes size\.\w+"),
        ("model.flow.n_steps=2", "model.flow.n_steps=2 .* has 4"),
        ("semantic=none", "semantic=none makes model.semantic_encoder"),
    ],
)
def test_an_override_that_contradicts_the_checkpoint_is_refused_with_both_values(override: str, message: str, base: Path) -> None:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose("train", ["experiment=add_speaker", override])
    with pytest.raises(SovitsError, match=message):
        adopt(config, Checkpoint.read(base), ["experiment=add_speaker", override])


def test_an_override_that_says_what_the_checkpoint_says_is_fine(base: Path) -> None:
    agreeing = ["decoder=frame_rate", "speaker_encoder=ecapa", "text=characters", "audio.sample_rate=8000", "semantic=scratch"]
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        config = compose("train", ["experiment=add_speaker", *agreeing])
    carried = Checkpoint.read(base)
    adopt(config, carried, agreeing)
    assert OmegaConf.to_container(config.model, resolve=True) == carried.config["model"]
    assert config.data.sample_rate == 8000
