"""Models to go on from: what such a folder keeps, what it refuses, and the one that the package brings along."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sovits.data.preparation.content_cache import file_hash
from sovits.errors import SovitsError
from sovits.training.warm_start import require_alike, warm_start
from sovits.voice import Request, Voice
from sovits.voice import base as base_module
from sovits.voice.base import located
from sovits.voice.checkpoint import Checkpoint
from sovits.voice.export import Exporter
from sovits.voice.torch_engine import TorchEngine
from sovits.voice.weights import read_parts, write_parts
from tests.builders import tiny_synthesizer, tiny_training
from tests.checkpoints import tiny_checkpoint

OTHERS = {"audio": {"sample_rate": 8000, "hop_length": 64}, "size": {"segment_frames": 8}, "embedding_size": 192, "discriminators": None}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = tiny_checkpoint()
    content["sovits"]["config"] = content["sovits"]["config"] | OTHERS
    content["state_dict"] |= {"discriminators.judges.0.bias": torch.randn(9), "speaker_classifier.weight": torch.randn(2, 3)}
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def made(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "trainable"
    Exporter(checkpoint, None, ["no"], {}, rounds=1, part_megabytes=0.9).write("trainable", folder)
    return folder


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_a_folder_holds_what_both_players_learned(made: Path, checkpoint: Path) -> None:
    original, kept = Checkpoint.read(checkpoint), Checkpoint.read(made)
    expected = {name for name in original.state if name.startswith(("synthesizer.", "discriminators."))}
    assert set(kept.state) == expected
    for name in expected:
        torch.testing.assert_close(kept.state[name], original.state[name].float(), rtol=1e-3, atol=1e-4, check_dtype=False)
    assert (kept.speakers, kept.generator_step) == (["ana", "bo"], original.generator_step)
    assert kept.config["audio"] == OTHERS["audio"]
    assert "data" not in kept.config


def test_it_speaks_like_its_checkpoint(made: Path, checkpoint: Path) -> None:
    voice, own = Voice.load(checkpoint), Voice.load(made)
    assert isinstance(own.engine, TorchEngine)
    said, again = (one.speak_all([Request("Hello.", "ana", seed=1)])[0].samples for one in (voice, own))
    assert said.shape == again.shape
    assert abs(said - again).max() < 0.02 * abs(said).max()


def test_no_file_is_larger_than_a_part(made: Path) -> None:
    parts = sorted(made.glob("model-*.safetensors"))
    assert len(parts) > 1
    assert [path.name for path in parts] == [f"model-{number}-of-{len(parts)}.safetensors" for number in range(1, len(parts) + 1)]
    assert max(path.stat().st_size for path in parts) <= 0.9e6
    names = [set(load_file(path)) for path in parts]
    assert sum(map(len, names)) == len(set.union(*names))


def test_parts_come_back_whole_and_a_missing_one_is_named(tmp_path: Path) -> None:
    weights = {f"w{number}": torch.randn(1000, number + 1) for number in range(12)} | {"count": torch.tensor(7)}
    paths = write_parts(weights, tmp_path, torch.float16, 0.03)
    back = read_parts(tmp_path)
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weights[name].half().float()) for name in weights if name != "count")
    assert back["count"].item() == 7
    assert back["count"].dtype == torch.int64
    paths[1].unlink()
    with pytest.raises(SovitsError, match=paths[1].name):
        read_parts(tmp_path)


def test_a_weight_larger_than_a_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"wide alone has 0\.2 MB, more than part_megabytes=0\.1"):
        write_parts({"wide": torch.zeros(100_000)}, tmp_path, torch.float16, 0.1)


def test_training_goes_on_from_it(made: Path, checkpoint: Path) -> None:
    one, two = tiny_training(), tiny_training()
    taken = warm_start(one, Checkpoint.read(made).state).loaded
    assert taken == warm_start(two, Checkpoint.read(checkpoint).state).loaded
    assert "synthesizer.flow" in taken
    for name in (name for names in taken.values() for name in names):
        torch.testing.assert_close(one.state_dict()[name], two.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_a_language_model_that_joins_says_nothing_at_first() -> None:
    silent, deaf = tiny_training(), tiny_training(synthesizer=tiny_synthesizer(semantic=False))
    warm_start(silent, deaf.state_dict())
    joined = silent.synthesizer.text_encoder.semantic
    assert joined
    assert all(not weight.any() for weight in joined.parameters())
    alone = tiny_training()
    before = copy.deepcopy(alone.state_dict())
    warm_start(alone, {name: value for name, value in deaf.state_dict().items() if "decoder" in name})
    assert all(torch.equal(alone.state_dict()[name], before[name]) for name in before if "semantic" in name)


@pytest.mark.parametrize(
    ("part", "key", "value", "told"),
    [
        ("audio", "hop_length", 128, r"audio\.hop_length=64 and this run has audio\.hop_length=128"),
        ("audio", "f_max", 3000, r"audio\.f_max=None and this run has audio\.f_max=3000"),
        ("text", "vocabulary", 600, r"text\.vocabulary=512 and this run has text\.vocabulary=600; choose text\.vocabulary=512"),
        ("text", "_target_", "sovits.text.TokenFrontEnd", r"TextFrontEnd and this run has text\._target_=sovits\.text\.TokenFrontEnd"),
    ],
)
def test_one_that_hears_or_reads_otherwise_is_refused_with_both_values(part: str, key: str, value: object, told: str, made: Path) -> None:
    base = Checkpoint.read(made)
    own = copy.deepcopy(base.config)
    own["text"]["tokenizer"]["max_length"] = 64
    require_alike(base, own)
    own[part][key] = value
    with pytest.raises(SovitsError, match=told):
        require_alike(base, own)


def test_damaged_weights_are_named(copied: Path) -> None:
    part = sorted(copied.glob("model-*.safetensors"))[0]
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(bytes(content))
    for reader in (Checkpoint.read, Voice.load):
        with pytest.raises(SovitsError, match=f"{part.name} is not as it was exported"):
            reader(copied)


def test_a_table_with_other_phones_says_both(copied: Path) -> None:
    tables = json.loads((copied / "phones.json").read_text(encoding="utf-8"))
    tables["phones"][5] = "zz"
    (copied / "phones.json").write_text(json.dumps(tables), encoding="utf-8")
    about = json.loads((copied / "export.json").read_text(encoding="utf-8"))
    about["hashes"]["phones.json"] = file_hash(copied / "phones.json")
    (copied / "export.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(SovitsError, match=r"number 5 of phones is 'zz' there and '.+' here"):
        Checkpoint.read(copied)


def test_other_exports_only_speak(checkpoint: Path, tmp_path: Path) -> None:
    Exporter(checkpoint, None, ["no"], {}, rounds=1).write("fp16", tmp_path / "fp16")
    with pytest.raises(SovitsError, match="an export as fp16, which only speaks"):
        Checkpoint.read(tmp_path / "fp16")


def test_base_is_the_package_s_own_unless_it_has_none(copied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(base_module, "FOLDER", copied)
    assert located("base") == located(Path("base")) == copied
    assert located("x/base") == Path("x/base")
    assert Voice.load("base").speakers == ["ana", "bo"]
    monkeypatch.setattr(base_module, "FOLDER", tmp_path / "nothing")
    with pytest.raises(SovitsError, match=r"has no base voice at .*nothing; install it again"):
        Checkpoint.read("base")
