"""Speaker similarity against cosines summed by hand, on one rank and on two."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from sovits.audio.waveform import read_waveform
from sovits.errors import SovitsError
from sovits.metrics import (
    Reading,
    Recording,
    RememberingEncoder,
    ResemblyzerEncoder,
    SpeakerSimilarity,
    SpeechBrainEncoder,
    VoiceEncoder,
)
from tests.published_encoders import write_published_encoder
from tests.readings import reading

RATE = 16000


class FirstSamples:
    """The direction of a clip's first four samples, so that a test can choose any embedding."""

    sample_rate = RATE
    channels = 4

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        self.calls += 1
        length = np.linalg.norm(samples[:4])
        return samples[:4] / length if length else np.zeros(4, dtype=np.float32)


def clips(count: int, seed: int) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).uniform(-1, 1, (count, 50)).astype(np.float32))


def unit(clip: np.ndarray) -> np.ndarray:
    return clip[:4] / np.linalg.norm(clip[:4])


def heard(synthetic: list[np.ndarray], real: list[np.ndarray], speakers: list[str]) -> list[Reading]:
    return [
        reading(f"{speaker}/{number}", speaker, recording, clip, RATE)
        for number, (clip, recording, speaker) in enumerate(zip(synthetic, real, speakers, strict=True))
    ]


def made(speakers: list[str], readings: list[Reading], encoder: VoiceEncoder | None = None) -> SpeakerSimilarity:
    """A judge that knows the recordings of all readings."""
    judge = SpeakerSimilarity(speakers, encoder or FirstSamples())
    judge.enrol(one.recording for one in readings)
    return judge


def test_equals_cosines_summed_one_by_one() -> None:
    synthetic, real, speakers = clips(7, 0), clips(7, 1), list("aabbbaa")
    readings = heard(synthetic, real, speakers)
    judge = made(["a", "b", "absent"], readings)
    judge.update(readings)
    figures = judge.compute()
    for speaker in "ab":
        own = [i for i, name in enumerate(speakers) if name == speaker]
        cross = np.mean([unit(synthetic[i]) @ unit(real[j]) for i, j in itertools.permutations(own, 2)])
        within = np.mean([unit(real[i]) @ unit(real[j]) for i, j in itertools.permutations(own, 2)])
        assert figures[f"speaker_similarity/{speaker}"].item() == pytest.approx(cross, abs=1e-6)
        assert figures[f"speaker_similarity_real/{speaker}"].item() == pytest.approx(within, abs=1e-6)
    mean = (figures["speaker_similarity/a"] + figures["speaker_similarity/b"]) / 2
    assert figures["speaker_similarity"].item() == pytest.approx(mean.item())
    assert not any("absent" in name for name in figures)


def test_perfect_synthesis_scores_what_the_speaker_scores() -> None:
    real = clips(5, 2)
    readings = heard(real, real, ["a"] * 5)
    judge = made(["a"], readings)
    judge.update(readings)
    figures = judge.compute()
    assert figures["speaker_similarity"].item() == pytest.approx(figures["speaker_similarity_real"].item(), abs=1e-9)


def test_two_ranks_add_up_to_one() -> None:
    readings = heard(clips(9, 3), clips(9, 4), list("abcabcabc"))
    together, left, right = (made(list("abc"), readings) for _ in range(3))
    together.update(readings)
    left.update(readings[:4])
    right.update(readings[4:])
    left.merge_state(right)
    for name, value in together.compute().items():
        assert left.compute()[name].item() == pytest.approx(value.item(), abs=1e-12), name


def test_recordings_without_a_reading_widen_the_comparison() -> None:
    (synthetic,), real = clips(1, 5), clips(3, 6)
    (read,) = heard([synthetic], real[:1], ["a"])
    judge = made(["a"], [read])
    judge.update([read])
    assert judge.compute() == {}, "one recording leaves no other sentence to compare with"
    judge.enrol(Recording(f"a/more{number}", "a", samples, RATE) for number, samples in enumerate(real[1:]))
    judge.update([read])
    expected = np.mean([unit(synthetic) @ unit(clip) for clip in real[1:]])
    assert judge.compute()["speaker_similarity"].item() == pytest.approx(expected, abs=1e-6)


def test_silence_has_no_voice() -> None:
    encoder = ResemblyzerEncoder()
    for clip in (np.zeros(RATE), np.zeros(0), np.full(RATE, 1e-6)):
        assert not encoder(clip.astype(np.float32)).any()
    readings = heard([np.zeros(RATE), np.zeros(800)], clips(2, 7), ["a", "a"])
    judge = made(["a"], readings, encoder)
    judge.update(readings)
    assert judge.compute()["speaker_similarity"].item() == 0.0


@pytest.mark.parametrize("samples", [1, 100, 1600, 7999])
def test_very_short_clips_are_embedded(samples: int) -> None:
    embedding = ResemblyzerEncoder()(np.random.default_rng(0).uniform(-1, 1, samples).astype(np.float32))
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)


def test_diverged_audio_and_unknown_speakers_are_refused() -> None:
    judge = SpeakerSimilarity(["a"], FirstSamples())
    with pytest.raises(SovitsError, match="NaN or infinite"):
        judge.update(heard([np.full(9, np.nan)], clips(1, 0), ["a"]))
    with pytest.raises(SovitsError, match="was given 'b'"):
        judge.enrol([Recording("b/0", "b", clips(1, 0)[0], RATE)])
    with pytest.raises(SovitsError, match="was given 'b'"):
        judge.update(heard(clips(1, 0), clips(1, 0), ["b"]))


def test_a_recording_is_embedded_once() -> None:
    inner = FirstSamples()
    encoder = RememberingEncoder(inner, capacity=2)
    first, second, third = clips(3, 8)
    for clip in (first, second, first, first.copy()):
        np.testing.assert_array_equal(encoder(clip), unit(clip))
    assert inner.calls == 2
    encoder(third)
    encoder(first)
    assert inner.calls == 3
    encoder(second)
    assert inner.calls == 4, "the least recently used clip went first"


def test_real_speakers_are_told_apart(real_speech: Path) -> None:
    speakers = ["vctk_p225", "vctk_p226", "ljspeech_LJ"]
    readings = []
    for speaker, other in zip(speakers, [*speakers[1:], speakers[0]], strict=True):
        own = sorted((real_speech / speaker).glob("*.flac"))[:3]
        wrong = sorted((real_speech / other).glob("*.flac"))[:3]
        read = [[read_waveform(path, RATE, end=4.0) for path in paths] for paths in (wrong, own)]
        readings += heard(*read, [speaker] * 3)
    judge = made(speakers, readings, ResemblyzerEncoder())
    judge.update(readings)
    figures = judge.compute()
    for speaker in speakers:
        assert figures[f"speaker_similarity_real/{speaker}"] > 0.85
        assert figures[f"speaker_similarity/{speaker}"] < 0.65


@pytest.fixture
def tiny_speechbrain(tmp_path: Path) -> Path:
    return write_published_encoder(tmp_path)


def test_speechbrain_encoder_from_a_local_folder(tiny_speechbrain: Path) -> None:
    encoder = SpeechBrainEncoder(str(tiny_speechbrain))
    assert encoder.channels == 12
    loud, short = (np.random.default_rng(0).uniform(-0.5, 0.5, size).astype(np.float32) for size in (RATE, 50))
    assert np.linalg.norm(encoder(loud)) == pytest.approx(1.0, abs=1e-5)
    assert np.linalg.norm(encoder(short)) == pytest.approx(1.0, abs=1e-5)
    # Another instance has other random weights until the file's are loaded.
    np.testing.assert_allclose(SpeechBrainEncoder(str(tiny_speechbrain))(loud), encoder(loud), atol=1e-6)
    assert not encoder(np.zeros(RATE, dtype=np.float32)).any()


def test_a_speechbrain_source_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"encoder.source='.*nowhere' could not be loaded"):
        SpeechBrainEncoder(str(tmp_path / "nowhere"), savedir=str(tmp_path / "kept"))
