"""The chart of the last evaluations, as a terminal shows it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.explanation import chart_of
from alerting_assets.explanation.facts import Line
from alerting_assets_tests.explanation.evaluations import evaluated

pytestmark = pytest.mark.unit


def test_values_stand_above_and_below_their_threshold() -> None:
    values = [10.0, 20.0, 90.0, None, 80.0, 40.0]
    states = ["OK", "OK", "TRIGGERED", "ERROR", "TRIGGERED", "OK"]
    evaluations = [
        evaluated(hour, value, status) for hour, (value, status) in enumerate(zip(values, states, strict=True))
    ]
    chart = chart_of(evaluations, [Line(50.0, "threshold"), Line(30.0, "recovery")])
    assert chart is not None
    assert chart.text.split("\n") == [
        "90 ┤     ●",
        "   │         ●",
        "   │",
        "   │",
        "50 ┤─────────────",
        "   │           ○",
        "30 ┤┄┄┄┄┄┄┄┄┄┄┄┄┄",
        "   │   ○",
        "10 ┤ ○",
        "   └─────────────",
        "           ×",
        "    03-01 08:00 03-01 13:00",
        "    ● fires   ○ OK   × error   ─ threshold 50   ┄ recovery 30   UTC",
    ]


def test_a_value_a_little_above_its_threshold_is_seen_above_it() -> None:
    values = [0.0, 51.0, 49.0, 50.0, 100.0]
    chart = chart_of([evaluated(hour, value, "OK") for hour, value in enumerate(values)], [Line(50.0, "threshold")])
    assert chart is not None
    assert chart.text.split("\n")[3:6] == ["    │   ○", " 50 ┤───────○───", "    │     ○"]


def test_in_ascii_marks_differ_by_their_shape() -> None:
    chart = chart_of(
        [evaluated(0, 1.0, "OK"), evaluated(1, 3.0, "TRIGGERED")], [Line(2.0, "threshold")], ascii_only=True
    )
    assert chart is not None
    assert chart.text.isascii()
    assert chart.text.count("#") == 2, "one in the chart, one in the legend"


@pytest.mark.parametrize("values", [[], [1.0], [1.0, None], [math.nan, math.inf, 1.0]])
def test_fewer_than_two_numbers_are_no_chart(values: list[float | None]) -> None:
    assert chart_of([evaluated(hour, value, "OK") for hour, value in enumerate(values)]) is None


@given(
    st.lists(
        st.tuples(st.none() | st.floats(), st.sampled_from(["OK", "TRIGGERED", "ERROR", "SUPPRESSED", "?"])),
        max_size=120,
    ),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2),
    st.integers(60, 120),
)
def test_any_values_fit(rows: list[tuple[float | None, str]], limits: list[float], width: int) -> None:
    evaluations = [evaluated(hour, value, status) for hour, (value, status) in enumerate(rows)]
    chart = chart_of(evaluations, [Line(value, "threshold") for value in limits], width=width)
    if chart is not None:
        drawn = [line for line in chart.lines if any(cell.kind != "frame" for cell in line)][:-1]  # all but the legend
        assert all(sum(len(cell.text) for cell in line) <= width for line in drawn)


def test_the_newest_are_shown_where_not_all_fit() -> None:
    evaluations = [evaluated(hour, float(hour), "OK") for hour in range(300)]
    chart = chart_of(evaluations, width=60)
    assert chart is not None
    assert "03-13 19:00" in chart.text
    assert "03-01" not in chart.text
