"""The facts about the health of alerting: small tables, and one request to the workspace. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from alerting_assets.configuration import ROUTE, Row, read_listed, read_rows, target_of
from alerting_assets.deployment import Work, find_work, with_routes
from alerting_assets.deployment.metrics import SyncMetrics, recent_metrics
from alerting_assets.errors import LakehouseError, WorkspaceError, WorkspaceNotFound
from alerting_assets.evaluation.due import due_alerts
from alerting_assets.heartbeat.health import FAILED_IN_A_ROW, Facts, SyncFact
from alerting_assets.incidents.store import read_states
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings
from alerting_assets.validation import Verdict, policy_of, verdicts_of_rows
from alerting_assets.workspace.client import connect

WORKSPACE_SECONDS = 15.0
"""How long the workspace may take to answer, its retries included."""
_SYNCS = 50
"""Among so many, those of other environments and dry runs included, the newest of this one are looked for."""
_SLACK = timedelta(minutes=5)


def look(open_tables: Callable[[], AbstractContextManager[Lakehouse]], settings: Settings, now: datetime) -> Facts:
    """open_tables: opens the lakehouse, with its tables created."""
    try:
        with open_tables() as lakehouse:
            rows = read_rows(lakehouse)
            host, workspace_error = _ask_workspace(settings, rows)
            return _facts(lakehouse, settings, rows, host, workspace_error, now)
    except LakehouseError as error:
        return Facts(lakehouse_error=str(error))


def _ask_workspace(settings: Settings, rows: Iterable[Row]) -> tuple[str | None, str | None]:
    """(its host, why it does not answer). One alert that is known is asked for, or the list where none is: what a principal that deploys
    alerts may see."""
    try:
        workspace = connect(settings, deadline_seconds=WORKSPACE_SECONDS)
    except WorkspaceError as error:
        return None, str(error)
    known = (row["databricks_alert_id"] for row in rows if row["databricks_host"] == workspace.host)
    remote_id = next((one for one in known if one is not None), None)
    try:
        if remote_id is None:
            workspace.list_alerts()
        else:
            workspace.get_alert(remote_id)
    except WorkspaceNotFound:
        pass  # an answer, too: the sync says what became of that alert
    except WorkspaceError as error:
        return workspace.host, str(error)
    return workspace.host, None


def _facts(
    lakehouse: Lakehouse, settings: Settings, rows: Sequence[Row], host: str | None, error: str | None, now: datetime
) -> Facts:
    enabled = [row for row in rows if row["is_enabled"]]
    states = read_states(lakehouse, settings.reopen).by_id
    verdicts = verdicts_of_rows(lakehouse, enabled, target_of(settings), policy_of(settings))
    valid = {name for name, verdict in verdicts.items() if verdict and verdict.verdict is Verdict.VALID}
    evaluable = [row for row in enabled if row["alert_id"] in valid]
    newest = [states[row["alert_id"]].newest for row in evaluable if row["alert_id"] in states]
    grace = timedelta(minutes=settings.evaluation_grace_minutes)
    due = due_alerts(evaluable, states, now, grace)
    work = None if host is None else with_routes(find_work(lakehouse, settings.environment, host, now), lakehouse)
    is_everything = work is not None and work.alert_ids is None and bool(rows)
    return Facts(
        workspace_error=error,
        syncs=[_sync(one) for one in _syncs(lakehouse, settings.environment)],
        undeployed=work.reason if work is not None and is_everything else None,
        edited_at={} if work is None else _edits(work, rows, read_listed(lakehouse, ROUTE)),
        # On a warehouse evaluations by us are off from the start, and those of the workspace need not be readable.
        evaluates=settings.lakehouse != "warehouse" or bool(states),
        overdue={alert_id: one.first_at for alert_id, one in due.items()},
        late_after=timedelta(seconds=settings.evaluation_seconds) + _SLACK,
        evaluated=len(newest),
        failing=sum(one.evaluation_status == "ERROR" for one in newest),
        alerts=len(enabled),
        evaluated_at=max((one.evaluated_at for one in newest), default=None),
    )


def _edits(work: Work, rows: Iterable[Row], routes: Iterable[Row]) -> dict[str, datetime]:
    """Which alerts wait for a sync, and since when at the most, as far as rows say it: who writes by SQL need not write updated_at. Those
    whose last sync failed are not meant: that is their own fault, or that of a sync, which is told by itself."""
    waiting = work.alert_ids or frozenset()
    of_routes = [row["updated_at"] or row["created_at"] for row in routes]
    return {
        row["alert_id"]: max([row["updated_at"] or row["created_at"], *of_routes])
        for row in rows
        if row["alert_id"] in waiting and row["last_sync_status"] != "ERROR"
    }


def _syncs(lakehouse: Lakehouse, environment: str) -> list[SyncMetrics]:
    found = recent_metrics(lakehouse, _SYNCS)
    return [one for one in found if one.environment == environment and not one.dry_run][:FAILED_IN_A_ROW]


def _sync(one: SyncMetrics) -> SyncFact:
    if one.error_message is None and one.error_count and not one.success_count:
        return SyncFact(one.sync_ended_at, f"all requests failed, for {one.error_count} alerts")
    return SyncFact(one.sync_ended_at, one.error_message)
