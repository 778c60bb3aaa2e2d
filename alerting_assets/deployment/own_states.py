"""What we found out about deployed alerts, by the workspace's ids, for the page of the local workspace."""

from __future__ import annotations

from alerting_assets.lakehouse.arrow import as_rows
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_DEPLOYMENTS, ALERT_STATE
from alerting_assets.workspace.local.own_state import OwnState

_STATE = (
    *("alert_id", "evaluation_status", "status_since", "query_result_value", "query_result_string"),
    *("evaluated_at", "evaluated_by", "error_message"),
)


def read_own_states(lakehouse: Lakehouse, environment: str) -> dict[str, OwnState]:
    """The newest evaluation of each alert that was deployed from this environment, by its id in the workspace. Two small tables are read,
    and no history. Raises LakehouseError."""
    states = {
        row["alert_id"]: OwnState(
            row["evaluation_status"],
            row["status_since"],
            row["query_result_value"] if row["query_result_string"] is None else row["query_result_string"],
            row["evaluated_at"],
            row["error_message"],
            row["evaluated_by"] != "own",
        )
        for row in as_rows(lakehouse.read(ALERT_STATE.name, _STATE))
    }
    deployed = lakehouse.read(ALERT_DEPLOYMENTS.name, ["environment", "alert_id", "databricks_alert_id"]).to_pylist()
    return {
        row["databricks_alert_id"]: states[row["alert_id"]]
        for row in deployed
        if row["environment"] == environment and row["databricks_alert_id"] is not None and row["alert_id"] in states
    }
