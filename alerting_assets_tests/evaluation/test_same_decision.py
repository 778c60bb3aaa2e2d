"""Our decision and the deployed alert's, which the local workspace takes from nothing but the body that was sent."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerting_assets.alerts.operators import OPERATORS, EmptyResultState, Operator, ValueType
from alerting_assets.evaluation import decide
from alerting_assets.workspace.local.evaluate import evaluate
from alerting_assets_tests.examples import compiled

pytestmark = pytest.mark.unit

numbers = (
    st.floats()
    | st.integers(-(2**53), 2**53)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-1e6, max_value=1e6)
)
texts = st.text(max_size=5)
values = st.none() | numbers | texts | st.booleans()


NATIVE = [operator for operator in Operator if OPERATORS[operator].native]
"""The others are decided by the query itself: test_operators.py."""


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    operator = draw(st.sampled_from(NATIVE))
    threshold: dict[str, Any] = {"threshold_value_double": None}
    if kinds := sorted(OPERATORS[operator].value_types):
        match draw(st.sampled_from(kinds)):
            case ValueType.NUMBER:
                threshold = {"threshold_value_double": draw(st.floats(allow_nan=False, allow_infinity=False))}
            case ValueType.STRING:
                threshold |= {"threshold_value_string": draw(texts)}
            case _:
                threshold |= {"threshold_value_bool": draw(st.booleans())}
    return {
        "operator": operator.value,
        **threshold,
        "empty_result_state": draw(st.sampled_from(EmptyResultState)).value,
    }


@given(condition=conditions(), value=values, rows=st.integers(0, 1))
@example(condition={"operator": "EQUAL", "threshold_value_double": 1.0}, value=True, rows=1)
@example(condition={"operator": "NOT_EQUAL", "threshold_value_double": 1.0}, value=float("nan"), rows=1)
def test_own_evaluation_decides_exactly_as_the_deployed_alert(condition: dict[str, Any], value: Any, rows: int) -> None:
    alert = compiled(**condition)
    result = pa.table({"cost": pa.array([value])}).slice(0, rows)
    theirs = evaluate({**alert.body("0" * 32), "id": "1"}, lambda _: result, datetime(2026, 1, 1, tzinfo=UTC))
    assert decide(alert, result).state.value == theirs.state
