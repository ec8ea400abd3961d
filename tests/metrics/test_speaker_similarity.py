"""Speaker similarity against cosines summed by hand, on one rank and on two."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from sovits.audio.waveform import read_waveform
from sovits.errors import SovitsError
from sovits.metrics import RememberingEncoder, ResemblyzerEncoder, SpeakerSimilarity, SpeechBrainEncoder, similarity_to_others
from tests.published_encoders import write_published_encoder

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


def test_equals_cosines_summed_one_by_one() -> None:
    metric = SpeakerSimilarity(["a", "b", "absent"], FirstSamples())
    synthetic, real = clips(7, 0), clips(7, 1)
    speakers = list("aabbbaa")
    metric.update(synthetic, real, RATE, speakers)
    figures = metric.compute()
    for speaker in "ab":
        own = [i for i, name in enumerate(speakers) if name == speaker]
        cross = np.mean([unit(synthetic[i]) @ unit(real[j]) for i, j in itertools.permutations(own, 2)])
        within = np.mean([unit(real[i]) @ unit(real[j]) for i, j in itertools.permutations(own, 2)])
        paired = np.mean([unit(synthetic[i]) @ unit(real[i]) for i in own])
        assert figures[f"speaker_similarity/{speaker}"].item() == pytest.approx(cross, abs=1e-6)
        assert figures[f"speaker_similarity_real/{speaker}"].item() == pytest.approx(within, abs=1e-6)
        assert figures[f"speaker_similarity_same_sentence/{speaker}"].item() == pytest.approx(paired, abs=1e-6)
        others = np.stack([unit(real[i]) for i in own])
        rows = [similarity_to_others(unit(synthetic[i]), others, own=place) for place, i in enumerate(own)]
        assert np.mean(rows) == pytest.approx(cross, abs=1e-6)
    mean = (figures["speaker_similarity/a"] + figures["speaker_similarity/b"]) / 2
    assert figures["speaker_similarity"].item() == pytest.approx(mean.item())
    assert not any("absent" in name for name in figures)


def test_perfect_synthesis_scores_what_the_speaker_scores() -> None:
    metric = SpeakerSimilarity(["a"], FirstSamples())
    real = clips(5, 2)
    metric.update(real, real, RATE, ["a"] * 5)
    figures = metric.compute()
    assert figures["speaker_similarity"].item() == pytest.approx(figures["speaker_similarity_real"].item(), abs=1e-9)
    assert figures["speaker_similarity_same_sentence"].item() == pytest.approx(1.0, abs=1e-6)


def test_two_ranks_add_up_to_one() -> None:
    synthetic, real, speakers = clips(9, 3), clips(9, 4), list("abcabcabc")
    together, left, right = (SpeakerSimilarity(list("abc"), FirstSamples()) for _ in range(3))
    together.update(synthetic, real, RATE, speakers)
    left.update(synthetic[:4], real[:4], RATE, speakers[:4])
    right.update(synthetic[4:], real[4:], RATE, speakers[4:])
    left.merge_state(right)
    for name, value in together.compute().items():
        assert left.compute()[name].item() == pytest.approx(value.item(), abs=1e-12), name


def test_recordings_without_a_synthetic_clip_only_widen_the_comparison() -> None:
    metric = SpeakerSimilarity(["a"], FirstSamples())
    (synthetic,), real = clips(1, 5), clips(3, 6)
    metric.update([synthetic, None, None], real, RATE, ["a"] * 3)
    figures = metric.compute()
    assert figures["speaker_similarity"].item() == pytest.approx(np.mean([unit(synthetic) @ unit(clip) for clip in real[1:]]), abs=1e-6)
    metric.reset()
    metric.update([synthetic], real[:1], RATE, ["a"])
    assert np.isnan(metric.compute()["speaker_similarity"].item()), "one recording leaves no other sentence to compare with"


def test_silence_has_no_voice() -> None:
    encoder = ResemblyzerEncoder()
    for clip in (np.zeros(RATE), np.zeros(0), np.full(RATE, 1e-6)):
        assert not encoder(clip.astype(np.float32)).any()
    metric = SpeakerSimilarity(["a"], encoder)
    real = clips(2, 7)
    metric.update([np.zeros(RATE), torch.zeros(1, 1, 800)], real, RATE, ["a", "a"])
    assert metric.compute()["speaker_similarity"].item() == 0.0


@pytest.mark.parametrize("samples", [1, 100, 1600, 7999])
def test_very_short_clips_are_embedded(samples: int) -> None:
    embedding = ResemblyzerEncoder()(np.random.default_rng(0).uniform(-1, 1, samples).astype(np.float32))
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)


def test_diverged_audio_and_unknown_speakers_are_refused() -> None:
    metric = SpeakerSimilarity(["a"], FirstSamples())
    with pytest.raises(SovitsError, match="NaN or infinite"):
        metric.update([np.full(9, np.nan)], clips(1, 0), RATE, ["a"])
    with pytest.raises(SovitsError, match="was given 'b'"):
        metric.update(clips(1, 0), clips(1, 0), RATE, ["b"])


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
    encoder = ResemblyzerEncoder()
    metric = SpeakerSimilarity(speakers, encoder)
    for speaker, other in zip(speakers, [*speakers[1:], speakers[0]], strict=True):
        own = sorted((real_speech / speaker).glob("*.flac"))[:3]
        wrong = sorted((real_speech / other).glob("*.flac"))[:3]
        read = [[read_waveform(path, 22050, end=4.0) for path in paths] for paths in (wrong, own)]
        metric.update(*read, 22050, [speaker] * 3)
    figures = metric.compute()
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
