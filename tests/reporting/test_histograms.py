"""Histograms in a page: every clip counted once, limits where they belong, round edges."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sovits.reporting.histograms import bin_edges, histogram, nice_step
from sovits.reporting.measures import MEASURES, Measure

SNR = next(measure for measure in MEASURES if measure.name == "snr")


@pytest.mark.parametrize("seed", range(40))
def test_bins_are_even_and_hold_the_middle_and_the_limits(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scale = 10.0 ** generator.integers(-3, 5)
    values = list(generator.normal(generator.normal(), 1.0, generator.integers(1, 60)) * scale)
    limits = list(generator.normal(0, 3, seed % 3) * scale)
    edges = bin_edges(values, limits)
    steps = np.diff(edges)
    assert 1 <= len(steps) <= 24
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    room = 1e-6 * max(1.0, np.abs(edges).max())
    assert edges[0] <= min([*np.percentile(values, [1]), *limits]) + room
    assert edges[-1] >= max([*np.percentile(values, [99]), *limits]) - room


@pytest.mark.parametrize(("least", "step"), [(1.0, 1.0), (1.1, 2.0), (2.2, 2.5), (0.03, 0.05), (0.3, 0.5), (60.0, 100.0)])
def test_steps_are_round(least: float, step: float) -> None:
    assert nice_step(least) == pytest.approx(step)


def test_every_clip_is_counted_once_in_its_colour() -> None:
    generator = np.random.default_rng(0)
    kept, quarantined = generator.normal(30, 4, 200), generator.normal(8, 3, 40)
    drawn = histogram(SNR, list(kept), [*quarantined, -500.0], {"min": 12.0})
    titles = re.findall(r"(\d+) kept, (\d+) quarantined</title>", drawn)
    assert sum(int(below) for below, _ in titles) == 200
    assert sum(int(above) for _, above in titles) == 41
    assert "200 kept and 41 quarantined" in drawn
    assert drawn.count("class='kept'") == sum(below != "0" for below, _ in titles)
    assert drawn.count("class='out'") == sum(above != "0" for _, above in titles)


def test_the_limit_is_drawn_between_what_it_parts() -> None:
    drawn = histogram(SNR, [20.0, 24.0], [4.0], {"min": 12.0, "max": 30.0})
    least, most = sorted(float(x) for x in re.findall(r"class='limit' d='M([\d.]+)", drawn))
    bars = {kind: [float(x) for x in re.findall(rf"class='{kind}' x='([\d.]+)'", drawn)] for kind in ("kept", "out")}
    assert max(bars["out"]) < least < min(bars["kept"]) <= max(bars["kept"]) < most
    assert "≥ 12" in drawn
    assert "≤ 30" in drawn
    assert drawn.count("class='refused'") == 2


def test_one_value_is_one_bar() -> None:
    drawn = histogram(Measure("x", "x", "", "what it is"), [3.4] * 7, [], {})
    assert drawn.count("<rect") == 1
    assert "7 kept, 0 quarantined" in drawn
