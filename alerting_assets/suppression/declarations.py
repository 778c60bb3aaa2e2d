"""What people said of values to expect, for all alerts: planned events, and incidents that they labelled as false alarms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from alerting_assets.alerts.expected_events import ExpectedEventConfiguration
from alerting_assets.alerts.matcher import Matchable
from alerting_assets.alerts.sides import Side
from alerting_assets.anomaly import METHOD, Declared, ExpectedEvent, FalseAlarm, false_alarm
from alerting_assets.configuration.expected_events import events_in
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_INCIDENTS
from alerting_assets.sql_literal import moment_literal
from alerting_assets.suppression.histories import breach_of
from alerting_assets.suppression.modelled import ModelledAlert

_COLUMNS = ("alert_id", "opened_at", "resolved_at", "last_evaluated_at", "peak_value")


def declarations(
    lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], traits: Mapping[str, Matchable], now: datetime
) -> dict[str, Declared]:
    """By alert_id; an alert of which nothing was said is left out. traits: alert_id → what matchers look at. Reads two small tables."""
    events, alarms = events_in(lakehouse), _false_alarms(lakehouse, alerts, now)
    found = {}
    for alert in alerts:
        own = events_of(events, traits[alert.alert_id], now) if alert.alert_id in traits else ()
        if own or alert.alert_id in alarms:
            found[alert.alert_id] = Declared(own, tuple(alarms.get(alert.alert_id, ())))
    return found


def events_of(
    events: Iterable[tuple[ExpectedEventConfiguration, datetime]], alert: Matchable, now: datetime
) -> tuple[ExpectedEvent, ...]:
    """Those that are about an alert, those of the time that a training looks back at included."""
    since = now - timedelta(weeks=METHOD.weeks)
    return tuple(
        ExpectedEvent(
            int(one.starts_at.timestamp()),
            int(one.ends_at.timestamp()),
            one.expected_value,
            one.expected_factor,
            int(declared_at.timestamp()),
        )
        for one, declared_at in events
        if one.ends_at > max(since, one.starts_at) and one.matches(alert)
    )


def alarm_of(alert: ModelledAlert, incident: Mapping[str, Any]) -> FalseAlarm | None:
    """What an incident says once it is labelled as a false alarm; None where it has no peak. incident: a row of alert_incidents."""
    peak = incident["peak_value"]
    if peak is None:
        return None
    breach = int(breach_of(alert.condition, np.array([peak]), np.array([True]))[0])
    end = incident["resolved_at"] or incident["last_evaluated_at"]
    side = Side.ABOVE if breach > 0 else Side.BELOW
    return false_alarm(side, int(incident["opened_at"].timestamp()), int(end.timestamp()), peak, alert.zone)


def _false_alarms(
    lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], now: datetime
) -> Mapping[str, list[FalseAlarm]]:
    by_id = {alert.alert_id: alert for alert in alerts}
    since = moment_literal(now - timedelta(weeks=METHOD.weeks))
    where = f"label = 'FALSE_POSITIVE' AND last_evaluated_at >= {since}"
    found = defaultdict[str, list[FalseAlarm]](list)
    for row in lakehouse.read(ALERT_INCIDENTS.name, _COLUMNS, where=where).to_pylist():
        alert = by_id.get(row["alert_id"])
        if alert is not None and (alarm := alarm_of(alert, row)) is not None:
            found[alert.alert_id].append(alarm)
    return found
