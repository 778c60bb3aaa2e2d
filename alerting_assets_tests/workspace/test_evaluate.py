"""What the workspace decides for a deployed alert."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from alerting_assets.workspace.local.evaluate import evaluate
from alerting_assets.workspace.local.store import Evaluation
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import sqlite_runner

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


def evaluated(table: dict[str, list[Any]], **evaluation: Any) -> Evaluation:
    body = alert_body(id="a-1", **{f"evaluation__{name}": value for name, value in evaluation.items()})
    return evaluate(body, lambda _: pa.table(table), NOW)


def compared(value: Any, operator: str, **threshold: Any) -> str:
    found = {"value": threshold} if threshold else None
    return evaluated({"cost": [value]}, comparison_operator=operator, threshold=found).state


@pytest.mark.parametrize(
    ("value", "operator", "threshold", "met"),
    [
        (5.0, "GREATER_THAN", 4, True),
        (5.0, "GREATER_THAN", 5, False),
        (5, "GREATER_THAN_OR_EQUAL", 5, True),
        (Decimal("4.99"), "LESS_THAN", 5, True),
        (5, "LESS_THAN", 5, False),
        (5, "LESS_THAN_OR_EQUAL", 5, True),
        (0, "EQUAL", 0, True),
        (0.1, "NOT_EQUAL", 0.1, False),
        ("FAILED", "EQUAL", "FAILED", True),
        ("failed", "EQUAL", "FAILED", False),
        ("OK", "NOT_EQUAL", "FAILED", True),
        (True, "EQUAL", True, True),
        (False, "EQUAL", True, False),
    ],
)
def test_numbers_strings_and_booleans_are_compared_with_their_kind(
    value: Any, operator: str, threshold: Any, met: bool
) -> None:
    kind = (
        "bool_value"
        if isinstance(threshold, bool)
        else "string_value"
        if isinstance(threshold, str)
        else "double_value"
    )
    assert compared(value, operator, **{kind: threshold}) == ("TRIGGERED" if met else "OK")


@pytest.mark.parametrize("operator", ["EQUAL", "NOT_EQUAL", "GREATER_THAN", "LESS_THAN_OR_EQUAL"])
def test_null_meets_nothing_but_is_null(operator: str) -> None:
    assert compared(None, operator, double_value=1.0) == "OK"


def test_is_null_and_is_not_null_need_no_threshold() -> None:
    assert compared(None, "IS_NULL") == "TRIGGERED"
    assert compared(0, "IS_NULL") == "OK"
    assert compared(0, "IS_NOT_NULL") == "TRIGGERED"
    assert compared(None, "IS_NOT_NULL") == "OK"


@pytest.mark.parametrize("value", ["5", True])
def test_a_value_of_another_kind_than_the_threshold_is_an_error(value: Any) -> None:
    found = evaluated({"cost": [value]})
    assert found.state == "ERROR"
    assert "cannot be compared" in (found.error or "")


@pytest.mark.parametrize("state", ["OK", "TRIGGERED", "ERROR", "UNKNOWN"])
def test_an_empty_result_takes_the_state_that_the_alert_names(state: str) -> None:
    assert evaluated({"cost": []}, empty_result_state=state).state == state


def test_the_first_row_decides_and_the_column_is_found_in_any_case() -> None:
    found = evaluated({"other": [1, 2], "COST": [120.0, 1.0]})
    assert (found.state, found.value, found.row_count) == ("TRIGGERED", 120.0, 2)


def test_a_missing_column_and_a_failing_query_are_errors_that_say_why() -> None:
    assert "no column 'cost'; it has other" in (evaluated({"other": [1]}).error or "")
    found = evaluate(alert_body(id="a-1", query_text="SELECT FROM"), sqlite_runner, NOW)
    assert (found.state, found.value) == ("ERROR", None)
    assert "syntax error" in (found.error or "")


def test_a_column_can_be_the_threshold() -> None:
    found = evaluated({"cost": [5], "budget": [4]}, threshold={"column": {"name": "budget"}})
    assert found.state == "TRIGGERED"


def test_an_aggregation_is_wrapped_around_the_text_as_it_is() -> None:
    source = {"name": "cost", "aggregation": "SUM"}
    body = alert_body(id="a-1", query_text="SELECT 60 AS cost UNION ALL SELECT 70", evaluation__source=source)
    assert evaluate(body, sqlite_runner, NOW).value == 130
    empty = {**body, "query_text": "SELECT 1 AS cost WHERE 1 = 0"}
    assert (evaluate(empty, sqlite_runner, NOW).state, evaluate(empty, sqlite_runner, NOW).row_count) == ("OK", 1)
    commented = {**body, "query_text": "SELECT 60 AS cost -- all of it"}
    assert evaluate(commented, sqlite_runner, NOW).state == "ERROR"


def test_a_display_name_beside_the_name_never_fires() -> None:
    assert evaluated({"cost": [500.0]}, source={"name": "cost", "display": "Cost"}).state == "OK"
    assert evaluated({"cost": [500.0]}, source={"name": "cost", "display": "cost"}).state == "TRIGGERED"


def test_an_evaluation_says_when_and_what_it_saw() -> None:
    found = evaluated({"cost": [math.nan]})
    assert (found.alert_id, found.evaluated_at, found.value) == ("a-1", "2026-11-01T12:30:00.000Z", "nan")
