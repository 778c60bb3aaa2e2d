"""What somebody should know of every alert with a model: its tier, whether its values drift, and what to do about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from alerting_assets.anomaly import Drift, Series, drift_of, train
from alerting_assets.anomaly.series import HOUR
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.suppression.histories import histories
from alerting_assets.suppression.lately import BUDGET_DAYS, BUDGET_LEAST, Lately, read_lately
from alerting_assets.suppression.modelled import ModelledAlert
from alerting_assets.suppression.tiers import NONE, tier_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reviewed:
    """Of one alert.

    tier: SEASONAL, or NONE where no season can be learned; reason: why it is in it. drift: None where too little is known to say.
    advice: what to do about it; None: nothing."""

    alert: ModelledAlert
    tier: str
    reason: str
    drift: Drift | None
    lately: Lately
    advice: str | None

    @property
    def has_drifted(self) -> bool:
        return self.drift is not None and self.drift.has_drifted


def review_alerts(lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], now: datetime) -> list[Reviewed]:
    """All of these alerts, from their histories. One that cannot be reviewed costs itself."""
    found, lately = histories(lakehouse, alerts, now), read_lately(lakehouse, alerts, now)
    return [_reviewed(alert, found[alert.alert_id], lately[alert.alert_id], now) for alert in alerts]


def drifted(lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], now: datetime) -> list[str]:
    """The ids of those whose values have drifted, in order."""
    return sorted(one.alert.alert_id for one in review_alerts(lakehouse, alerts, now) if one.has_drifted)


def review_rows(reviewed: Sequence[Reviewed]) -> list[dict[str, Any]]:
    """Rows for people: those that somebody should do something about first."""
    ordered = sorted(reviewed, key=lambda one: (one.advice is None, one.alert.alert_id))
    return [
        {
            "alert_id": one.alert.alert_id,
            "tier": one.tier,
            "because": one.reason,
            "far from expected, last week": None if one.drift is None else f"{one.drift.lately:.0%}",
            "in the 4 weeks before": None if one.drift is None else f"{one.drift.before:.0%}",
            "held": f"{one.lately.held} of {one.lately.decided}",
            "advice": one.advice,
        }
        for one in ordered
    ]


def _reviewed(alert: ModelledAlert, series: Series, lately: Lately, now: datetime) -> Reviewed:
    hour = int(now.timestamp()) // HOUR
    # The isolation boundary: whatever is wrong with one alert's history, the others are reviewed.
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            tier, reason = tier_of(series, train(series, hour))
            drift = drift_of(series, hour)
    except Exception as error:  # noqa: BLE001 — told in the review and in the log
        _log.exception("alert %s cannot be reviewed", alert.alert_id)
        fault = f"cannot be reviewed ({type(error).__name__}: {error}), which is a fault of alerting_assets; please report it"
        return Reviewed(alert, NONE, fault, None, lately, fault)
    return Reviewed(alert, tier, reason, drift, lately, _advice(alert, tier, drift, lately))


def _advice(alert: ModelledAlert, tier: str, drift: Drift | None, lately: Lately) -> str | None:
    if tier == NONE:
        return (
            f"`alerting anomaly backfill {alert.alert_id}` computes a history; until there is one, everything is told"
        )
    if drift is not None and drift.has_drifted:
        return "its values are others than before: look whether its threshold still means something"
    if lately.is_over_budget(alert.budget):
        return "more is held than its ml_suppression_budget: put the threshold where it means something, or raise the budget"
    if not alert.is_live and lately.decided >= BUDGET_LEAST and lately.held:
        return (
            f"in shadow it would have held {lately.held} of {lately.decided} in {BUDGET_DAYS} days: look at them, and if that is right, "
            "ml_shadow: false holds them"
        )
    return None
