"""The workspace as it is, and not as a stale or wrongly read list shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from alerting_assets.deployment.identity import SyncState, marker_of
from alerting_assets.errors import SyncStopped, WorkspaceForbidden, WorkspaceNotFound
from alerting_assets.workspace.port import RemoteAlert, Workspace


@dataclass(frozen=True)
class Observed:
    """alerts: those that the workspace shows, the trashed ones among those that were asked for by their id included. unseen: ids that
    are stored as deployed and that it does not show → why nobody can say whether they are gone."""

    alerts: list[RemoteAlert]
    unseen: Mapping[str, str] = field(default_factory=dict)


def observe(
    workspace: Workspace,
    state: Iterable[SyncState],
    *,
    environment: str,
    running: Collection[str],
    max_concurrency: int,
    accept_empty: bool = False,
) -> Observed:
    """The alerts of the workspace: one list, and a GET for each stored id that the list lacks, because a list may be stale.

    Raises SyncStopped when ids are stored and the list is empty, or shows nothing of this environment and no stored id answers
    either: it would otherwise mean "create everything again", and this is what a workspace looks like to a principal that may not
    see our alerts.

    running: the alert_ids that are to run and are fit to. For no other alert anything is created, so the id of a disabled or a
        quarantined one is no reason to stop if it names nothing: somebody purged it, or a sync was killed once it had trashed the
        last.
    accept_empty: a person said that what is not shown is really gone."""
    listed = {alert.id: alert for alert in workspace.list_alerts()}
    known = [one for one in state if one.databricks_alert_id and one.databricks_host == workspace.host]
    stored = sorted(str(one.databricks_alert_id) for one in known)
    needed = sum(one.alert_id in running for one in known)
    missing = [alert_id for alert_id in stored if alert_id not in listed]

    def get(alert_id: str) -> RemoteAlert | str:
        try:
            return workspace.get_alert(alert_id)
        except WorkspaceForbidden:
            return (
                f"{alert_id} may not be seen by this principal (HTTP 403): it was moved to a folder without permission"
            )
        except WorkspaceNotFound:
            return f"{alert_id} is not shown by the workspace: it was purged, or moved to a folder that this principal may not see"

    answers: list[RemoteAlert | str] = []
    if listed or accept_empty or not needed:
        with ThreadPoolExecutor(max_concurrency, thread_name_prefix="observe") as pool:
            answers = list(pool.map(get, missing))
    found = [answer for answer in answers if isinstance(answer, RemoteAlert)]
    nothing_of_ours = len(missing) == len(stored) and not any(
        marker.environment == environment for alert in listed.values() if (marker := marker_of(alert))
    )
    if needed and nothing_of_ours and not found and not accept_empty:
        shows = f"none of ours among {len(listed)} alerts" if listed else "no alert at all"
        raise SyncStopped(
            f"the workspace {workspace.host} lists {shows}, but {needed} are stored as deployed there. Nothing was written. "
            "Check that the same principal is used and may see them; if they are really gone, run `alerting apply --recreate`"
        )
    unseen = {alert_id: answer for alert_id, answer in zip(missing, answers, strict=False) if isinstance(answer, str)}
    return Observed([*listed.values(), *found], {} if accept_empty else unseen)
