"""Which messages to a destination may go as one, as the tables say it: for whoever delivers messages."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alerting_assets.alerts.destinations import GroupBy
from alerting_assets.delivery import DestinationType
from alerting_assets.errors import AlertingError
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, NOTIFICATION_DESTINATIONS

KEPT = timedelta(seconds=5)
"""How long what was read counts as what is there."""
_COLUMNS = {GroupBy.DOMAIN: "agent_domain", GroupBy.OWNER: "owner"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Read:
    """by_destination: a destination's id in the workspace → its group_by. alerts: alert_id → agent_domain and owner; empty where no
    destination asks for them."""

    at: datetime
    by_destination: Mapping[str, GroupBy] = field(default_factory=dict)
    alerts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class MessageGroups:
    """Tells the group of a message by `group_by` of its destination. While the tables cannot be read, which is told in the log, every
    message goes by itself; so does one about an alert that is not in the table where domains or owners are what counts. Safe from
    several threads."""

    def __init__(self, lakehouse: Lakehouse, now: Callable[[], datetime], kept: timedelta = KEPT) -> None:
        self._lakehouse, self._now, self._kept = lakehouse, now, kept
        self._lock = threading.Lock()
        self._last: _Read | None = None

    def __call__(self, destination_id: str, alert_id: str, severity: str) -> str | None:
        """destination_id: the one of the workspace."""
        read = self._current()
        by = read.by_destination.get(destination_id)
        if by is None:
            return None
        if by is GroupBy.SEVERITY:
            return f"{by}: {severity}"
        alert = read.alerts.get(alert_id)
        return None if alert is None else f"{by}: {alert[_COLUMNS[by]]}"

    def _current(self) -> _Read:
        with self._lock:
            now = self._now()
            if self._last is None or not timedelta(0) <= now - self._last.at < self._kept:
                self._last = self._read(now)
            return self._last

    def _read(self, now: datetime) -> _Read:
        names = ("databricks_destination_id", "destination_type", "group_by")
        try:
            rows = self._lakehouse.read(NOTIFICATION_DESTINATIONS.name, names).to_pylist()
            by_destination = {
                row["databricks_destination_id"]: GroupBy(row["group_by"])
                for row in rows
                if row["group_by"] in set(GroupBy) and row["destination_type"] != DestinationType.PAGERDUTY
            }
            alerts = {}
            if any(by in _COLUMNS for by in by_destination.values()):
                columns = ("alert_id", *_COLUMNS.values())
                alerts = {
                    row["alert_id"]: row for row in self._lakehouse.read(ALERT_CONFIGURATIONS.name, columns).to_pylist()
                }
        except AlertingError as error:
            _log.warning("messages are not grouped while the tables cannot be read: %s", error)
            return _Read(now)
        return _Read(now, by_destination, alerts)
