"""The rows that a unit test gives, as Arrow tables with the types of the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.errors import did_you_mean
from alerting_assets.evaluation.unit_tests import AlertTest, moment
from alerting_assets.lakehouse.arrow import arrow_schema, arrow_type
from alerting_assets.lakehouse.port import Column
from alerting_assets.lakehouse.tables import ALERT_HISTORY, EXPECTED_RANGES


class GivenError(ValueError):
    """The given rows cannot be used; the text says which table, row and column of the test is wrong."""


def given_table(
    test: AlertTest, table: str, rows: Sequence[Mapping[str, Any]], known: Sequence[Column] | None
) -> pa.Table:
    """The rows of one table. Columns that a row leaves out are NULL. known: the columns of the real table, or None where there is
    none."""
    if table in test.columns:
        known = [Column(name, type) for name, type in test.columns[table].items()]
    used = list(dict.fromkeys(name for row in rows for name in row))
    if known is None:
        if not used:
            raise GivenError(
                f"{table}: is empty and exists nowhere; give its columns: `columns: {{{table}: {{name: type}}}}`"
            )
        types = {name: _guess(table, name, [row[name] for row in rows if row.get(name) is not None]) for name in used}
    else:
        types = {column.name: arrow_type(column.type) for column in known}
        for name in used:
            if name not in types:
                raise GivenError(f"{table}: there is no column {name!r}{did_you_mean(name, types)}")
    arrays = [_array(test, table, name, kind, [row.get(name) for row in rows]) for name, kind in types.items()]
    return pa.Table.from_arrays(arrays, schema=pa.schema([pa.field(name, kind) for name, kind in types.items()]))


def history_table(test: AlertTest, alert_id: str) -> pa.Table:
    """The earlier evaluations of a test as rows of alert_history. Where `met` is not given, it is whether the state was TRIGGERED."""
    rows = []
    for number, row in enumerate(test.history):
        value, state = row["value"], row["state"]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        rows.append(
            {
                "evaluation_id": f"{number:06}",
                "alert_id": alert_id,
                "evaluated_at": row["at"],
                "evaluated_by": "own",
                "evaluation_status": state,
                "query_result_value": float(value) if is_number or isinstance(value, bool) else None,
                "query_result_string": value if isinstance(value, str) else None,
                "threshold_met": state == "TRIGGERED" if row["met"] is None else bool(row["met"]),
                "ml_suppressed": False,
                "config_hash": "",
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(ALERT_HISTORY))


def ranges_table(test: AlertTest, table: str | None, alert: CompiledAlert) -> pa.Table:
    """The rows of expected_ranges that a test gives; none where it gives none, and then nothing is expected. What a row leaves out is as
    its alert, its model and the hour of the test ask for, with a scale of 1.

    table: the name under which the test gives them."""
    hour = test.as_of.replace(minute=0, second=0, microsecond=0)
    whole = {
        "alert_id": alert.alert_id,
        "model_name": alert.hold.model_name if alert.hold else None,
        "model_version": "1",
        "valid_from": hour,
        "valid_until": hour + timedelta(hours=1),
        "created_at": hour - timedelta(minutes=5),
        "scale": 1.0,
    }
    rows = [] if table is None else [{**whole, **row} for row in test.given[table]]
    return given_table(test, table or EXPECTED_RANGES.name, rows, EXPECTED_RANGES.columns)


def _array(test: AlertTest, table: str, name: str, kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    converted = []
    for number, value in enumerate(values, 1):
        try:
            converted.append(None if value is None else _value(test, kind, value))
            pa.array(converted[-1:], kind)
        except (ValueError, TypeError, pa.ArrowException):
            raise GivenError(f"{table}: row {number}: {name} is {kind}, and {value!r} is not") from None
    return pa.array(converted, kind)


def _value(test: AlertTest, kind: pa.DataType, value: Any) -> Any:
    types = pa.types
    if types.is_timestamp(kind):
        time = moment(value, test.as_of)
        return time if kind.tz else time.replace(tzinfo=None)
    if types.is_date(kind):
        return moment(value, test.as_of).date()
    if types.is_floating(kind):
        if isinstance(value, bool):
            raise ValueError(value)
        return float(value)
    if types.is_map(kind) and isinstance(value, dict):
        return list(value.items())
    if types.is_decimal(kind):
        return pa.scalar(str(value)).cast(kind).as_py()
    return value


def _guess(table: str, name: str, values: Sequence[Any]) -> pa.DataType:
    """The type of a column that exists nowhere, guessed from the values that are given."""
    kinds = {_kind(value) for value in values}
    if kinds == {"bigint", "double"}:
        return pa.float64()
    if len(kinds) > 1:
        raise GivenError(
            f"{table}: {name} holds values of several types ({', '.join(sorted(kinds))}); give its type under columns"
        )
    return arrow_type(kinds.pop() if kinds else "string")


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "bigint"
        case float():
            return "double"
        case datetime():
            return "timestamp"
        case date():
            return "date"
        case dict():
            return "map<string,string>"
        case list():
            return "array<string>"
        case _:
            return "string"
