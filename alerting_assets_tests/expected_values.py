"""Alerts with a model: random fields and rows of expected_ranges, edges, and what the documentation makes of them, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.tables import EXPECTED_RANGES

NOW = datetime(2026, 11, 2, 12, 0, 0, 250_000, tzinfo=UTC)
RANGES_SCHEMA = arrow_schema(EXPECTED_RANGES).remove_metadata()
MODEL = "health_monitor.gold.alert_anomaly_detector@serving"
DIRECTED = ("GREATER_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL", "NOT_BETWEEN")
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)
HOUR = timedelta(hours=1)

LIVE: dict[str, Any] = {"ml_model_enabled": True, "ml_shadow": False}


def range_row(hours: int = 0, **changes: Any) -> dict[str, Any]:
    """A row that expects values from 0 to 100. hours: after the present one."""
    begin = THIS_HOUR + hours * HOUR
    row = {
        "alert_id": "COST-001",
        "model_name": MODEL,
        "valid_from": begin,
        "valid_until": begin + HOUR,
        "expected": 50.0,
        "lower": 0.0,
        "upper": 100.0,
        "scale": 10.0,
        "closed": None,
        "levels": None,
        "model_version": "3",
        "created_at": THIS_HOUR - timedelta(minutes=5),
    }
    return {**row, **changes}


def may_have_a_model(fields: dict[str, Any]) -> bool:
    return fields["operator"] in DIRECTED or fields.get("change_direction") in ("INCREASE", "DECREASE")


@st.composite
def models(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The fields of a model, and rows of expected_ranges."""
    fields = {
        "ml_model_enabled": True,
        "ml_shadow": draw(st.sampled_from([False, False, True])),
        "ml_threshold": draw(st.none() | st.sampled_from([0.0, -0.5, 1.5])),
        "severity": draw(st.sampled_from(["WARNING", "WARNING", "CRITICAL"])),
        "ml_allow_critical": draw(st.booleans()),
    }
    return fields, draw(st.lists(rows(), max_size=3))


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    numbers = (
        st.none() | st.sampled_from([0.0, 1.0, 2.5, -1.0, 50.0, 150.0, math.nan, math.inf, -math.inf]) | st.floats()
    )
    seconds = st.sampled_from([-3600, -300, -300, -300, 0, 60])
    row = range_row(
        draw(st.sampled_from([0, 0, 0, 0, -1, 1])),
        lower=draw(numbers),
        upper=draw(numbers),
        scale=draw(st.sampled_from([1.0, 1.0, 10.0, 0.0, -1.0, 5e-324, math.nan, math.inf, None])),
        model_version=draw(st.sampled_from(["3", "3", "3", "4"])),
        created_at=NOW + timedelta(seconds=draw(seconds)),
        closed=draw(st.sampled_from([None, "HOLD_OVER"])),
    )
    if draw(st.integers(0, 5)) == 0:
        row |= {"alert_id": "COST-002"}
    if draw(st.integers(0, 5)) == 0:
        row |= {"valid_until": row["valid_from"] + draw(st.sampled_from([timedelta(0), HOUR * 49]))}
    return row


def range_table(rows: Sequence[dict[str, Any]], **changes: Any) -> pa.Table:
    return pa.Table.from_pylist([{**row, **changes} for row in rows], schema=RANGES_SCHEMA)


def counting_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row by which the alert COST-001 is judged."""
    ours = [
        row
        for row in rows
        if (row["alert_id"], row["model_name"]) == ("COST-001", MODEL)
        and row["created_at"] <= NOW
        and row["valid_from"] > NOW - timedelta(days=2)
    ]
    valid = [row for row in ours if row["valid_from"] <= NOW < row["valid_until"]]
    if len(valid) != 1:
        return None
    newest = max(ours, key=lambda row: (row["created_at"], row["model_version"]))
    return valid[0] if valid[0]["model_version"] == newest["model_version"] else None


def is_expected(fields: dict[str, Any], rows: Sequence[dict[str, Any]], value: Any) -> bool:
    """Whether the model says so of this value, whatever the condition says."""
    row = counting_row(rows) if fields.get("ml_model_enabled") else None
    if row is None or value is None or not math.isfinite(value) or not _is_scale(row["scale"]):
        return False
    beyond = []
    if _is_number(row["upper"]):
        beyond.append((float(value) - row["upper"]) / row["scale"])
    if _is_number(row["lower"]):
        beyond.append((row["lower"] - float(value)) / row["scale"])
    score = max(beyond, default=math.inf)
    return math.isfinite(score) and score < (fields.get("ml_threshold") or 0.0)


def holds_back(fields: dict[str, Any]) -> bool:
    may = fields.get("severity") != "CRITICAL" or fields.get("ml_allow_critical", False)
    return bool(fields.get("ml_model_enabled") and not fields.get("ml_shadow", True) and may)


def _is_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _is_scale(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


ABOVE_40: dict[str, Any] = {"operator": "GREATER_THAN", "threshold_value_double": 40.0, **LIVE}
"""Fires above 40, where `range_row` expects values up to 100."""

FAIL_OPEN: dict[str, tuple[float | None, list[dict[str, Any]]]] = {
    "nothing is there": (70.0, []),
    "another alert's row": (70.0, [range_row(alert_id="COST-002")]),
    "another model's row": (70.0, [range_row(model_name="c.s.m@serving")]),
    "the row of the hour before": (70.0, [range_row(-1)]),
    "rows of hours to come": (70.0, [range_row(1), range_row(2)]),
    "a row made later than now": (70.0, [range_row(created_at=NOW + timedelta(seconds=1))]),
    "two rows at once": (70.0, [range_row(), range_row(valid_from=THIS_HOUR + timedelta(seconds=0), scale=20.0)]),
    "a row that began more than two days ago": (70.0, [range_row(-49, valid_until=THIS_HOUR + HOUR)]),
    "the newest row is of another version": (70.0, [range_row(), range_row(1, model_version="4", created_at=NOW)]),
    "no bounds": (70.0, [range_row(lower=None, upper=None, closed="NO_HISTORY")]),
    "bounds that are no numbers": (70.0, [range_row(lower=math.nan, upper=math.nan)]),
    "infinite bounds": (70.0, [range_row(lower=-math.inf, upper=math.inf)]),
    "no scale": (70.0, [range_row(scale=None)]),
    "a scale of zero": (70.0, [range_row(scale=0.0)]),
    "a negative scale": (70.0, [range_row(scale=-10.0)]),
    "a scale that is no number": (70.0, [range_row(scale=math.nan)]),
    "an infinite value": (math.inf, [range_row()]),
    "a value outside of it": (100.5, [range_row()]),
    "a value at its very bound": (100.0, [range_row()]),
}
"""What is told although the alert holds, each with the measured value and the rows."""
