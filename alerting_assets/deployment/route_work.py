"""Which alerts a change of the routes is about, told by the tables alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from alerting_assets.configuration import ROUTE, read_listed, routed_alerts, routing_of
from alerting_assets.deployment.work import Work
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, NOTIFICATION_ROUTES

_COLUMNS = ("alert_id", "agent_domain", "severity", "tags", "owner", "notification_channels", "routed_to")


def with_routes(work: Work, lakehouse: Lakehouse) -> Work:
    """The work with the alerts that routes tell otherwise than the last sync of the alert knew."""
    if work.alert_ids is None:
        return work
    due = rerouted(lakehouse) - work.alert_ids
    if not due:
        return work
    version = lakehouse.version(NOTIFICATION_ROUTES.name)
    return replace(
        work,
        alert_ids=work.alert_ids | due,
        reason=f"{'' if work.is_nothing else work.reason + ', '}{len(due)} routed anew",
        change=f"{work.change}{version.table_id}:{version.version}",
    )


def rerouted(lakehouse: Lakehouse) -> frozenset[str]:
    """The alerts for which routes do something else now than what their rows say of their last sync. Rows that share an alert_id are
    held back anyway, whatever each of them says."""
    rows = lakehouse.read(ALERT_CONFIGURATIONS.name, _COLUMNS).to_pylist()
    routes = read_listed(lakehouse, ROUTE)
    if not routes and all(row["routed_to"] is None for row in rows):
        return frozenset()
    now, rows_of = routed_alerts(rows, routing_of(routes)), Counter(row["alert_id"] for row in rows)
    return frozenset(
        row["alert_id"]
        for row in rows
        if rows_of[row["alert_id"]] == 1 and now[row["alert_id"]].effect != row["routed_to"]
    )
