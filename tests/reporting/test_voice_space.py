"""Voices as points: principal axes against numpy's eigenvectors, cosines against a double loop, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from sovits.reporting.voice_space import VoicePoint, mean_cosines, principal_plane, table_figure, voice_space_figure


def unit(*values: float) -> np.ndarray:
    vector = np.array(values)
    return vector / np.linalg.norm(vector)


POINTS = [
    VoicePoint("ana", "recording", unit(1, 0, 0)),
    VoicePoint("ana", "recording", unit(1, 1, 0)),
    VoicePoint("bo", "recording", unit(0, 0, 1)),
    VoicePoint("ana", "synthesis", unit(1, 0, 1)),
]


def test_the_plane_is_that_of_the_largest_eigenvectors() -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 6)) * [5, 3, 1, 1, 0.5, 0.1]
    coordinates, shares = principal_plane(vectors)
    variances, axes = np.linalg.eigh(np.cov(vectors.T))
    expected = (vectors - vectors.mean(0)) @ axes[:, [-1, -2]]
    np.testing.assert_allclose(np.abs(coordinates), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(shares, variances[[-1, -2]] / variances.sum())


@pytest.mark.parametrize("vectors", [np.ones((3, 4)), np.ones((1, 4)), np.array([[1.0], [2.0]])])
def test_too_little_to_make_a_plane_of_is_still_placed(vectors: np.ndarray) -> None:
    coordinates, shares = principal_plane(vectors)
    assert coordinates.shape == (len(vectors), 2)
    assert np.isfinite(coordinates).all()
    assert np.isfinite(shares).all()


def test_mean_cosines_leave_a_clip_with_itself_out() -> None:
    recordings = POINTS[:3]
    table = mean_cosines(recordings, recordings, ["ana", "bo"])
    assert table[0, 0] == pytest.approx(np.sqrt(0.5))
    assert table[0, 1] == pytest.approx(0.0)
    assert np.isnan(table[1, 1]), "one clip of bo leaves nothing to compare with"


def test_every_speaker_and_kind_is_in_the_legend_and_every_number_in_the_table() -> None:
    figure = voice_space_figure(POINTS, "voices")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ana, recording", "ana, synthesis", "bo, recording"]
    assert sum(len(drawn.get_offsets()) for drawn in figure.axes[0].collections) == len(POINTS)
    table = table_figure(np.array([[3.0, 1.0], [0.0, 4.0]]), ["ana", "bo"], ["ana", "bo"], digits=0)
    assert [text.get_text() for text in table.axes[0].texts] == ["3", "1", "0", "4"]
