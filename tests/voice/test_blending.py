"""Voices between others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.voice.blending import blend


def test_a_blend_lies_between_and_nearer_to_the_heavier() -> None:
    ana, bo = [row / np.linalg.norm(row) for row in np.random.default_rng(0).standard_normal((2, 16))]
    middle, near = blend([ana, bo], [1, 1]), blend([ana, bo], [3.0, 1.0])
    assert np.linalg.norm(middle) == pytest.approx(1)
    assert float(middle @ ana) == pytest.approx(float(middle @ bo), abs=1e-6)
    assert float(near @ ana) > float(middle @ ana)
    np.testing.assert_allclose(blend([ana, bo], [30, 10]), near, rtol=1e-6)
    np.testing.assert_allclose(blend([5 * ana], [0.1]), ana, rtol=1e-6)


@pytest.mark.parametrize("weight", [0, -1.0, math.nan, math.inf, "much", None])
def test_weights_that_are_none(weight: object) -> None:
    with pytest.raises(SovitsError, match="not a number above 0"):
        blend([np.ones(4), np.ones(4)], [1.0, weight])  # type: ignore[list-item]


def test_what_leaves_no_voice() -> None:
    with pytest.raises(SovitsError, match="cancel each other out"):
        blend([np.ones(4), -np.ones(4)], [1.0, 1.0])
    with pytest.raises(SovitsError, match="no voice to blend"):
        blend([], [])
