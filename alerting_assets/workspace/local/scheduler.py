"""Evaluates the deployed alerts on their own schedules while the workspace is served."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from alerting_assets.quartz import parse_quartz
from alerting_assets.workspace.local.alert_body import value_at
from alerting_assets.workspace.local.evaluator import Evaluator
from alerting_assets.workspace.local.rules import Clock, read_timestamp
from alerting_assets.workspace.local.store import Evaluation, Schedule, Store

LOOK_SECONDS = 1.0
_BATCH_SECONDS = 5.0
"""After so long the evaluations of a look are stored although more alerts are due."""
_STOP_SECONDS = 15.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Awaited:
    """The next fire time of a schedule; None where it has none."""

    schedule: Schedule
    fires_at: datetime | None


class Scheduler:
    """A thread that evaluates every active alert whose schedule fired and is not paused.

    What fired before the start, or before the alert's last update, is never made up for. An alert is evaluated once at a look,
    however often it fired since the look before."""

    def __init__(self, store: Store, evaluator: Evaluator, clock: Clock) -> None:
        self._store, self._evaluator, self._clock = store, evaluator, clock
        self._awaited: dict[str, _Awaited] = {}
        self._since = clock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="local-workspace-scheduler", daemon=True)

    def start(self) -> None:
        self._since = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Stop after the query that runs just now. Stopping twice, or what was never started, is no error."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def look(self) -> None:
        """Evaluate the alerts that fired since the last look."""
        evaluations: list[Evaluation] = []
        begun = time.monotonic()
        for alert_id in self._due(self._clock()):
            if self._stopping.is_set():
                break
            if (evaluation := self._evaluate(alert_id)) is not None:
                evaluations.append(evaluation)
            if time.monotonic() - begun > _BATCH_SECONDS:
                self._evaluator.store(evaluations)
                evaluations, begun = [], time.monotonic()
        self._evaluator.store(evaluations)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:  # noqa: BLE001 — told in the log: it costs this look only
                _log.exception("the local workspace could not evaluate the alerts that are due")

    def _due(self, now: datetime) -> list[str]:
        """The alerts that fired since the last look; each then waits for its next fire time after now."""
        before, self._awaited, due = self._awaited, {}, []
        for alert_id, schedule in self._store.schedules().items():
            awaited = before.get(alert_id)
            if awaited is None or awaited.schedule != schedule:
                awaited = _await(alert_id, schedule, self._since)
            if awaited.fires_at is not None and awaited.fires_at <= now:
                due.append(alert_id)
                awaited = _await(alert_id, schedule, now)
            self._awaited[alert_id] = awaited
        return due

    def _evaluate(self, alert_id: str) -> Evaluation | None:
        """None for an alert that was trashed or paused since the look began, and for one that cannot be evaluated."""
        try:
            body = self._store.get(alert_id)
            if body is None or body["lifecycle_state"] != "ACTIVE":
                return None
            return None if value_at(body, "schedule.pause_status") == "PAUSED" else self._evaluator.evaluate(body)
        except Exception:  # noqa: BLE001 — told in the log: it costs this evaluation only
            _log.exception("the alert %s could not be evaluated on its schedule", alert_id)
            return None


def _await(alert_id: str, schedule: Schedule, after: datetime) -> _Awaited:
    try:
        after = max(after, read_timestamp(schedule.update_time))
        fires_at = parse_quartz(schedule.cron).next_fire_time(after, ZoneInfo(schedule.zone))
    except (ValueError, OSError, LookupError):  # nothing that the API takes; whatever else lies in the file
        _log.exception("the alert %s has a schedule that nobody can read", alert_id)
        fires_at = None
    return _Awaited(schedule, fires_at)
