"""A comparison as a picture: every setting with its interval, in its place."""

from __future__ import annotations

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.reporting.comparison import Comparison, compare
from sovits.reporting.comparison_figure import comparison_figure
from sovits.reporting.run_finding import find_runs
from sovits.reporting.statistics import Statistics
from tests.reporting.planted_runs import Planted

SIZES = (512, 192, 256)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("sweep")
    for size in SIZES:
        planted = Planted([f"embedding_size={size}"], lambda _, clip, size=size: size / 1000 + 0.01 * clip, sound=False)  # type: ignore[misc]
        planted.write(folder / str(size))
    return compare(find_runs([str(folder)], False), Statistics(100, 100, 0.95, "figure", 0), [], False, None)


def test_values_stand_over_their_numbers_in_order(comparison: Comparison) -> None:
    picture = comparison_figure(comparison, ["similarity", "mos"], "embedding_size")
    assert len(picture.axes) == 2
    line = picture.axes[0].containers[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), sorted(SIZES))
    # Mean of the speakers' means: clips 0 to 2 of one, 3 and 4 of the other.
    np.testing.assert_allclose(np.asarray(line.get_ydata(), dtype=float), np.array(sorted(SIZES)) / 1000 + 0.01 * (1 + 3.5) / 2)
    assert picture.axes[0].get_title() == "voice\n(more is better)"


def test_without_a_number_settings_stand_one_below_the_other(comparison: Comparison) -> None:
    picture = comparison_figure(comparison, ["similarity", "mos", "mel", "mel"])
    assert len(picture.axes) == 4
    labels = [label.get_text() for label in picture.axes[0].get_yticklabels()]
    assert labels == [setting.label for setting in comparison.settings]
    assert picture.axes[0].get_ylim()[0] > picture.axes[0].get_ylim()[1], "the first on top"


def test_what_cannot_be_drawn_is_named(comparison: Comparison) -> None:
    with pytest.raises(SovitsError, match="have no figure loudness; they have similarity, mos, mel"):
        comparison_figure(comparison, ["loudness"])
    with pytest.raises(SovitsError, match="data.root is outputs/prepared/set in one of these settings"):
        comparison_figure(comparison, ["mos"], "data.root")
