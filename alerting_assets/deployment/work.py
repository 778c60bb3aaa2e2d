"""What a sync has to do next, told by the tables alone: no request to the workspace (docs/architecture.md, "Level-triggered").

The change feed since the last complete sync says which alerts people changed, removed or brought back; the rows say which alerts
failed and are due again, or say nothing. Where the feed cannot say it (no sync yet, another workspace, a table that was made anew or
restored, a feed that was cleaned up), it is all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerting_assets.alerts.configuration import OWNED_COLUMNS
from alerting_assets.deployment.actions import Status
from alerting_assets.deployment.lease import read_position
from alerting_assets.errors import ChangesUnavailable
from alerting_assets.lakehouse.port import Changes, Lakehouse, TableVersion
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
_AFTER = ("insert", "update_postimage")
_NOT_VALIDATED_OF_OLD = (
    "was never validated in its present form; run `alerting validate`, or materialize validated_queries for it"
)
"""Before NOT_VALIDATED was a status, rows said it by this error alone; the next sync of the alert writes them anew."""


@dataclass(frozen=True)
class Work:
    """alert_ids: whom it is about; None: everybody. reason: why, in words. up_to: the version of alert_configurations that is true
    once it is done. change: names what people last changed of it, the same each time it is looked at and never another change's.
    destinations: those about which there is something to do, too."""

    alert_ids: frozenset[str] | None
    reason: str
    up_to: TableVersion
    change: str
    destinations: frozenset[str] = frozenset()

    @property
    def is_nothing(self) -> bool:
        return self.alert_ids is not None and not self.alert_ids and not self.destinations


def find_work(lakehouse: Lakehouse, environment: str, host: str, now: datetime) -> Work:
    """host: of the workspace, as rows hold it. Reads two small tables, and the feed where the table has a new version."""
    position = read_position(lakehouse, environment)
    head = lakehouse.version(ALERT_CONFIGURATIONS.name)

    def change(version: int) -> str:
        commit = lakehouse.commit(ALERT_CONFIGURATIONS.name, version) or ""
        return f"{head.table_id}:{version}:{commit[:12]}"

    def everything(reason: str) -> Work:
        return Work(None, reason, head, change(head.version))

    if position is None:
        return everything("no sync of this environment was completed yet")
    if position.host != host:
        return everything(f"the last complete sync was one to {position.host}")
    if position.version.table_id != head.table_id:
        return everything("alert_configurations was made anew")
    if not position.fits(lakehouse):
        return everything(
            "alert_configurations is not what was deployed from: it was restored, or its log was cleaned up"
        )
    changed: Mapping[str, int] = {}
    if head.version != position.version.version:
        try:
            changes = lakehouse.changes(ALERT_CONFIGURATIONS.name, position.version.version)
        except ChangesUnavailable as error:
            return everything(f"the change feed cannot tell: {error}")
        changed, head = changed_by_people(changes), changes.head
    failed = _due_again(lakehouse, now) - changed.keys()
    counted = {"changed": len(changed), "failed before": len(failed)}
    reason = ", ".join(f"{number} {word}" for word, number in counted.items() if number) or "nothing changed"
    alert_ids = frozenset({*changed, *failed})
    newest = max(changed.values(), default=position.version.version)
    return Work(alert_ids, reason, head, change(newest) if alert_ids else "")


def changed_by_people(changes: Changes) -> dict[str, int]:
    """alert_id → the newest version in which a column that people own differs before and after. What a sync writes back is none."""
    sides: dict[tuple[int, str], tuple[list[Any], list[Any]]] = {}
    names = [*OWNED_COLUMNS, "_change_type", "_commit_version"]
    for row in changes.rows.select(names).to_pylist():
        before, after = sides.setdefault((row["_commit_version"], row["alert_id"]), ([], []))
        side = after if row["_change_type"] in _AFTER else before
        side.append([_comparable(row[name]) for name in OWNED_COLUMNS])
    found: dict[str, int] = {}
    for (version, alert_id), (before, after) in sides.items():
        if sorted(map(repr, before)) != sorted(map(repr, after)):
            found[alert_id] = max(version, found.get(alert_id, version))
    return found


def pause_after(failures: int) -> timedelta:
    """How long after that many failures in a row the next try comes."""
    doublings = min(max(failures - 1, 0), 10)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


def _due_again(lakehouse: Lakehouse, now: datetime) -> set[str]:
    columns = ("alert_id", "last_sync_status", "last_sync_error", "last_synced_at", "failed_syncs")
    return {
        row["alert_id"] for row in lakehouse.read(ALERT_CONFIGURATIONS.name, columns).to_pylist() if _is_due(row, now)
    }


def _is_due(row: Mapping[str, Any], now: datetime) -> bool:
    status, error = row["last_sync_status"], row["last_sync_error"]
    if status is None:
        return True  # no sync came to it, or it was restored from before one did
    if status == Status.NOT_VALIDATED or (status == Status.INVALID and error == _NOT_VALIDATED_OF_OLD):
        return True
    if status != Status.ERROR or row["last_synced_at"] is None:
        return False
    return bool(now >= row["last_synced_at"] + pause_after(row["failed_syncs"] or 1))


def _comparable(value: Any) -> Any:
    """Maps come as lists of pairs, in any order."""
    return sorted(map(repr, value)) if isinstance(value, list) and value and isinstance(value[0], tuple) else value
