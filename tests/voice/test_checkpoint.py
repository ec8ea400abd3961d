"""A checkpoint is read without trusting it, and every way in which it is unusable has its sentence."""

from __future__ import annotations

import os
import pickle
import zipfile

import pytest
import torch

from sovits.errors import SovitsError
from sovits.voice.checkpoint import FORMAT, Checkpoint


def test_reads_what_speaking_needs(checkpoint):
    carried = Checkpoint.read(checkpoint)
    assert carried.speakers == ["ana", "bo"]
    assert carried.generator_step == 7
    assert carried.config["mel_spectrogram"]["n_fft"] == 256
    assert set(carried.speaker_bank) == {"ana", "bo"}
    assert not any(name.startswith(("synthesizer.", "discriminators.")) for name in carried.weights)


def test_weights_come_back_as_they_were(checkpoint, content):
    carried = Checkpoint.read(checkpoint)
    synthesizer = carried.build("model")
    carried.fill(synthesizer)
    for name, weight in synthesizer.state_dict().items():
        assert torch.equal(weight, content["state_dict"][f"synthesizer.{name}"]), name


def test_a_folder_and_a_missing_file(checkpoint):
    with pytest.raises(SovitsError, match=r"is a folder; did you mean .*last\.ckpt"):
        Checkpoint.read(checkpoint.parent)
    (checkpoint.parent / "empty").mkdir()
    with pytest.raises(SovitsError, match=r"empty is a folder; give the file"):
        Checkpoint.read(checkpoint.parent / "empty")
    with pytest.raises(SovitsError, match=r"no checkpoint .*none\.ckpt"):
        Checkpoint.read(checkpoint.parent / "none.ckpt")
    (checkpoint.parent / "model.pth").write_bytes(checkpoint.read_bytes())
    with pytest.raises(SovitsError, match=r"model\.pth is not a checkpoint.*\.ckpt"):
        Checkpoint.read(checkpoint.parent / "model.pth")


def test_files_that_are_no_checkpoints(checkpoint):
    whole = checkpoint.read_bytes()
    bad = checkpoint.with_name("bad.ckpt")
    for content in (b"", b"hello, I am a text file\n", os.urandom(1000), whole[: len(whole) // 2], pickle.dumps({"a": 1})):
        bad.write_bytes(content)
        with pytest.raises(SovitsError, match=r"bad\.ckpt is damaged or not a checkpoint"):
            Checkpoint.read(bad)
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("hello.txt", "a random zip")
    with pytest.raises(SovitsError, match=r"bad\.ckpt is damaged or not a checkpoint"):
        Checkpoint.read(bad)


@pytest.mark.parametrize("other", [{"state_dict": {}, "epoch": 3}, [1, 2], torch.ones(3), {"sovits": {"format": 1}, "state_dict": {}}])
def test_pytorch_files_of_something_else(other, tmp_path):
    torch.save(other, tmp_path / "other.ckpt")
    with pytest.raises(SovitsError, match=r"other\.ckpt is a PyTorch file but not a checkpoint of `sovits train`"):
        Checkpoint.read(tmp_path / "other.ckpt")


def test_another_format_is_named(content, tmp_path):
    content["sovits"]["format"] = FORMAT + 1
    torch.save(content, tmp_path / "new.ckpt")
    with pytest.raises(SovitsError, match=f"has checkpoint format {FORMAT + 1}, this version reads {FORMAT}"):
        Checkpoint.read(tmp_path / "new.ckpt")


def test_pickled_objects_are_not_opened(content, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    content["callbacks"] = Trap()
    torch.save(content, tmp_path / "trap.ckpt")
    with pytest.raises(SovitsError, match=r"trap\.ckpt is damaged or not a checkpoint"):
        Checkpoint.read(tmp_path / "trap.ckpt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "torch.os.system",
        "torch.hub.load",
        "torch.load",
        "sovits.voice.checkpoint.pickle.loads",
        "sovits.voice.checkpoint.Path",
        "sovits_evil.Model",
        "torchvision.models.resnet18",
        "torch.nn.NoSuchLayer",
        "sovits",
        "",
    ],
)
@pytest.mark.parametrize("place", ["model", "decoder", "text"])
def test_only_classes_of_trusted_packages_are_built(content, tmp_path, target, place):
    config = content["sovits"]["config"]
    node = config["model"]["decoder"] if place == "decoder" else config[place]
    node["_target_"] = target
    torch.save(content, tmp_path / "evil.ckpt")
    with pytest.raises(SovitsError, match=r"evil\.ckpt asks for .*_target_=.*no class of sovits, torch, transformers, speechbrain"):
        Checkpoint.read(tmp_path / "evil.ckpt")


def test_targets_inside_lists_are_found(content, tmp_path):
    content["sovits"]["config"]["model"]["extra"] = [1, [{"_target_": "os.getcwd"}]]
    torch.save(content, tmp_path / "evil.ckpt")
    with pytest.raises(SovitsError, match=r"model\.extra\.1\.0\._target_=os\.getcwd"):
        Checkpoint.read(tmp_path / "evil.ckpt")


@pytest.mark.parametrize("part", ["semantic_encoder", "speaker_encoder"])
def test_models_from_elsewhere_are_not_loaded(content, tmp_path, part):
    content["sovits"]["config"]["model"][part]["source"] = "/somewhere/with/hyperparams.yaml"
    torch.save(content, tmp_path / "evil.ckpt")
    with pytest.raises(SovitsError, match=rf"evil\.ckpt names model\.{part}\.source=/somewhere.* may be code"):
        Checkpoint.read(tmp_path / "evil.ckpt")


def test_interpolations_are_not_resolved(content, tmp_path):
    content["sovits"]["config"]["model"]["segment_frames"] = "${oc.env:HOME}"
    torch.save(content, tmp_path / "evil.ckpt")
    with pytest.raises(SovitsError, match=r"unresolved value model\.segment_frames="):
        Checkpoint.read(tmp_path / "evil.ckpt")


def test_weights_that_do_not_fit_are_named(content, tmp_path):
    weights = content["state_dict"]
    del weights["synthesizer.decoder.input.bias"]
    weights["synthesizer.decoder.extra"] = torch.ones(1)
    weights["synthesizer.decoder.input.weight"] = torch.ones(2, 2)
    torch.save(content, tmp_path / "odd.ckpt")
    carried = Checkpoint.read(tmp_path / "odd.ckpt")
    told = r"lacks decoder\.input\.bias; it does not know decoder\.extra; it has another shape for decoder\.input\.weight"
    with pytest.raises(SovitsError, match=told):
        carried.fill(carried.build("model"))


def test_a_config_that_cannot_be_built_says_why(content, tmp_path):
    content["sovits"]["config"]["model"]["decoder"]["upsample_rates"] = [7]
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(SovitsError, match=r"odd\.ckpt: its model cannot be built here: model.decoder.upsample_rates give 7 = 7"):
        Checkpoint.read(tmp_path / "odd.ckpt").build("model")
    content["sovits"]["config"]["model"]["decoder"]["unheard_of"] = 1
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(SovitsError, match=r"odd\.ckpt: its model cannot be built here: .*unheard_of"):
        Checkpoint.read(tmp_path / "odd.ckpt").build("model")
    del content["sovits"]["config"]["text"]
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(SovitsError, match="carries a config without `text`"):
        Checkpoint.read(tmp_path / "odd.ckpt")
