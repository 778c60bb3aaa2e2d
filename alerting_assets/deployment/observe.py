"""The workspace as it is, and not as a stale or wrongly read list shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

from alerting_assets.deployment.identity import SyncState, marker_of
from alerting_assets.errors import SyncStopped, WorkspaceNotFound
from alerting_assets.workspace.port import RemoteAlert, Workspace


def observe(
    workspace: Workspace,
    state: Iterable[SyncState],
    *,
    environment: str,
    running: Collection[str],
    max_concurrency: int,
    accept_empty: bool = False,
) -> list[RemoteAlert]:
    """The alerts of the workspace: one list, and a GET for each stored id that the list lacks, because a list may be stale.

    Raises SyncStopped when ids are stored and the list is empty, or shows nothing of this environment and no stored id answers
    either: it would otherwise mean "create everything again", and this is what a workspace looks like to a principal that may not
    see our alerts.

    running: the alert_ids that are to run and are fit to. For no other alert anything is created, so the id of a disabled or a
        quarantined one is no reason to stop if it names nothing: somebody purged it, or a sync was killed once it had trashed the
        last.
    accept_empty: a person said that they are really gone."""
    listed = {alert.id: alert for alert in workspace.list_alerts()}
    known = [one for one in state if one.databricks_alert_id and one.databricks_host == workspace.host]
    stored = sorted(str(one.databricks_alert_id) for one in known)
    needed = sum(one.alert_id in running for one in known)
    missing = [alert_id for alert_id in stored if alert_id not in listed]

    def get(alert_id: str) -> RemoteAlert | None:
        try:
            return workspace.get_alert(alert_id)
        except WorkspaceNotFound:
            return None

    found: list[RemoteAlert] = []
    if listed or accept_empty or not needed:
        with ThreadPoolExecutor(max_concurrency, thread_name_prefix="observe") as pool:
            found = [alert for alert in pool.map(get, missing) if alert is not None]
    nothing_of_ours = len(missing) == len(stored) and not any(
        marker.environment == environment for alert in listed.values() if (marker := marker_of(alert))
    )
    if needed and nothing_of_ours and not found and not accept_empty:
        shows = f"none of ours among {len(listed)} alerts" if listed else "no alert at all"
        raise SyncStopped(
            f"the workspace {workspace.host} lists {shows}, but {needed} are stored as deployed there. Nothing was written. "
            "Check that the same principal is used and may see them; if they are really gone, run `alerting apply --recreate`"
        )
    return [*listed.values(), *found]
