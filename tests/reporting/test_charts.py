"""Charts: well-formed, every point inside, and nothing drawn of what is not known."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from sovits.reporting.charts import WIDTH, Mark, Row, Series, interval_chart, line_chart
from sovits.reporting.statistics import Estimate


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def circles(svg: str) -> list[tuple[float, float]]:
    return [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in parsed(svg).iter("circle")]


def test_intervals_stand_in_order_beside_the_recordings() -> None:
    rows = [Row(Mark(0, "A", "lr=1 & <x>"), Estimate(1.0, 0.8, 1.1), (0.9, 1.1)), Row(Mark(9, "J", "lr=2"), Estimate(2.0))]
    svg = interval_chart("MOS <of> 'all'", rows, 2, reference=3.0)
    (low, _), (high, _) = circles(svg)
    assert 0 < low < high < WIDTH
    texts = ["".join(one.itertext()) for one in parsed(svg).iter("text")]
    assert {"A", "J", "recordings 3.00"} <= set(texts)
    titles = [one.text for one in parsed(svg).iter("title")]
    assert titles == ["lr=1 & <x>: 1.00 [0.80, 1.10]", "lr=2: 2.00"]
    assert len(re.findall("class='interval'", svg)) == 1
    assert "class='series s1 again'" in svg


def test_lines_go_from_left_to_right_and_leave_gaps_out() -> None:
    points = [Estimate(3.0, 2.5, 3.5), Estimate(1.0), Estimate(math.nan), Estimate(2.0)]
    svg = line_chart("t", [Series(Mark(0, "A", "a"), [4, 1, 3, 2], points)], "embedding_size", x_ticks=[1, 4], reference=Estimate(5.0))
    places = circles(svg)
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert len(places) == 3
    heights = [y for _, y in places]
    assert heights[0] > heights[1] > heights[2]
    texts = ["".join(one.itertext()) for one in parsed(svg).iter("text")]
    assert {"embedding_size", "1", "4", "recordings"} <= set(texts)


def test_many_points_are_a_line_without_dots() -> None:
    series = Series(Mark(0, "A", "a"), list(range(100)), [Estimate(float(n)) for n in range(100)])
    svg = line_chart("t", [series], "step")
    assert not circles(svg)
    assert svg.count("L") > 90


@pytest.mark.parametrize("value", [0.0, 5.0, -2.0, 1e6, 1e-9])
def test_a_single_value_has_an_axis_too(value: float) -> None:
    row = Row(Mark(0, "A", "a"), Estimate(value))
    assert 0 < circles(interval_chart("t", [row], 2))[0][0] < WIDTH
    assert parsed(line_chart("t", [Series(Mark(0, "A", "a"), [1.0], [Estimate(value)])], "x")) is not None
