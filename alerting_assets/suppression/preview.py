"""What a label would change: the ranges of the week to come, with it and without it. Nothing is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from alerting_assets.anomaly import (
    METHOD,
    NOTHING_DECLARED,
    Declared,
    Holding,
    NotLearned,
    Range,
    Series,
    ranges_ahead,
    train,
)
from alerting_assets.anomaly.series import HOUR
from alerting_assets.configuration import events_in
from alerting_assets.incidents.fold import Incident
from alerting_assets.incidents.people import Label
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.suppression.declarations import alarm_of, declarations
from alerting_assets.suppression.histories import histories
from alerting_assets.suppression.modelled import ModelledAlert

DAYS = 7


class Changed(NamedTuple):
    """An hour of which other values are told. Bounds: None where nothing is held on that side.

    What was told lately counts in neither: it changes by the hour."""

    hour: datetime
    lower: float | None
    upper: float | None
    lower_after: float | None
    upper_after: float | None


def preview_label(
    lakehouse: Lakehouse, alert: ModelledAlert, incident: Incident, label: Label | None, now: datetime
) -> list[Changed]:
    """The hours of the next week of which the range changes with that label; None takes it away. A model as it would be trained now is
    compared with one that knows of the label, so it takes no model store."""
    series = histories(lakehouse, [alert], now)[alert.alert_id]
    declared = declarations(lakehouse, [alert], events_in(lakehouse), now).get(alert.alert_id, NOTHING_DECLARED)
    start = int(incident.opened_at.timestamp())
    end = None if incident.resolved_at is None else int(incident.resolved_at.timestamp())
    others = tuple(one for one in series.not_learned if one.is_planned or one.start != start)
    own = alarm_of(alert, _row(incident))
    alarms = tuple(one for one in declared.alarms if one != own)
    if label is Label.TRUE_POSITIVE:
        others = (*others, NotLearned(start, end, int(now.timestamp()) - 1))
    elif label is Label.FALSE_POSITIVE and own is not None:
        alarms = (*alarms, own)
    before = _week(alert, series, declared, now)
    after = _week(alert, replace(series, not_learned=others), Declared(declared.events, alarms), now)
    return [
        Changed(one.valid_from, *bounds(one), *bounds(other))
        for one, other in zip(before, after, strict=True)
        if bounds(one) != bounds(other)
    ]


def bounds(found: Range) -> tuple[float | None, float | None]:
    if not found.sides:
        return None, None
    return _known(found.lower), _known(found.upper)


def _week(alert: ModelledAlert, series: Series, declared: Declared, now: datetime) -> list[Range]:
    hour = int(now.timestamp()) // HOUR
    with np.errstate(over="ignore", invalid="ignore"):
        model = train(series, hour)
        holdings = {side: Holding(METHOD) for side in alert.sides}
        return ranges_ahead(
            model,
            holdings,
            hour + 1,
            hours=int(timedelta(days=DAYS) / timedelta(hours=1)),
            not_learned=series.not_learned,
            declared=declared,
        )


def _row(incident: Incident) -> dict[str, Any]:
    names = ("opened_at", "resolved_at", "last_evaluated_at", "peak_value")
    return {name: getattr(incident, name) for name in names}


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
