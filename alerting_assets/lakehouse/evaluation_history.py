"""`alert_evaluation_history`: what the local workspace evaluated, in the columns of Databricks' `system.alert.alert_evaluation_history`,
so that what reads the one reads the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.port import Column, Lakehouse, TableSpec
from alerting_assets.lakehouse.tables import PROPERTIES

if TYPE_CHECKING:  # it brings the web server along
    from alerting_assets.workspace.local.store import Evaluation

_VALUE = "struct<double_value:double,string_value:string,bool_value:boolean>"
_SUBSCRIPTIONS = "array<struct<user_email:string,destination_id:string>>"

ALERT_EVALUATION_HISTORY = TableSpec(
    name="alert_evaluation_history",
    comment="One row an evaluation by the local workspace, as in Databricks' system.alert.alert_evaluation_history. Append only.",
    key=("alert_run_id",),
    columns=(
        Column("account_id", "string"),
        Column("workspace_id", "string"),
        Column("alert_id", "string", comment="the workspace's id of the alert, not the one of the configuration"),
        Column("job_id", "string", comment="of the job whose task evaluated it; always NULL here"),
        Column("task_key", "string", comment="of that task; always NULL here"),
        Column("alert_run_id", "string", nullable=False),
        Column("evaluated_state", "string", comment="OK, TRIGGERED, ERROR"),
        Column("evaluated_source_result", _VALUE),
        Column("evaluated_threshold_result", _VALUE),
        Column("error_code", "string"),
        Column("error_message", "string"),
        Column("notified_subscriptions", _SUBSCRIPTIONS),
        Column("failed_subscriptions", _SUBSCRIPTIONS, comment="always empty here"),
        Column("start_time", "timestamp"),
        Column("end_time", "timestamp"),
    ),
    properties=PROPERTIES,
)

ACCOUNT_ID = "local"
ERROR_CODE = "EVALUATION_FAILED"
"""The one error_code of the local workspace; the message says more."""

_log = logging.getLogger(__name__)


class EvaluationHistory:
    """Appends evaluations to the table. What the lakehouse does not take is kept, and tried again with the next evaluations. Safe from
    several threads."""

    def __init__(self, lakehouse: Lakehouse, workspace_id: str) -> None:
        """Creates the table if it is not there. Raises LakehouseError."""
        self._lakehouse, self._workspace_id = lakehouse, workspace_id
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        lakehouse.create_table(ALERT_EVALUATION_HISTORY)

    def append(self, evaluations: Sequence[Evaluation]) -> None:
        rows = [_row(evaluation, self._workspace_id) for evaluation in evaluations]
        with self._lock:
            self._waiting += rows
            table = pa.Table.from_pylist(self._waiting, schema=arrow_schema(ALERT_EVALUATION_HISTORY))
            try:
                self._lakehouse.append(ALERT_EVALUATION_HISTORY.name, table)
            except LakehouseError as error:
                _log.warning(
                    "%d evaluations of the local workspace wait to be appended to %s: %s",
                    len(self._waiting),
                    ALERT_EVALUATION_HISTORY.name,
                    error,
                )
            else:
                self._waiting.clear()


def _row(evaluation: Evaluation, workspace_id: str) -> dict[str, Any]:
    started_at = datetime.fromisoformat(evaluation.evaluated_at)
    return {
        "account_id": ACCOUNT_ID,
        "workspace_id": workspace_id,
        "alert_id": evaluation.alert_id,
        "alert_run_id": evaluation.run_id,
        "evaluated_state": "OK" if evaluation.state == "UNKNOWN" else evaluation.state,  # which is no state there
        "evaluated_source_result": _value(evaluation.value),
        "evaluated_threshold_result": _value(evaluation.threshold),
        "error_code": ERROR_CODE if evaluation.state == "ERROR" else None,
        "error_message": evaluation.error,
        "notified_subscriptions": list(evaluation.notified),
        "failed_subscriptions": [],
        "start_time": started_at,
        "end_time": started_at + timedelta(milliseconds=evaluation.duration_ms),
    }


def _value(value: Any) -> dict[str, Any] | None:
    """The struct of a value, in which the field of its type is set; None for NULL."""
    if value is None:
        return None
    if isinstance(value, bool):
        return {"bool_value": value}
    return {"string_value": value} if isinstance(value, str) else {"double_value": float(value)}
