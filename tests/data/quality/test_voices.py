"""The voice of a speaker, and which clips are not in it."""

from __future__ import annotations

import numpy as np
import pytest

from sovits.data.quality.voices import mean_voice, voice_distances
from sovits.errors import SovitsError


def clips(random: np.random.Generator, voice: np.ndarray, count: int, spread: float = 0.3) -> np.ndarray:
    """[count, E] unit vectors around ``voice``; their mean cosine with it is about 1 / sqrt(1 + spread ** 2)."""
    scattered = voice + spread * random.standard_normal((count, voice.size)) / np.sqrt(voice.size)
    return scattered / np.linalg.norm(scattered, axis=1, keepdims=True)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def voices(random: np.random.Generator) -> np.ndarray:
    """Two people's, 0.6 alike, as Resemblyzer's are."""
    first, second = np.linalg.qr(random.standard_normal((256, 2)))[0].T
    return np.stack([first, 0.6 * first + 0.8 * second])


def test_plain_mean_is_the_direction_of_the_sum(random: np.random.Generator) -> None:
    rows = random.standard_normal((7, 5))
    expected = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
    voice = mean_voice(rows, robust=False)
    assert voice.dtype == np.float32
    np.testing.assert_allclose(voice, expected / np.linalg.norm(expected), atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.4])
def test_robust_mean_does_not_move_with_a_minority(random: np.random.Generator, voices: np.ndarray, share: float) -> None:
    own = clips(random, voices[0], round(60 * (1 - share)))
    rows = np.concatenate([own, clips(random, voices[1], round(60 * share))])
    clean = mean_voice(own, robust=False)
    assert mean_voice(rows) @ clean > 0.999
    if share >= 0.25:
        assert mean_voice(rows, robust=False) @ clean < 0.99


def test_robust_mean_of_one_voice_is_nearly_the_mean(random: np.random.Generator, voices: np.ndarray) -> None:
    rows = clips(random, voices[0], 200)
    assert mean_voice(rows) @ mean_voice(rows, robust=False) > 0.9999


def test_silent_clips_do_not_count(random: np.random.Generator, voices: np.ndarray) -> None:
    rows = clips(random, voices[0], 5)
    np.testing.assert_allclose(mean_voice(np.concatenate([rows, np.zeros((9, 256))])), mean_voice(rows), atol=1e-6)
    with pytest.raises(SovitsError, match="None of 3 clips"):
        mean_voice(np.zeros((3, 256)))


@pytest.mark.parametrize("rows", [np.zeros((0, 4)), np.ones(4), np.full((2, 4), np.nan)])
def test_what_is_no_table_of_numbers(rows: np.ndarray) -> None:
    with pytest.raises(SovitsError, match="finite numbers"):
        mean_voice(rows)


def test_opposite_voices_cancel_out() -> None:
    with pytest.raises(SovitsError, match="cancel"):
        mean_voice(np.array([[1.0, 0.0], [-1.0, 0.0]]), robust=False)


def test_another_persons_clips_are_far_away(random: np.random.Generator, voices: np.ndarray) -> None:
    rows = np.concatenate([clips(random, voices[0], 12), clips(random, voices[1], 4)])
    embeddings = {f"ann/{number}": row for number, row in enumerate(rows)}
    distances = voice_distances(embeddings, dict.fromkeys(embeddings, "ann"))
    assert list(distances) == list(embeddings)
    own, others = list(distances.values())[:12], list(distances.values())[12:]
    assert max(own) < 0.1 < 0.3 < min(others)


def test_distance_is_to_the_other_clips(random: np.random.Generator, voices: np.ndarray) -> None:
    """Against a loop that leaves each clip out by hand."""
    rows = clips(random, voices[0], 9)
    embeddings = {str(number): row for number, row in enumerate(rows)}
    distances = voice_distances(embeddings, dict.fromkeys(embeddings, "ann"))
    for number, row in enumerate(rows):
        rest = mean_voice(np.delete(rows, number, axis=0), robust=False)
        assert distances[str(number)] == pytest.approx(1 - row @ rest, abs=1e-5)


def test_speakers_apart_and_clips_alone(voices: np.ndarray) -> None:
    embeddings = {"a/1": voices[0], "b/1": voices[1], "b/2": voices[1], "c/1": voices[0], "c/2": np.zeros(256), "a/2": voices[0] * 3}
    distances = voice_distances(embeddings, {name: name[0] for name in embeddings})
    assert distances == {"a/1": 0.0, "b/1": 0.0, "b/2": 0.0, "c/1": None, "c/2": None, "a/2": 0.0}
    assert list(distances) == list(embeddings)


def test_two_clips_of_two_people_are_equally_far(voices: np.ndarray) -> None:
    distances = voice_distances({"a": voices[0], "b": voices[1]}, {"a": "x", "b": "x"})
    assert distances["a"] == distances["b"] == pytest.approx(0.4, abs=1e-6)


def test_mistaken_input(voices: np.ndarray) -> None:
    with pytest.raises(SovitsError, match="'b' has a voice but no speaker"):
        voice_distances({"a": voices[0], "b": voices[1]}, {"a": "x"})
    with pytest.raises(SovitsError, match="same voice encoder"):
        voice_distances({"a": voices[0], "b": voices[1][:100]}, {"a": "x", "b": "x"})


def test_many_clips_of_one_speaker(random: np.random.Generator, voices: np.ndarray) -> None:
    """A square table of distances would take 3 GB."""
    rows = clips(random, voices[0], 20000).astype(np.float32)
    embeddings = {str(number): row for number, row in enumerate(rows)}
    distances = voice_distances(embeddings, dict.fromkeys(embeddings, "ann"))
    assert sum(distance is not None and distance < 0.1 for distance in distances.values()) == 20000
