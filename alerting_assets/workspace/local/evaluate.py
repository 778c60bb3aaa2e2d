"""Evaluates a deployed alert the way Databricks does, from nothing but the body that was deployed.

Deliberately shares no code with the product's own evaluation: the two check each other.
"""

from __future__ import annotations

import operator
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from alerting_assets.workspace.local import SqlRunner
from alerting_assets.workspace.local.alert_body import OPERATORS_WITHOUT_THRESHOLD, Body, value_at
from alerting_assets.workspace.local.rules import timestamp
from alerting_assets.workspace.local.sql_text import aggregated
from alerting_assets.workspace.local.store import Evaluation

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
}


class EvaluationError(Exception):
    """Ends an evaluation in the state ERROR; its text says why."""


def evaluate(body: Body, sql_runner: SqlRunner, now: datetime) -> Evaluation:
    """Evaluate the alert of this body. It never raises for what the alert or its query does: that is the state ERROR."""
    started = time.perf_counter()
    value: Any = None
    rows: int | None = None
    threshold: Any = None
    error: str | None = None
    try:
        result = _run(body, sql_runner)
        rows = result.num_rows
        value = _cell(result, value_at(body, "evaluation.source.name")) if rows else None
        threshold = _threshold(body["evaluation"], result)
        state = _decide(body["evaluation"], result, value, threshold)
    except EvaluationError as failure:
        state, error = "ERROR", str(failure)
    return Evaluation(
        alert_id=body["id"],
        evaluated_at=timestamp(now),
        state=state,
        value=_json_value(value),
        row_count=rows,
        duration_ms=round((time.perf_counter() - started) * 1000, 3),
        error=error,
        run_id=str(uuid.uuid4()),
        threshold=_json_value(threshold),
    )


def _run(body: Body, sql_runner: SqlRunner) -> pa.Table:
    source = body["evaluation"]["source"]
    text = body["query_text"]
    if source.get("aggregation"):
        text = aggregated(text, source["name"], source["aggregation"])
    try:
        return sql_runner(text)
    except Exception as error:
        raise EvaluationError(str(error) or type(error).__name__) from error


def _decide(evaluation: Body, result: pa.Table, value: Any, threshold: Any) -> str:
    if _is_renamed(evaluation):
        return "OK"  # the service rewrites the query for the display name, and then never finds the condition met
    if result.num_rows == 0:
        return str(evaluation.get("empty_result_state", "UNKNOWN"))
    comparison = evaluation["comparison_operator"]
    if comparison in OPERATORS_WITHOUT_THRESHOLD:
        return _state((value is None) == (comparison == "IS_NULL"))
    if value is None or threshold is None:
        return "OK"
    left, right = _comparable(value, threshold)
    return _state(_COMPARE[comparison](left, right))


def _state(met: bool) -> str:
    return "TRIGGERED" if met else "OK"


def _is_renamed(evaluation: Body) -> bool:
    name, display = evaluation["source"]["name"], evaluation["source"].get("display")
    return display is not None and display != name


def _threshold(evaluation: Body, result: pa.Table) -> Any:
    """What the value is compared with; None where that is nothing, or a column of a result that is not looked at."""
    threshold = evaluation.get("threshold", {})
    if evaluation["comparison_operator"] in OPERATORS_WITHOUT_THRESHOLD:
        return None
    if "column" not in threshold:
        return next(iter(threshold["value"].values()))
    looked_at = result.num_rows and not _is_renamed(evaluation)
    return _cell(result, threshold["column"]["name"]) if looked_at else None


def _cell(result: pa.Table, column: str) -> Any:
    """The value of a column in the first row. Names are found as SQL finds them, without regard to case."""
    for index, name in enumerate(result.column_names):
        if name.lower() == column.lower():
            return result.column(index)[0].as_py()
    raise EvaluationError(f"the result has no column {column!r}; it has {', '.join(result.column_names)}")


def _comparable(value: Any, threshold: Any) -> tuple[Any, Any]:
    kinds = _kind(value), _kind(threshold)
    if kinds[0] != kinds[1]:
        raise EvaluationError(
            f"a {kinds[0]} value ({value!r}) cannot be compared with a {kinds[1]} threshold ({threshold!r})"
        )
    return (float(value), float(threshold)) if kinds[0] == "number" else (value, threshold)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    return "string" if isinstance(value, str) else type(value).__name__


def _json_value(value: Any) -> bool | int | float | str | None:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if number - number == 0 else str(number)  # NaN and infinities are no JSON
    return str(value)
