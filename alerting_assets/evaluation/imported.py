"""Evaluations that the workspace made by itself, taken into alert_history: incrementally, each of them once.

The source is a view in the form of Databricks' `system.alert.alert_evaluation_history`
(https://docs.databricks.com/aws/en/admin/system-tables/alerts); the local workspace keeps a table of the same form. An evaluation
keeps its `alert_run_id` as evaluation_id, by which it is known again. Rows of the view may come late by `LATE`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.gated import is_ours_alone
from alerting_assets.alerts.windows import Windows, silence_at
from alerting_assets.errors import QueryError, QueryErrorKind, TableNotFound
from alerting_assets.evaluation.decide import number_and_text
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.evaluation_history import ALERT_EVALUATION_HISTORY
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_DEPLOYMENTS, ALERT_HISTORY
from alerting_assets.settings import NO_IMPORT, Settings
from alerting_assets.sql_literal import moment_literal, qualified, text_literal, timestamp_literal

LATE = timedelta(hours=24)
"""How much later than the newest evaluation that was imported an older one may appear. Databricks promises no time."""

ROWS_AT_A_TIME = 50_000

DATABRICKS_VIEW = "system.alert.alert_evaluation_history"

UNKNOWN_CONFIGURATION = "unknown"
"""The config_hash of evaluations of alerts that are no longer configured."""

_STATES = ("OK", "TRIGGERED", "ERROR")


@dataclass(frozen=True)
class Imported:
    """What an import did. view: where from; None: there is none. rows: how many evaluations are new. finding: why the view cannot be
    read, and what would help."""

    view: str | None
    rows: int = 0
    finding: str | None = None


def view_of(settings: Settings) -> str | None:
    """The full name of the view that evaluations are imported from; None where nothing is."""
    if settings.evaluation_history == NO_IMPORT:
        return None
    if settings.evaluation_history:
        return settings.evaluation_history
    if settings.workspace == "local":
        return f"{settings.catalog}.{settings.schema}.{ALERT_EVALUATION_HISTORY.name}"
    return DATABRICKS_VIEW if settings.lakehouse == "warehouse" else None


def import_evaluations(
    lakehouse: Lakehouse,
    view: str | None,
    alerts: Mapping[str, CompiledAlert],
    since: datetime | None,
    now: datetime,
    environment: str,
    history_days: int,
    windows: Callable[[str, datetime], Windows] = lambda _alert_id, _since: (),
) -> Imported:
    """Append what the view holds and alert_history does not. A view that cannot be read is a finding.

    alerts: by alert_id; evaluations of alerts that are no longer there are imported, too. Left out are those of alerts whose condition
        compares with history, and of those with a model: of a gated alert the workspace says neither the measured value nor whether the
        condition was met.
    since: when the newest evaluation was that is imported already; None: none is.
    windows: (alert_id, a moment) → the windows of silence of that alert since then. A silent alert is OK for the workspace and has no
        value, whether the condition held or not: such an evaluation is SUPPRESSED, so that an open incident stays open.

    Raises LakehouseUnavailable."""
    if view is None:
        return Imported(None)
    oldest = now - timedelta(days=history_days)
    start = oldest if since is None else max(oldest, since - LATE)
    left_out = sorted(alert_id for alert_id, alert in alerts.items() if is_ours_alone(alert.condition, alert.hold))
    silent = cache(lambda alert_id: windows(alert_id, start))
    count = 0
    while True:
        try:
            found = lakehouse.query(_sql(lakehouse, view, environment, start, left_out)).to_pylist()
        except (QueryError, TableNotFound) as error:
            return _refused(view, error)
        rows = [_row(row, alerts.get(row["alert_id"]), silent(row["alert_id"])) for row in found]
        if rows:
            table = pa.Table.from_pylist(rows, arrow_schema(ALERT_HISTORY))
            bound = f"target.evaluated_at >= {moment_literal(min(row['evaluated_at'] for row in rows))}"
            count += lakehouse.merge(ALERT_HISTORY.name, table, on=["evaluation_id"], update=(), among=bound).inserted
        if len(found) < ROWS_AT_A_TIME:
            return Imported(view, count)


def _sql(lakehouse: Lakehouse, view: str, environment: str, start: datetime, left_out: Sequence[str]) -> str:
    """One row for each evaluation that is not in alert_history yet."""
    names = {spec.name: qualified(*lakehouse.namespace, spec.name) for spec in (ALERT_HISTORY, ALERT_DEPLOYMENTS)}
    excepted = f" AND alert_id NOT IN ({', '.join(map(text_literal, left_out))})" if left_out else ""
    own = (
        f"SELECT databricks_alert_id, MAX(alert_id) AS alert_id FROM {names[ALERT_DEPLOYMENTS.name]}\n"
        f"  WHERE environment = {text_literal(environment)} AND databricks_alert_id IS NOT NULL"
        f"{excepted} GROUP BY databricks_alert_id"
    )
    return (
        "SELECT own.alert_id, seen.alert_run_id, seen.evaluated_state, seen.start_time, seen.end_time, seen.error_code,\n"
        "  seen.error_message, to_json(seen.evaluated_source_result) AS value, to_json(seen.evaluated_threshold_result) AS threshold,\n"
        "  COALESCE(SIZE(seen.notified_subscriptions), 0) > 0 AS notified\n"
        f"FROM {qualified(*view.split('.'))} AS seen\n"
        f"JOIN (\n  {own}\n) AS own ON own.databricks_alert_id = seen.alert_id\n"
        f"LEFT ANTI JOIN (\n  SELECT evaluation_id FROM {names[ALERT_HISTORY.name]} WHERE evaluated_at >= {timestamp_literal(start)}\n"
        ") AS there ON there.evaluation_id = seen.alert_run_id\n"
        f"WHERE seen.start_time >= {timestamp_literal(start)} AND seen.alert_run_id IS NOT NULL\n"
        f"ORDER BY seen.start_time, seen.alert_run_id LIMIT {ROWS_AT_A_TIME}"
    )


def _row(seen: Mapping[str, Any], alert: CompiledAlert | None, windows: Windows) -> dict[str, Any]:
    """The row of alert_history for a row of the view. windows: of silence of its alert."""
    state, value = seen["evaluated_state"], _value(seen["value"])
    error = seen["error_message"] or seen["error_code"]
    if state not in _STATES:  # a state that is new to us
        state, error = "ERROR", f"the workspace says {state}{f': {error}' if error else ''}"
    number, text = number_and_text(value)
    met = {"TRIGGERED": True, "OK": False}.get(state)
    silence_id = silence_at(windows, seen["start_time"]) if state == "OK" and value is None else None
    if silence_id is not None:
        state, met = "SUPPRESSED", None
    threshold = _value(seen["threshold"])
    duration = seen["end_time"] and (seen["end_time"] - seen["start_time"]).total_seconds() * 1000
    return {
        "evaluation_id": seen["alert_run_id"],
        "alert_id": seen["alert_id"],
        "evaluated_at": seen["start_time"],
        "evaluated_by": "workspace",
        "evaluation_status": state,
        "query_result_value": number,
        "query_result_string": text,
        "operator": alert.condition.operator.value if alert else None,
        "threshold_value": threshold if isinstance(threshold, float) else None,
        "threshold_met": None if alert and alert.is_gated and not met else met,
        "ml_suppressed": False,
        "silence_id": silence_id,
        "notified": seen["notified"],
        "query_duration_ms": duration,
        "statement_alerts": 1,
        "error_message": error if state == "ERROR" else None,
        "config_hash": alert.config_hash if alert else UNKNOWN_CONFIGURATION,
    }


def _value(text: str | None) -> Any:
    """The value in the JSON of a struct that has a field for each type; None for NULL."""
    fields = json.loads(text) if text else {}
    return next((value for value in fields.values() if value is not None), None)


def _refused(view: str, error: QueryError | TableNotFound) -> Imported:
    if view.endswith(f".{ALERT_EVALUATION_HISTORY.name}") and not view.startswith("system."):
        absent = isinstance(error, TableNotFound) or error.kind is QueryErrorKind.MISSING_TABLE
        if absent:  # the local workspace was never served
            return Imported(view)
    catalog, schema, _ = view.split(".")
    return Imported(
        view,
        finding=(
            f"evaluations of the workspace cannot be imported: {view} cannot be read ({error}). Until it can, we evaluate every alert "
            f"ourselves. It takes: GRANT USE CATALOG ON CATALOG {catalog}, GRANT USE SCHEMA ON SCHEMA {catalog}.{schema} and GRANT "
            f"SELECT ON TABLE {view}, each TO the principal that runs this; or ALERTING_EVALUATION_HISTORY names another view, or is "
            f"{NO_IMPORT}."
        ),
    )
