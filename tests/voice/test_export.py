"""Exports: what a checkpoint says, they say, with and without PyTorch; and what is damaged or foreign is refused by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sovits.data.preparation.content_cache import file_hash
from sovits.errors import SovitsError
from sovits.voice import Request, SpeakerBank, Voice
from sovits.voice.export import Exporter
from sovits.voice.onnx_engine import OnnxEngine
from sovits.voice.torch_engine import TorchEngine
from tests.builders import EMBEDDING, SAMPLE_RATE
from tests.checkpoints import tiny_checkpoint

TEXTS = ["Hello, world.", "你好，世界。", "no"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    torch.save(tiny_checkpoint(), path)
    return path


@pytest.fixture(scope="module")
def exporter(checkpoint: Path) -> Exporter:
    return Exporter(checkpoint, None, TEXTS, {}, rounds=1)


@pytest.fixture(scope="module")
def exported(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind, made once."""
    folder = tmp_path_factory.mktemp("exported")

    def make(kind: str) -> Path:
        if not (folder / kind).exists():
            exporter.write(kind, folder / kind)
        return folder / kind

    return make


@pytest.fixture
def copied(exported: Callable[[str], Path], tmp_path: Path) -> Path:
    """One to damage."""
    return Path(shutil.copytree(exported("fp16"), tmp_path / "copy"))


def decibels(samples: np.ndarray, wanted: np.ndarray) -> float:
    assert samples.shape == wanted.shape
    return float(10 * np.log10(np.square(wanted).mean() / np.square(samples - wanted).mean()))


@pytest.mark.parametrize(
    ("kind", "engine", "least"),
    [
        ("fp16", TorchEngine, 50),
        pytest.param("onnx", OnnxEngine, 90, marks=pytest.mark.slow),
        pytest.param("int8", OnnxEngine, 20, marks=pytest.mark.slow),
    ],
)
def test_an_export_says_what_its_checkpoint_says(
    kind: str, engine: type, least: float, exported: Callable[[str], Path], checkpoint: Path
) -> None:
    voice, own = Voice.load(checkpoint), Voice.load(exported(kind))
    assert isinstance(own.engine, engine)
    assert own.speakers == ["ana", "bo"]
    assert (own.sample_rate, own.embedding_size) == (SAMPLE_RATE, EMBEDDING)
    requests = [
        Request(text, speaker, seed=seed, speed=1.2) for seed, (text, speaker) in enumerate(zip(TEXTS, ("ana", "bo", "ana"), strict=True))
    ]
    for wanted, said in zip(voice.speak_all(requests), own.speak_all(requests), strict=True):
        assert np.array_equal(said.durations, wanted.durations)
        assert decibels(said.samples, wanted.samples) > least
    clip = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * SAMPLE_RATE).astype(np.float32)
    clip[SAMPLE_RATE:] *= 1e-3
    assert float(own.embed(clip) @ voice.embed(clip)) > 0.999


def test_the_figures_are_those_of_what_was_written(exporter: Exporter, exported: Callable[[str], Path], tmp_path: Path) -> None:
    figures = exporter.write("bf16", tmp_path / "bf16")
    about = json.loads((tmp_path / "bf16" / "export.json").read_text())
    assert about["figures"]["speech_snr"] == figures.speech_snr
    kept = json.loads((exported("fp16") / "export.json").read_text())["figures"]
    # Eight bits of mantissa against eleven.
    assert 20 < figures.speech_snr < kept["speech_snr"] - 6
    assert figures.equal_durations == kept["equal_durations"] == 1
    assert figures.megabytes == pytest.approx(sum(path.stat().st_size for path in (tmp_path / "bf16").rglob("*.*")) / 1e6, abs=0.01)
    assert figures.rtf > 0


@pytest.mark.slow
def test_eight_bits_take_a_fourth(exported: Callable[[str], Path]) -> None:
    full, eight = ((exported(kind) / "text.onnx").stat().st_size for kind in ("onnx", "int8"))
    assert eight < 0.4 * full


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "int8"])
def test_without_pytorch_requests_don_t_touch_one_another(kind: str, exported: Callable[[str], Path]) -> None:
    voice = Voice.load(exported(kind), threads=1)
    requests = [
        Request(text, "bo", seed=seed, noise_scale=0.5, speed=speed)
        for seed, (text, speed) in enumerate(zip(TEXTS, (1, 0.5, 2), strict=True))
    ]
    for request, together in zip(requests, voice.speak_all(requests), strict=True):
        alone = voice.speak_all([request])[0]
        assert np.array_equal(alone.durations, together.durations)
        np.testing.assert_allclose(together.samples, alone.samples, atol=1e-4)


@pytest.mark.slow
def test_without_pytorch_a_stream_is_the_whole(exported: Callable[[str], Path]) -> None:
    voice = Voice.load(exported("onnx"))
    request = Request("One two three four five six seven eight nine ten eleven twelve.", "ana", seed=4, speed=0.25)
    chunks = list(voice.stream(request))
    assert len(chunks) > 2
    np.testing.assert_allclose(np.concatenate(chunks), voice.speak_all([request])[0].samples, atol=1e-4)


@pytest.mark.slow
def test_pytorch_is_not_even_imported(exported: Callable[[str], Path], tmp_path: Path) -> None:
    program = "import sys\nsys.modules['torch'] = None\nfrom sovits.cli import main\nsys.argv = ['sovits', *sys.argv[1:]]\nmain()\n"
    said = ["synthesize", f"checkpoint={exported('int8')}", "speaker=ana", "text=Hello, 世界", f"output={tmp_path}/hello.wav"]
    done = subprocess.run(
        [sys.executable, "-c", program, *said, f"paths.outputs={tmp_path}"], capture_output=True, text=True, timeout=120, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hello.wav").stat().st_size > 1000


@pytest.mark.slow
def test_what_an_export_to_onnx_has_not(exported: Callable[[str], Path]) -> None:
    voice = Voice.load(exported("onnx"))
    with pytest.raises(SovitsError, match="no posterior encoder"):
        voice.reconstruct(np.zeros(SAMPLE_RATE, dtype=np.float32), voice.bank["ana"])
    voice.engine.speaker = None
    with pytest.raises(SovitsError, match="reads no voice from a clip"):
        voice.embed(np.ones(2 * SAMPLE_RATE, dtype=np.float32))
    with pytest.raises(SovitsError, match="device=cuda cannot be used here: this onnxruntime has"):
        Voice.load(exported("onnx"), device="cuda")


def test_other_voices_go_along(checkpoint: Path, tmp_path: Path) -> None:
    SpeakerBank.from_embeddings({"cy": np.ones(EMBEDDING)}).save(tmp_path / "bank")
    Exporter(checkpoint, tmp_path / "bank", TEXTS, {}, rounds=1).write("fp32", tmp_path / "fp32")
    assert Voice.load(tmp_path / "fp32").speakers == ["cy"]
    assert Voice.load(checkpoint).speak("hello", np.ones(EMBEDDING)).samples == pytest.approx(
        Voice.load(tmp_path / "fp32").speak("hello", "cy").samples, abs=1e-6
    )


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "phones.json"])
def test_a_damaged_file_is_named(name: str, copied: Path) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(SovitsError, match=f"{name} is not as it was exported"):
        Voice.load(copied)
    (copied / name).unlink()
    with pytest.raises(SovitsError, match=f"lacks {name}"):
        Voice.load(copied)


def test_a_foreign_folder_is_refused(copied: Path) -> None:
    path = copied / "export.json"
    for content, told in [
        (path.read_text().replace('"format": 1', '"format": 99'), "has export format 99, this version reads 1"),
        ('{"format": 1}', "is incomplete"),
        ("{", "copy it again, or export the checkpoint again"),
        ("[1]", "has export format None"),
    ]:
        path.write_text(content)
        with pytest.raises(SovitsError, match=told):
            Voice.load(copied)
    path.unlink()
    with pytest.raises(SovitsError, match="is a folder"):
        Voice.load(copied)


def test_another_phone_table_or_an_untrusted_class_is_refused(copied: Path) -> None:
    about = json.loads((copied / "export.json").read_text())
    tables = json.loads((copied / "phones.json").read_text())

    def written(name: str, content: object) -> None:
        # Whoever writes such a file can write its hash too.
        (copied / name).write_text(json.dumps(content))
        about["hashes"][name] = file_hash(copied / name)
        (copied / "export.json").write_text(json.dumps(about))

    shorter = {**tables, "phones": tables["phones"][:-1]}
    written("phones.json", shorter)
    Voice.load(copied)
    written("phones.json", {**tables, "phones": tables["phones"][::-1]})
    with pytest.raises(SovitsError, match="another table of phones, tones and languages .* use sovits 0"):
        Voice.load(copied)
    written("phones.json", tables)
    config = json.loads((copied / "config.json").read_text())
    written("config.json", {**config, "text": {"_target_": "os.system", "command": "true"}})
    with pytest.raises(SovitsError, match=r"config.json asks for text._target_=os.system, no class of"):
        Voice.load(copied)


def test_what_cannot_be_exported(exporter: Exporter, checkpoint: Path, exported: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match="format=int4 is none of fp32, fp16"):
        exporter.write("int4", tmp_path / "a")
    with pytest.raises(SovitsError, match="is there already"):
        exporter.write("fp16", exported("fp16"))
    strict = Exporter(checkpoint, None, TEXTS, {"fp16": 300.0}, rounds=1)
    with pytest.raises(SovitsError, match=r"As fp16 the model speaks .* dB above .* least_snr.fp16 is 300 dB"):
        strict.write("fp16", tmp_path / "fp16")
    assert list(tmp_path.iterdir()) == [], "nothing half-made stays"
    with pytest.raises(SovitsError, match="sentences is empty"):
        Exporter(checkpoint, None, [], {})
    with pytest.raises(SovitsError, match="rounds=0"):
        Exporter(checkpoint, None, TEXTS, {}, rounds=0)
