from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from alerting_assets.evaluation import decide
from alerting_assets_tests.examples import compiled

pytestmark = pytest.mark.unit


def result(value: Any) -> pa.Table:
    return pa.table({"cost": pa.array([value])})


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        ("GREATER_THAN", "OK", "OK", "TRIGGERED"),
        ("GREATER_THAN_OR_EQUAL", "OK", "TRIGGERED", "TRIGGERED"),
        ("LESS_THAN", "TRIGGERED", "OK", "OK"),
        ("LESS_THAN_OR_EQUAL", "TRIGGERED", "TRIGGERED", "OK"),
        ("EQUAL", "OK", "TRIGGERED", "OK"),
        ("NOT_EQUAL", "TRIGGERED", "OK", "TRIGGERED"),
    ],
)
@pytest.mark.parametrize("kind", [int, float, Decimal])
def test_numbers_compare(operator: str, below: str, equal: str, above: str, kind: type) -> None:
    alert = compiled(operator=operator)
    assert [decide(alert, result(kind(value))).state for value in (99, 100, 101)] == [below, equal, above]


@pytest.mark.parametrize("operator", ["GREATER_THAN", "LESS_THAN", "EQUAL", "NOT_EQUAL"])
def test_null_meets_no_comparison(operator: str) -> None:
    decision = decide(compiled(operator=operator), result(None))
    assert (decision.state, decision.threshold_met, decision.row_count) == ("OK", False, 1)


def test_null_meets_is_null_and_a_value_meets_is_not_null() -> None:
    is_null, is_not_null = (compiled(operator=name, threshold_value_double=None) for name in ("IS_NULL", "IS_NOT_NULL"))
    assert [decide(is_null, result(value)).state for value in (None, 0)] == ["TRIGGERED", "OK"]
    assert [decide(is_not_null, result(value)).state for value in (None, 0)] == ["OK", "TRIGGERED"]


@pytest.mark.parametrize("state", ["OK", "TRIGGERED", "ERROR"])
@pytest.mark.parametrize("operator", ["GREATER_THAN", "IS_NULL"])
def test_an_empty_result_is_what_the_alert_says(state: str, operator: str) -> None:
    threshold = None if operator == "IS_NULL" else 1.0
    decision = decide(
        compiled(operator=operator, threshold_value_double=threshold, empty_result_state=state), result(0).slice(1)
    )
    assert (decision.state, decision.value, decision.row_count, bool(decision.error)) == (
        state,
        None,
        0,
        state == "ERROR",
    )


def test_strings_and_booleans_compare_by_equality() -> None:
    string = compiled(operator="EQUAL", threshold_value_double=None, threshold_value_string="FAILED")
    boolean = compiled(operator="NOT_EQUAL", threshold_value_double=None, threshold_value_bool=True)
    assert [decide(string, result(value)).state for value in ("FAILED", "failed")] == ["TRIGGERED", "OK"]
    assert [decide(boolean, result(value)).state for value in (True, False)] == ["OK", "TRIGGERED"]


@pytest.mark.parametrize("value", ["101", True, b"x"])
def test_a_value_of_another_kind_is_an_error_and_not_a_guess(value: Any) -> None:
    decision = decide(compiled(), result(value))
    assert decision.state == "ERROR"
    assert "cannot be compared with the threshold 100.0" in (decision.error or "")


def test_a_result_without_the_column_is_an_error_that_names_it() -> None:
    decision = decide(compiled(), pa.table({"other": [1]}))
    assert (decision.state, decision.error) == ("ERROR", "the result has no column 'cost'; it has other")


@pytest.mark.parametrize(
    ("value", "number", "text"),
    [(1.5, 1.5, None), (Decimal("2.5"), 2.5, None), (True, 1.0, "true"), ("x", None, "x"), (None, None, None)],
)
def test_the_value_is_recorded_as_a_number_where_it_is_one(value: Any, number: float | None, text: str | None) -> None:
    decision = decide(compiled(operator="IS_NOT_NULL", threshold_value_double=None), result(value))
    assert (decision.number, decision.text) == (number, text)
