"""What the deployed text decides, on the embedded engine, against a decision in plain Python that knows only the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.operators import Operator
from alerting_assets.lakehouse.scratch import ScratchEngine
from alerting_assets_tests.decisions import EDGES, HOUR, NOW, cases, decided, edge_case, expected, model_cases
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def engine() -> Iterator[ScratchEngine]:
    with ScratchEngine() as scratch:
        yield scratch


@pytest.mark.parametrize("operator", Operator)
@examples(15, 100)
@given(data=st.data())
def test_the_deployed_query_decides_as_the_documentation_says(
    engine: ScratchEngine, operator: Operator, data: st.DataObject
) -> None:
    case = data.draw(cases(operator))
    decision = decided(engine.query, case)
    assert (decision.state.value, decision.threshold_met) == expected(case)


def test_edges_are_decided_as_the_documentation_says(engine: ScratchEngine) -> None:
    wrong = []
    for case in [*(edge_case(*edge) for edge in EDGES), *model_cases()]:
        decision = decided(engine.query, case)
        if (decision.state.value, decision.threshold_met) != expected(case):
            wrong.append((case, decision, expected(case)))
    assert wrong == []


ON_TIME = [
    {"operator": "GREATER_THAN", "threshold_value_double": 10.0, "for_evaluations": 3},
    {"operator": "BETWEEN", "threshold_value_min": 5.0, "threshold_value_max": 15.0, "for_evaluations": 2},
    {"operator": "GREATER_THAN", "threshold_value_double": 10.0, "recovery_threshold_double": 5.0},
    {
        "operator": "LESS_THAN",
        "threshold_value_double": 5.0,
        "recovery_threshold_double": 10.0,
        "for_evaluations": 2,
    },
    *(
        {"operator": "CHANGES_BY", "threshold_value_double": 50.0, "change_direction": direction, **lookback}
        for direction in ("INCREASE", "EITHER")
        for lookback in ({}, {"change_lookback_seconds": 3 * HOUR})
    ),
]


@examples(12, 200)
@given(
    condition=st.sampled_from(ON_TIME),
    value=st.sampled_from([4.0, 7.0, 12.0, 20.0]),
    past=st.lists(
        st.tuples(st.sampled_from([4.0, 7.0, 12.0, 20.0]), st.sampled_from(["OK", "TRIGGERED"]), st.booleans()),
        max_size=5,
    ),
    own=st.sampled_from(["OK", "TRIGGERED"]),
)
def test_it_does_not_matter_whose_evaluation_ran_a_minute_earlier(
    engine: ScratchEngine, condition: dict[str, Any], value: float, past: Sequence[tuple[float, str, bool]], own: str
) -> None:
    """Earlier evaluations came each hour. The workspace decides now; ours, with any outcome, came a minute before, or comes after."""
    history = [
        {"at": NOW - timedelta(hours=hours), "status": status, "met": met, "value": number}
        for hours, (number, status, met) in enumerate(past, 1)
    ]
    fields = {"threshold_value_double": None, "aggregation_type": None, "empty_result_state": "OK", **condition}
    case = {"fields": fields, "column": "double", "rows": [value], "history": history}
    ours = {"at": NOW, "status": own, "met": own == "TRIGGERED", "value": 1000.0}
    alone = decided(engine.query, case)
    after_ours = decided(engine.query, {**case, "history": [*history, {**ours, "at": NOW - timedelta(minutes=1)}]})
    a_minute_later = decided(engine.query, {**case, "history": [*history, ours]}, NOW + timedelta(minutes=1))
    a_minute_earlier = decided(engine.query, case, NOW - timedelta(minutes=1))
    assert {alone.state, after_ours.state, a_minute_later.state, a_minute_earlier.state} == {alone.state}
