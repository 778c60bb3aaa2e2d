"""Histories of evaluations: short to write, random, and what they mean, worked out in a second way."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from alerting_assets.incidents.fold import Row
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY, ALERT_INCIDENTS, ALERT_STATE

START = datetime(2026, 11, 1, tzinfo=UTC)
REOPEN = timedelta(minutes=3)
STATUSES = {"T": "TRIGGERED", "O": "OK", "E": "ERROR", "S": "SUPPRESSED"}
COMPUTED = (
    *("alert_id", "opened_at", "resolved_at", "resolution_time_seconds", "last_evaluated_at"),
    *("evaluations", "peak_value", "reopened"),
)
"""The columns of alert_incidents that the history says."""
STATE = (
    *("evaluation_id", "evaluated_at", "evaluated_by", "evaluation_status", "status_since", "query_result_value"),
    *("query_result_string", "error_message", "note", "due_at", "workspace_evaluated_at"),
)


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def row(minutes: float, status: str, value: float | None = None, alert_id: str = "A", **more: Any) -> Row:
    """status: its first letter. The id tells the minute, so that equal moments need one of their own."""
    more = {"evaluation_id": f"{alert_id}-{minutes:06.1f}", "evaluated_by": "own", **more}
    return Row(alert_id, minute(minutes), evaluation_status=STATUSES[status], query_result_value=value, **more)


def timeline(text: str, alert_id: str = "A") -> list[Row]:
    """An evaluation a minute, by first letters; a dot is a minute without one."""
    return [row(number, letter, alert_id=alert_id) for number, letter in enumerate(text) if letter != "."]


def record(lakehouse: Lakehouse, rows: Iterable[Row]) -> None:
    """One commit."""
    table = [{**item._asdict(), "ml_suppressed": False, "config_hash": "x"} for item in rows]
    lakehouse.append(ALERT_HISTORY.name, pa.Table.from_pylist(table, arrow_schema(ALERT_HISTORY)))


def meant(rows: Iterable[Row], reopen: timedelta) -> tuple[dict[str, Any], dict[str, Any]]:
    """(incidents, states) by their ids, in the columns COMPUTED and STATE. The incident of a state is under `incident_id`."""
    incidents, states = dict[str, Any](), dict[str, Any]()
    for alert_id in {item.alert_id for item in rows}:
        ordered = sorted(
            (item for item in rows if item.alert_id == alert_id), key=lambda one: (one.evaluated_at, one.evaluation_id)
        )
        stretches = list[list[Row]]()
        for item in ordered:
            letter, last = item.evaluation_status[0], stretches[-1] if stretches else []
            is_open = bool(last) and last[-1].evaluation_status != "OK"
            if letter == "T" and not is_open:
                soon = bool(last) and reopen > timedelta(0) and item.evaluated_at - last[-1].evaluated_at <= reopen
                last.append(item) if soon else stretches.append([item])
            elif is_open and letter != "E":
                last.append(item)
        for stretch in stretches:
            incidents[_hash(stretch[0])] = _incident(stretch)
        newest = ordered[-1]
        run = len(ordered)
        while run and ordered[run - 1].evaluation_status == newest.evaluation_status:
            run -= 1
        by_workspace = [item.evaluated_at for item in ordered if item.evaluated_by == "workspace"]
        answered = [item.due_at for item in ordered if item.due_at is not None]
        answered += [item.evaluated_at for item in ordered if item.evaluated_by == "workspace" and item.due_at is None]
        states[alert_id] = {
            **{name: value for name, value in newest._asdict().items() if name in STATE},
            "status_since": ordered[run].evaluated_at,
            "due_at": max(answered, default=None),
            "workspace_evaluated_at": max(by_workspace, default=None),
            "incident_id": _hash(stretches[-1][0]) if stretches else None,
        }
    return incidents, states


def stored(lakehouse: Lakehouse) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the two tables say, as `meant` says it."""
    incidents = {
        item["incident_id"]: {name: item[name] for name in COMPUTED}
        for item in lakehouse.read(ALERT_INCIDENTS.name).to_pylist()
    }
    states = {
        item["alert_id"]: {name: item[name] for name in (*STATE, "incident_id")}
        for item in lakehouse.read(ALERT_STATE.name).to_pylist()
    }
    return incidents, states


def comparable(found: Any) -> Any:
    """NaN equals NaN."""
    if isinstance(found, dict):
        return {key: comparable(value) for key, value in found.items()}
    if isinstance(found, tuple):
        return tuple(comparable(value) for value in found)
    return "NaN" if isinstance(found, float) and math.isnan(found) else found


def _hash(first: Row) -> str:
    return hashlib.sha256(f"{first.alert_id} {first.evaluation_id}".encode()).hexdigest()[:32]


def _incident(stretch: Sequence[Row]) -> dict[str, Any]:
    firing = [item for item in stretch if item.evaluation_status != "OK"]
    peak: float | None = None
    for item in firing:
        value = item.query_result_value
        if value is not None and not math.isnan(value):
            fires_below = item.operator in ("LESS_THAN", "LESS_THAN_OR_EQUAL")
            peak = value if peak is None else min(peak, value) if fires_below else max(peak, value)
    last = stretch[-1]
    resolved = last.evaluated_at if last.evaluation_status == "OK" else None
    return {
        "alert_id": last.alert_id,
        "opened_at": stretch[0].evaluated_at,
        "resolved_at": resolved,
        "resolution_time_seconds": (resolved - stretch[0].evaluated_at).total_seconds() if resolved else None,
        "last_evaluated_at": last.evaluated_at,
        "evaluations": len(firing),
        "peak_value": peak,
        "reopened": sum(item.evaluation_status == "OK" for item in stretch[:-1]),
    }


_numbers = st.none() | st.sampled_from([float("nan"), float("inf"), 0.0, -1.5, 2.5, 7.0])
_evaluations = st.tuples(
    st.sampled_from("AABC"),
    st.integers(0, 30),
    st.sampled_from("TTTOOES"),
    _numbers,
    st.sampled_from(
        [("GREATER_THAN", "own", None), ("LESS_THAN", "workspace", None), (None, "own", 0.5), (None, "workspace", 1.0)]
    ),
)


@st.composite
def evaluations(draw: st.DrawFn, at_most: int = 25) -> list[Row]:
    """Evaluations of three alerts in no order, with ids of their own; equal moments are frequent."""
    found = []
    for number, (alert_id, minutes, letter, value, (operator, by, before)) in enumerate(
        draw(st.lists(_evaluations, max_size=at_most))
    ):
        unique = draw(st.integers(0, 9))
        found.append(
            row(
                minutes,
                letter,
                value,
                alert_id,
                evaluation_id=f"{unique}-{number}",
                evaluated_by=by,
                operator=operator,
                due_at=None if before is None else minute(minutes - before),
                error_message="broken" if letter == "E" else None,
            )
        )
    return found
