"""Cepstra against their definition, and the warping against sounds that were stretched on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from sovits.metrics.warping import SAMPLE_RATE, align, cepstra_of, mel_cepstra, speech_edges, warping_path
from tests.readings import reading
from tests.sounds import glide

RATE = SAMPLE_RATE


def test_cepstra_are_the_cosines_of_the_log_amplitude() -> None:
    bands = np.arange(40)
    cosines = np.stack([np.cos(np.pi * order * (bands + 0.5) / 40) for order in range(14)])
    coefficients = np.random.default_rng(0).normal(size=(5, 14))
    log_amplitude = coefficients @ cosines
    assert cepstra_of(2 * log_amplitude) == pytest.approx(coefficients[:, 1:], abs=1e-12)


def test_cepstra_do_not_hear_loudness() -> None:
    sound = glide(150, 250, 0.5, RATE)
    assert mel_cepstra(sound).shape == (50, 13)
    assert mel_cepstra(0.1 * sound) == pytest.approx(mel_cepstra(sound), abs=1e-3)


def test_a_path_finds_the_frames_that_were_repeated() -> None:
    first = np.random.default_rng(0).normal(size=(20, 13))
    path = warping_path(np.repeat(first, 2, axis=0), first)
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [39, 19]
    assert (path[:, 0] // 2 == path[:, 1]).all()
    assert {(step[0], step[1]) for step in np.diff(path, axis=0)} <= {(0, 1), (1, 0), (1, 1)}


def test_silent_edges_are_cut_off() -> None:
    sound = glide(150, 250, 0.5, RATE)
    padded = np.concatenate([np.zeros(RATE // 2), sound, np.zeros(RATE // 4)]).astype(np.float32)
    edges = speech_edges(padded)
    assert edges.start == pytest.approx(RATE // 2, abs=RATE // 20)
    assert edges.stop == pytest.approx(RATE, abs=RATE // 20)


def test_a_reconstruction_is_laid_frame_by_frame_and_a_synthesis_is_not() -> None:
    recording, delayed = glide(150, 250, 0.6, RATE), glide(150, 250, 0.9, RATE)
    pair = reading("a/1", "a", recording, delayed, RATE, reconstruction=recording[: RATE // 2].copy())
    assert pair.reconstruction is not None
    rebuilt, spoken = align(pair.reconstruction, pair), align(delayed, pair)
    assert rebuilt is not None
    assert spoken is not None
    assert (rebuilt.path[:, 0] == rebuilt.path[:, 1]).all()
    assert len(rebuilt.sound) == len(rebuilt.recording)
    assert spoken.path[-1].tolist() == [len(spoken.sound_cepstra) - 1, len(spoken.recording_cepstra) - 1]
    assert len(spoken.sound) > 1.4 * len(spoken.recording)
    assert align(np.zeros(RATE, np.float32), pair) is None
    assert align(np.zeros(0, np.float32), pair) is None
