"""Cases for the decision of the deployed text: random ones and edges, and what the documentation says of them, in plain Python."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from alerting_assets.alerts.operators import OPERATORS, Aggregation, Operator, ValueType
from alerting_assets.alerts.query_text import text_literal
from alerting_assets.alerts.rewrite import at_moment, replace_tables
from alerting_assets.evaluation import Decision, decide
from alerting_assets.lakehouse.arrow import arrow_schema, spark_type
from alerting_assets.lakehouse.tables import ALERT_HISTORY
from alerting_assets.workspace.local.evaluate import evaluate
from alerting_assets_tests.conditions import TEXTS, condition_fields
from alerting_assets_tests.examples import compiled
from alerting_assets_tests.expected_values import (
    ABOVE_40,
    FAIL_OPEN,
    NOW,
    holds_back,
    is_expected,
    may_have_a_model,
    models,
    range_row,
    range_table,
)

Ask = Callable[[Sequence[pa.Table], Callable[[Sequence[str]], str]], pa.Table]
"""Runs a query over given rows: ScratchEngine.query, or an engine with the rows inline."""

HOUR = 3600
HISTORY_SCHEMA = arrow_schema(ALERT_HISTORY).remove_metadata()

TYPES: dict[str, tuple[ValueType, pa.DataType, st.SearchStrategy[Any]]] = {
    "double": (
        ValueType.NUMBER,
        pa.float64(),
        st.sampled_from([0.0, -0.0, 1.0, 2.5, 100.0, -1.0, float("nan"), float("inf")]) | st.floats(),
    ),
    "small double": (ValueType.NUMBER, pa.float64(), st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.0, 100.0])),
    "bigint": (ValueType.NUMBER, pa.int64(), st.integers(-3, 4) | st.integers(-(2**53), 2**53)),
    "decimal": (
        ValueType.NUMBER,
        pa.decimal128(12, 2),
        st.sampled_from([Decimal("0.00"), Decimal("2.50"), Decimal("100.00"), Decimal("-1.00"), Decimal("0.10")]),
    ),
    "string": (ValueType.STRING, pa.string(), TEXTS | st.sampled_from(["ab", "a.b", "12", "1234", "\n", "a\n"])),
    "boolean": (ValueType.BOOLEAN, pa.bool_(), st.booleans()),
    "timestamp": (
        ValueType.OTHER,
        pa.timestamp("us", tz="UTC"),
        st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    ),
}


def columns_for(aggregation: Aggregation | None, kinds: frozenset[ValueType]) -> list[str]:
    """Whose aggregated value is of one of these kinds (none: any), and exact in floating point."""
    names = [name for name, (kind, _, _) in TYPES.items() if not kinds or kind in kinds]
    if aggregation is None:
        return names
    if aggregation.counts:
        return list(TYPES) if not kinds or ValueType.NUMBER in kinds else []
    if aggregation.needs_number:
        return ["small double"] if "small double" in names else []
    return [name for name in names if name not in ("double", "boolean")]


@st.composite
def cases(draw: st.DrawFn, operator: Operator) -> dict[str, Any]:
    fields = draw(condition_fields([operator]))
    kinds = compiled(**{"aggregation_type": None, **fields}, schedule_cron="0 0 * * * ?").condition.value_types
    aggregations = [kind for kind in Aggregation if columns_for(kind, kinds)]
    aggregation = draw(st.none() | st.sampled_from(aggregations)) if aggregations else None
    column = draw(st.sampled_from(columns_for(aggregation, kinds)))
    rows = draw(st.lists(st.none() | TYPES[column][2], max_size=4))
    time: dict[str, Any] = {}
    if draw(st.booleans()):
        time["for_evaluations"] = draw(st.integers(2, 4))
    if OPERATORS[Operator(fields["operator"])].recovers and draw(st.booleans()):
        above = fields["operator"].startswith("GREATER")
        time["recovery_threshold_double"] = fields["threshold_value_double"] + draw(
            st.sampled_from([0.0, 1.0, 50.0])
        ) * (-1 if above else 1)
    if fields["operator"] == "CHANGES_BY":
        time["change_lookback_seconds"] = draw(st.sampled_from([HOUR, 24 * HOUR, 600]))
    model: dict[str, Any] = {}
    ranges: list[dict[str, Any]] = []
    if may_have_a_model(fields) and draw(st.booleans()):
        model, ranges = draw(models())
    return {
        "ranges": ranges,
        "fields": {
            **fields,
            **time,
            **model,
            "aggregation_type": aggregation,
            "empty_result_state": draw(st.sampled_from(["OK", "TRIGGERED", "ERROR"])),
        },
        "column": column,
        "rows": rows,
        "history": draw(st.lists(earlier(), max_size=6, unique_by=lambda row: row["at"])),
    }


@st.composite
def earlier(draw: st.DrawFn) -> dict[str, Any]:
    back = draw(
        st.sampled_from(
            [60, 600, 900, 1800, 3599, 3600, 3660, 5400, 7200, 10800, 18_000, 19_799, 19_800, 43_200, 86_400, 129_600]
        )
    )
    status = draw(st.sampled_from(["OK", "TRIGGERED", "ERROR", "SUPPRESSED"]))
    return {
        "at": NOW - timedelta(seconds=back),
        "status": status,
        "met": draw(st.none() | st.booleans()),
        "value": draw(st.none() | st.sampled_from([0.0, 1.0, -1.0, 2.0, 100.0, 50.0, float("nan")])),
    }


def decided(ask: Ask, case: dict[str, Any], now: datetime = NOW) -> Decision:
    order = "" if case["fields"]["aggregation_type"] else " ORDER BY position"
    alert = compiled(
        **{
            "alert_query_template": "SELECT value AS v FROM ${catalog}.${gold_schema}.readings" + order,
            "aggregation_column": "v",
            "schedule_cron": "0 0 * * * ?",
            **case["fields"],
        }
    )
    rows = case["rows"]
    tables = {
        "readings": pa.table(
            {
                "position": pa.array(range(len(rows)), pa.int32()),
                "value": pa.array(rows, TYPES[case["column"]][1]),
            }
        ),
        "alert_history": history_table(case["history"]),
        **({"expected_ranges": range_table(case["ranges"])} if alert.hold is not None else {}),
    }

    def sql_of(names: Sequence[str]) -> str:
        known = dict(zip(tables, names, strict=True))
        return replace_tables(at_moment(alert.sql, now), lambda reference: known[reference.parts[-1]])

    result = ask(list(tables.values()), sql_of)
    decision = decide(alert, result)
    # The workspace's own decision, from nothing but the body that is deployed.
    theirs = evaluate({**alert.body("0" * 32), "id": "1"}, lambda _: result, now)
    assert theirs.state == ("OK" if decision.state == "SUPPRESSED" else decision.state)
    return decision


def history_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    full = [
        {
            "evaluation_id": str(number),
            "alert_id": alert_id,
            "evaluated_at": row["at"],
            "evaluated_by": "own",
            "evaluation_status": row["status"],
            "query_result_value": row["value"],
            "threshold_met": row["met"],
            "ml_suppressed": False,
            "config_hash": "",
        }
        for number, row in enumerate(rows)
        for alert_id in ("COST-001",)
    ]
    # Another alert's history is nobody else's business.
    full += [{**row, "alert_id": "COST-002", "evaluation_status": "OK", "threshold_met": False} for row in full]
    return pa.Table.from_pylist(full, schema=HISTORY_SCHEMA)


def expected(case: dict[str, Any]) -> tuple[str, bool | None]:
    """(state, whether the condition is met), from the documentation."""
    fields, rows = case["fields"], case["rows"]
    empty = fields["empty_result_state"]
    if not rows and empty != "TRIGGERED":
        return empty, None if empty == "ERROR" else False
    value = measure(rows, fields["aggregation_type"]) if rows else None
    history = [row for row in case["history"] if row["status"] != "ERROR"]
    met = holds(fields, value, history) if rows else True
    fires = met
    if (evaluations := fields.get("for_evaluations", 1)) > 1:
        window = [row for row in history if HOUR / 2 <= age(row) < (evaluations - 0.5) * HOUR]
        says_met = [row["status"] == "TRIGGERED" if row["met"] is None else row["met"] for row in window]
        fires = met and all(says_met)
    if (recovery := fields.get("recovery_threshold_double")) is not None:
        known = [row for row in history if row["status"] != "SUPPRESSED" or row["met"] is not None]
        window = [row for row in known if HOUR / 2 <= age(row) < 5.5 * HOUR]
        before = min(window, key=age, default=None)
        still_bad = value is None or (
            value > recovery if fields["operator"].startswith("GREATER") else value < recovery
        )
        fires = fires or (before is not None and before["status"] in ("TRIGGERED", "SUPPRESSED") and still_bad)
    if fires and is_expected(fields, case.get("ranges", []), value):
        return "SUPPRESSED" if holds_back(fields) else "TRIGGERED", met
    return "TRIGGERED" if fires else "OK", met


def age(row: dict[str, Any]) -> float:
    return float((NOW - row["at"]).total_seconds())


def nearest(rows: Sequence[dict[str, Any]], seconds: int) -> dict[str, Any] | None:
    window = [row for row in rows if 0.5 * seconds <= age(row) < 1.5 * seconds]
    return min(window, key=lambda row: (abs(age(row) - seconds), row["at"]), default=None)


def measure(rows: Sequence[Any], aggregation: str | None) -> Any:
    values = [row for row in rows if row is not None]
    match aggregation:
        case None:
            value = rows[0]
        case "COUNT":
            value = len(values)
        case "COUNT_DISTINCT":
            # Zero is zero, and NaN is itself.
            value = len({"nan" if row != row else row for row in values})
        case _ if not values:
            value = None
        case "SUM":
            value = sum(values)
        case "AVG":
            value = sum(values) / len(values)
        case "MIN":
            value = min(values)
        case "MAX":
            value = max(values)
        case "MEDIAN":
            value = statistics.median(values)
        case _:
            value = statistics.stdev(values) if len(values) > 1 else None
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return float(value) if is_number else value


def holds(fields: dict[str, Any], value: Any, history: Sequence[dict[str, Any]]) -> bool:
    operator = fields["operator"]
    if operator in ("IS_NULL", "IS_NOT_NULL"):
        return (value is None) == (operator == "IS_NULL")
    if value is None:
        return False
    if isinstance(value, float) and math.isnan(value):
        return operator in ("NOT_EQUAL", "NOT_IN", "NOT_BETWEEN")
    if operator.startswith("NOT_"):
        return not holds({**fields, "operator": operator.removeprefix("NOT_")}, value, history)
    threshold = next(
        (
            fields[name]
            for name in ("threshold_value_double", "threshold_value_string", "threshold_value_bool")
            if fields.get(name) is not None
        ),
        None,
    )
    match operator:
        case "GREATER_THAN":
            return bool(value > threshold)
        case "GREATER_THAN_OR_EQUAL":
            return bool(value >= threshold)
        case "LESS_THAN":
            return bool(value < threshold)
        case "LESS_THAN_OR_EQUAL":
            return bool(value <= threshold)
        case "EQUAL":
            return bool(value == threshold)
        case "BETWEEN":
            return bool(fields["threshold_value_min"] <= value <= fields["threshold_value_max"])
        case "IN":
            return any(value == item for item in items(fields["threshold_value_list"], value))
        case "MATCHES":
            return re.search(str(threshold).replace("$", r"\Z"), value, re.ASCII) is not None
        case _:
            return changes(fields, value, history)


def items(texts: Sequence[str], value: Any) -> list[Any]:
    if isinstance(value, float):
        return [float(text) for text in texts]
    if isinstance(value, bool):
        return [text == "true" for text in texts]
    quoted = [len(text) > 1 and text[0] == text[-1] == "'" for text in texts]
    return [text[1:-1] if is_quoted else text for text, is_quoted in zip(texts, quoted, strict=True)]


def changes(fields: dict[str, Any], value: float, history: Sequence[dict[str, Any]]) -> bool:
    usable = [row for row in history if row["value"] is not None and row["value"] == row["value"]]
    base = nearest(usable, fields["change_lookback_seconds"])
    if base is None:
        return False
    change, direction = value - base["value"], fields["change_direction"]
    if change == 0 or (change < 0 and direction == "INCREASE") or (change > 0 and direction == "DECREASE"):
        return False
    return abs(change) >= fields["threshold_value_double"] * abs(base["value"]) / 100


NAN = float("nan")
EMPTY = object()
"""In EDGES: the query returns no row."""
AN_HOUR_AGO = {"at": NOW - timedelta(hours=1), "status": "OK", "met": True, "value": 100.0}
FOR = {"for_evaluations": 2}
CHANGE = {"operator": "CHANGES_BY", "threshold_value_double": 20.0, "change_lookback_seconds": HOUR}
EDGES: list[tuple[dict[str, Any], str, Any, list[dict[str, Any]]]] = [
    *(
        ({"operator": operator, "threshold_value_double": 0.0, **FOR}, "double", value, [])
        for operator in (
            "GREATER_THAN",
            "GREATER_THAN_OR_EQUAL",
            "LESS_THAN",
            "LESS_THAN_OR_EQUAL",
            "EQUAL",
            "NOT_EQUAL",
        )
        for value in (NAN, -0.0, 0.0, None)
    ),
    *(
        ({"operator": operator, "threshold_value_min": 0.0, "threshold_value_max": 2.5}, "double", value, [])
        for operator in ("BETWEEN", "NOT_BETWEEN")
        for value in (NAN, -0.0, 2.5, 2.6, None)
    ),
    *(
        ({"operator": operator, "threshold_value_list": texts}, column, value, [])
        for operator in ("IN", "NOT_IN")
        for texts, column, values in (
            (["-0.0", "1"], "double", (0.0, 1.0, NAN, None)),
            (["0.1"], "decimal", (Decimal("0.10"), Decimal("0.20"))),
            (["'1'", "true"], "string", ("1", "true", "'1'", None)),
            (["true"], "boolean", (True, False, None)),
        )
        for value in values
    ),
    *(({"operator": "IS_NULL", **FOR}, "string", value, []) for value in (None, "NULL")),
    *(
        ({**CHANGE, "change_direction": direction}, "double", value, [{**AN_HOUR_AGO, "value": base}])
        for direction in ("INCREASE", "DECREASE", "EITHER")
        for base, values in (
            (100.0, (120.0, 119.9, 80.0, 80.1, 100.0, NAN)),
            (0.0, (0.0, 0.1, -0.1)),
            (-100.0, (-80.0, -120.0)),
        )
        for value in values
    ),
    *(
        (
            {"operator": "GREATER_THAN", "threshold_value_double": 100.0, "recovery_threshold_double": 80.0},
            "double",
            value,
            [{**AN_HOUR_AGO, "status": status}],
        )
        for status in ("OK", "TRIGGERED", "SUPPRESSED", "ERROR")
        for value in (100.1, 100.0, 80.1, 80.0, NAN, None)
    ),
    *(
        (
            {
                "operator": "GREATER_THAN",
                "threshold_value_double": 100.0,
                "recovery_threshold_double": 80.0,
                "empty_result_state": empty,
                **more,
            },
            "double",
            value,
            [
                {**AN_HOUR_AGO, "status": "ERROR", "met": None},
                {**AN_HOUR_AGO, "status": "TRIGGERED", "at": NOW - timedelta(seconds=seconds)},
            ],
        )
        for seconds in (7200, 19_799, 19_800)
        for value, more, empty in (
            (90.0, {}, "OK"),
            (90.0, {"for_evaluations": 3}, "OK"),
            (None, {}, "OK"),
            (EMPTY, {}, "OK"),
            (EMPTY, {"for_evaluations": 3}, "TRIGGERED"),
        )
    ),
    *(
        (
            {
                "operator": "GREATER_THAN",
                "threshold_value_double": 10.0,
                "empty_result_state": empty,
                "for_evaluations": 3,
            },
            "double",
            value,
            [
                {**AN_HOUR_AGO, **last, "value": None},
                {**AN_HOUR_AGO, "at": NOW - timedelta(hours=2)},
            ],
        )
        for empty in ("OK", "TRIGGERED", "ERROR")
        for value in (EMPTY, 20.0)
        for last in ({"met": True}, {"met": False}, {"met": None, "status": "ERROR"})
    ),
    *(
        ({"operator": "LESS_THAN", "threshold_value_double": 10.0, **FOR}, "double", 9.0, [{**AN_HOUR_AGO, **earlier}])
        for earlier in (
            {"met": False},
            {"met": None, "status": "TRIGGERED"},
            {"met": None},
            {"met": False, "at": NOW - timedelta(seconds=1799)},
            {"met": False, "at": NOW - timedelta(seconds=1800)},
            {"met": False, "at": NOW - timedelta(seconds=5399)},
            {"met": False, "at": NOW - timedelta(seconds=5400)},
            {"met": False, "status": "ERROR"},
        )
    ),
]


def edge_case(condition: dict[str, Any], column: str, value: Any, history: list[dict[str, Any]]) -> dict[str, Any]:
    fields = {"threshold_value_double": None, "aggregation_type": None, "empty_result_state": "OK", **condition}
    return {"fields": fields, "column": column, "rows": [] if value is EMPTY else [value], "history": history}


def model_cases() -> list[dict[str, Any]]:
    """Alerts with a model around what it expects: what is held, and what is not since the alert would not fire, or is left to fire."""
    edges: list[tuple[dict[str, Any], Any, list[dict[str, Any]]]] = [
        ({}, 70.0, []),
        ({}, None, []),
        ({}, NAN, []),
        ({}, EMPTY, []),
        ({"empty_result_state": "TRIGGERED"}, EMPTY, []),
        ({"empty_result_state": "TRIGGERED", **FOR}, EMPTY, []),
        (FOR, 70.0, []),
        (FOR, 70.0, [{**AN_HOUR_AGO, "met": False}]),
        ({"ml_shadow": True}, 70.0, []),
        ({"ml_threshold": 1.5}, 114.9, []),
        ({"ml_threshold": 1.5}, 115.0, []),
        ({"operator": "LESS_THAN", "threshold_value_double": 80.0}, 70.0, []),
        ({"operator": "NOT_BETWEEN", **_LOW_AND_HIGH}, NAN, []),
        ({"operator": "NOT_BETWEEN", **_LOW_AND_HIGH}, 0.5, []),
        ({"operator": "NOT_BETWEEN", **_LOW_AND_HIGH}, -0.5, []),
        ({**CHANGE, "change_direction": "INCREASE"}, 70.0, [{**AN_HOUR_AGO, "value": 50.0}]),
        *(
            (
                {"threshold_value_double": threshold, "recovery_threshold_double": 40.0},
                value,
                [{**AN_HOUR_AGO, "status": status}],
            )
            for threshold, value in ((60.0, 70.0), (60.0, 50.0), (60.0, 30.0), (110.0, 105.0), (60.0, None))
            for status in ("OK", "TRIGGERED", "SUPPRESSED")
        ),
    ]
    return [
        edge_case({**ABOVE_40, **fields}, "double", value, history)
        | {"ranges": [range_row(), range_row(-1), range_row(1)]}
        for fields, value, history in edges
    ]


def fail_open_cases() -> list[dict[str, Any]]:
    return [edge_case(ABOVE_40, "double", value, []) | {"ranges": rows} for value, rows in FAIL_OPEN.values()]


_LOW_AND_HIGH = {"threshold_value_double": None, "threshold_value_min": 1.0, "threshold_value_max": 2.0}


def inline(rows: pa.Table) -> str:
    """The rows as a subquery, for an engine that is not given any."""
    types = [spark_type(field.type) for field in rows.schema]
    selects = [
        ", ".join(
            f"CAST({_literal(value)} AS {kind}) AS `{name}`"
            for (name, value), kind in zip(row.items(), types, strict=True)
        )
        for row in rows.to_pylist()
    ]
    nothing = ", ".join(
        f"CAST(NULL AS {kind}) AS `{name}`" for name, kind in zip(rows.column_names, types, strict=True)
    )
    return "(" + " UNION ALL ".join(f"SELECT {select}" for select in selects or [f"{nothing} WHERE FALSE"]) + ")"


def _literal(value: Any) -> str:
    return "NULL" if value is None else text_literal(str(value).lower() if isinstance(value, bool) else str(value))
