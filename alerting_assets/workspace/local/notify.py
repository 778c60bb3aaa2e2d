"""Whether an evaluation notifies, as Databricks decides it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerting_assets.workspace.local.alert_body import Body

AT_EVERY_EVALUATION = 1
"""The retrigger_seconds of an alert that notifies at every evaluation at which it is TRIGGERED."""


@dataclass(frozen=True)
class Remembered:
    """What is remembered of an alert between its evaluations. state: of its last evaluation that was no ERROR; None before the first
    one. notified_at: when it last notified."""

    state: str | None = None
    notified_at: datetime | None = None

    def after(self, state: str, now: datetime, notified: bool) -> Remembered:
        """What is remembered after one more evaluation. An ERROR changes nothing."""
        if state == "ERROR":
            return self
        return Remembered(state, now if notified else self.notified_at)


def notifies(state: str, now: datetime, remembered: Remembered, notification: Body) -> bool:
    """Whether an evaluation with this state notifies those who subscribed.

    notification: `evaluation.notification` of the alert's body."""
    if state == "OK":
        return remembered.state == "TRIGGERED" and bool(notification.get("notify_on_ok"))
    if state != "TRIGGERED":
        return False
    if remembered.state != "TRIGGERED":
        return True
    seconds = notification.get("retrigger_seconds") or 0
    if seconds <= AT_EVERY_EVALUATION:
        return bool(seconds == AT_EVERY_EVALUATION)
    return remembered.notified_at is None or now - remembered.notified_at >= timedelta(seconds=seconds)
