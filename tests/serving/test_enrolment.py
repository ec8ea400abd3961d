"""A voice from uploads: what is used, what is refused and why, and nothing that fills the memory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from sovits.data.preparation.vad import Stretch
from sovits.data.quality.signal import SignalJudge
from sovits.errors import SovitsError
from sovits.serving.enrolment import Enroller, EnrolmentLimits, Upload
from sovits.voice import Voice
from tests.builders import EMBEDDING
from tests.checkpoints import tiny_checkpoint
from tests.conftest import REPOSITORY
from tests.sounds import glide, noise

RATE = 16000


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Voice:
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    torch.save(tiny_checkpoint(), path)
    return Voice.load(path)


class AllSpeech:
    """Takes every sound that is not silent for speech, but for its first and last quarter of a second."""

    def __call__(self, samples: np.ndarray) -> list[Stretch]:
        return [Stretch(0.25, len(samples) / RATE - 0.25)] if np.abs(samples).max() > 0.01 else []


def enroller(voice: Voice, gate: str = "off", detector: Any = None, **limits: float) -> Enroller:
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        config = compose("serve", [f"gate={gate}"])
    judge = SignalJudge(mos=gate != "off")
    return Enroller(voice, instantiate(config.gate), judge, detector or AllSpeech(), EnrolmentLimits(**limits))  # type: ignore[arg-type]


def sound(seconds: float = 4.0, hertz: float = 150.0) -> np.ndarray:
    return glide(hertz, 1.5 * hertz, seconds, RATE) + noise(seconds, RATE, 1, 0.01)


def upload(samples: np.ndarray, name: str = "clip.wav", **options: Any) -> Upload:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=name.rpartition(".")[2].upper(), **options)
    return Upload(name, file.getvalue())


def test_clips_become_one_voice_weighted_by_their_speech(voice: Voice) -> None:
    made = enroller(voice)([upload(sound(4, 120)), upload(sound(8, 300), "b.flac")])
    assert made.embedding.shape == (EMBEDDING,)
    assert float(made.embedding.norm()) == pytest.approx(1, abs=1e-5)
    assert (made.clips, made.notes) == (2, ())
    assert made.seconds == pytest.approx(4 + 8 - 4 * 0.25, abs=0.01)
    alone = [enroller(voice)([one]).embedding for one in (upload(sound(4, 120)), upload(sound(8, 300), "b.flac"))]
    expected = torch.nn.functional.normalize(3.5 * alone[0] + 7.5 * alone[1], dim=0)
    torch.testing.assert_close(made.embedding, expected, atol=1e-4, rtol=0)


def test_what_cannot_be_used_is_left_out_and_told(voice: Voice) -> None:
    wrong = [
        Upload("note.txt", b"hello"),
        Upload("text.wav", b"this is no sound at all"),
        Upload("empty.wav", b""),
        upload(np.zeros(RATE), "silence.wav"),
        upload(np.full(2 * RATE, np.nan), "nan.wav", subtype="FLOAT"),
        Upload("cut.wav", upload(sound()).content[:5000]),
        Upload("\x1b[31mred\n.exe", b"x"),
    ]
    made = enroller(voice)([*wrong, upload(sound())])
    assert made.clips == 1
    expected = ["must end in one of", "not audio", "empty", "no speech was found", "not numbers", "cut short", "must end in one of"]
    assert len(made.notes) == len(expected)
    for one, note, words in zip(wrong, made.notes, expected, strict=True):
        assert words in note
        assert note.startswith(one.name.replace("\x1b", "").replace("\n", ""))
        assert "sovits_upload_" not in note
    with pytest.raises(SovitsError, match=r"No clip can be used\. note\.txt: its name must end.*text\.wav: "):
        enroller(voice)(wrong)


def test_limits(voice: Voice) -> None:
    with pytest.raises(SovitsError, match="0 clips were sent"):
        enroller(voice)([])
    with pytest.raises(SovitsError, match="3 clips were sent; send 1 to 2"):
        enroller(voice, clips=2)([upload(sound())] * 3)
    with pytest.raises(SovitsError, match="bytes and may have 1,000"):
        enroller(voice, clip_bytes=1000)([upload(sound())])
    with pytest.raises(SovitsError, match=r"1\.5 s of speech are too few .* send 3 s or more"):
        enroller(voice)([upload(sound(2))])


def test_a_bomb_is_not_unpacked(voice: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = upload(np.zeros(3600 * RATE, np.int16), "bomb.flac")
    assert len(bomb.content) < 1_000_000

    def read(*_: Any) -> np.ndarray:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("sovits.audio.waveform_file.WaveformFile.read", read)
    with pytest.raises(SovitsError, match="it lasts 3,600 s and may last 60 s"):
        enroller(voice)([bomb])


def test_real_speech_passes_the_gate_and_speech_in_noise_does_not(voice: Voice, real_speech: Path) -> None:
    from sovits.data.preparation.vad import VoiceActivityDetector

    samples, rate = soundfile.read(real_speech / "vctk_p225" / "p225_003.flac", dtype="float32")
    assert rate == RATE
    loud = samples + noise(len(samples) / RATE, RATE, 3, float(np.sqrt(np.mean(samples**2))))[: len(samples)]
    own = enroller(voice, "default", VoiceActivityDetector())
    made = own([upload(samples, "clean.flac"), upload(0.5 * loud, "loud.flac")])
    assert made.clips == 1
    assert made.notes[0].startswith("loud.flac: refused for its ")
    assert 3 < made.seconds < len(samples) / RATE
    with pytest.raises(SovitsError, match=r"No clip can be used\. loud\.flac: refused for its .*(snr|mos_background)"):
        own([upload(0.5 * loud, "loud.flac")])
