"""A voice from uploads: what is used, what is refused and why, and nothing that fills the memory."""

from __future__ import annotations

import io
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from sovits.data.preparation.vad import Stretch
from sovits.data.quality.signal import SignalJudge
from sovits.errors import SovitsError
from sovits.serving.enrolment import Enroller, EnrolmentLimits, Upload
from sovits.voice import Voice
from tests.builders import EMBEDDING
from tests.conftest import REPOSITORY
from tests.sounds import glide, noise

RATE = 16000


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
    assert float(np.linalg.norm(made.embedding)) == pytest.approx(1, abs=1e-5)
    assert (made.clips, made.notes) == (2, ())
    assert made.seconds == pytest.approx(4 + 8 - 4 * 0.25, abs=0.01)
    alone = [enroller(voice)([one]).embedding for one in (upload(sound(4, 120)), upload(sound(8, 300), "b.flac"))]
    expected = 3.5 * alone[0] + 7.5 * alone[1]
    np.testing.assert_allclose(made.embedding, expected / np.linalg.norm(expected), atol=1e-4)


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
    expected = ["not audio", "not audio", "empty", "no speech was found", "not numbers", "cut short", "not audio"]
    assert len(made.notes) == len(expected)
    for one, note, words in zip(wrong, made.notes, expected, strict=True):
        assert words in note
        assert note.startswith(one.name.replace("\x1b", "").replace("\n", ""))
        assert "sovits_upload_" not in note
    with pytest.raises(SovitsError, match=r"No clip can be used\. note\.txt: it is damaged or not audio.*text\.wav: "):
        enroller(voice)(wrong)


def test_limits(voice: Voice) -> None:
    with pytest.raises(SovitsError, match="0 clips were sent"):
        enroller(voice)([])
    with pytest.raises(SovitsError, match="3 clips were sent; send 1 to 2"):
        enroller(voice, clips=2)([upload(sound())] * 3)
    with pytest.raises(SovitsError, match="bytes and may have 1,000"):
        enroller(voice, clip_bytes=1000)([upload(sound())])
    with pytest.raises(SovitsError, match="bytes together and may have 200,000"):
        enroller(voice, all_bytes=200_000)([upload(sound())] * 2)
    with pytest.raises(SovitsError, match="enrolment.clip_seconds=0 is not a number above 0"):
        EnrolmentLimits(clip_seconds=0)
    with pytest.raises(SovitsError, match=r"1\.5 s of speech are too few .* send 3 s or more"):
        enroller(voice)([upload(sound(2))])


def test_what_goes_beyond_all_seconds_is_left_out_and_told(voice: Voice) -> None:
    made = enroller(voice, all_seconds=10)([upload(sound(4), f"{number}.wav") for number in range(3)])
    assert made.clips == 2
    assert made.notes == ("2.wav: with it the clips would last more than 10 s together; the others are enough.",)


@pytest.mark.parametrize(
    ("name", "format_"),
    [("clip", "WAV"), ("CLIP.WAV", "WAV"), ("clip.m4a", "FLAC"), ("clip.wav", "OGG"), ("clip.flac", "MP3"), ("../x", "RF64")],
)
def test_the_content_counts_and_not_the_name(voice: Voice, name: str, format_: str) -> None:
    assert enroller(voice)([Upload(name, upload(sound(), f"x.{format_}").content)]).clips == 1


@pytest.mark.parametrize("format_", ["AIFF", "AU", "CAF", "W64", "MAT5"])
def test_no_other_format_reaches_a_decoder(voice: Voice, format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: Any) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr("sovits.serving.enrolment.WaveformFile", opened)
    for content in (upload(sound(), f"x.{format_}").content, b"RIFF\0\0\0\0AVI LIST"):
        with pytest.raises(SovitsError, match="not audio that can be read here"):
            enroller(voice)([Upload("clip.wav", content)])


def test_headers_that_claim_too_much_are_not_believed(voice: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: Any) -> np.ndarray:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("sovits.audio.waveform_file.WaveformFile.read", read)
    good = upload(sound()).content
    for rate in (1, 7999, 192_001, 2**31 - 1):
        changed = good[:24] + struct.pack("<I", rate) + good[28:]
        with pytest.raises(SovitsError, match=f"it has {rate} Hz and may have 8000 to 192000"):
            enroller(voice)([Upload("clip.wav", changed)])
    with pytest.raises(SovitsError, match="it has 200 channels and may have 8"):
        enroller(voice)([upload(np.zeros((RATE, 200)), "wide.ogg")])
    with pytest.raises(SovitsError, match="it holds no sound"):
        enroller(voice)([upload(np.zeros(0))])
    piped = bytearray(upload(sound(), "clip.flac").content)
    # The 36 bits of STREAMINFO that tell the number of samples: 0 where an encoder wrote to a pipe.
    piped[21] &= 0xF0
    piped[22:26] = bytes(4)
    with pytest.raises(SovitsError, match="does not say how long it is"):
        enroller(voice)([Upload("clip.flac", bytes(piped))])


def test_one_voice_is_made_at_a_time(voice: Voice) -> None:
    inside, most = 0, 0
    everyone = threading.Barrier(3)

    class Counting(AllSpeech):
        def __call__(self, samples: np.ndarray) -> list[Stretch]:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            found = super().__call__(samples)
            threading.Event().wait(0.02)
            inside -= 1
            return found

    own, made = enroller(voice, detector=Counting()), []

    def enrol() -> None:
        everyone.wait()
        made.append(own([upload(sound())]))

    threads = [threading.Thread(target=enrol) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    for one in made:
        np.testing.assert_allclose(one.embedding, made[0].embedding, rtol=1e-5)


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
