"""How suppression stands, alert by alert, as the tables say it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerting_assets.alerts.reasons import Reason
from alerting_assets.lakehouse.arrow import as_rows
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import EXPECTED_RANGES
from alerting_assets.sql_literal import moment_literal
from alerting_assets.suppression.histories import of_alerts
from alerting_assets.suppression.lately import Lately, read_lately
from alerting_assets.suppression.modelled import ModelledAlert
from alerting_assets.suppression.refresh import STALE, LoadModel, RefreshedAlert, load_all

SHOWN_DAYS = 7
"""For so long it is known when a range was last closed; older ranges are deleted."""
NAMED = 20
"""So many alerts are named in a sentence."""


@dataclass(frozen=True)
class Standing:
    """Of one alert.

    until: when its ranges run out; None: it has none now, and tells everything.
    closed: why less is held in this hour than could be, or nothing; None: the range is open, or there is none.
    last_closed, last_closed_at: of the newest hour that was closed, in the last `SHOWN_DAYS`.
    model_version, trained_at: of what serves its model now, which its next ranges come from; None: nothing does."""

    alert: ModelledAlert
    lately: Lately
    model_version: str | None
    trained_at: datetime | None
    until: datetime | None
    closed: str | None
    last_closed: str | None
    last_closed_at: datetime | None


def read_standings(
    lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], now: datetime, load: LoadModel
) -> tuple[list[Standing], dict[str, str]]:
    """How each of them stands; and model name → why it could not be loaded."""
    lately = read_lately(lakehouse, alerts, now)
    served, unavailable = load_all({alert.model_name for alert in alerts}, load)
    ranges = _ranges(lakehouse, alerts, now)
    found = []
    for alert in alerts:
        rows = ranges.get((alert.alert_id, alert.model_name), [])
        present = next((row for row in rows if row["valid_from"] <= now < row["valid_until"]), None)
        closed = [row for row in rows if row["closed"] is not None and row["valid_from"] <= now]
        serving = served.get(alert.model_name)
        found.append(
            Standing(
                alert,
                lately[alert.alert_id],
                serving.version if serving else None,
                serving.trained_at if serving else None,
                max(row["valid_until"] for row in rows) if present else None,
                present["closed"] if present else None,
                closed[-1]["closed"] if closed else None,
                closed[-1]["valid_from"] if closed else None,
            )
        )
    return found, unavailable


def troubles(alerts: Iterable[RefreshedAlert]) -> list[str]:
    """What somebody should look at after a refresh, in sentences that name the alerts."""
    refreshed = [*alerts]
    groups = {
        "no version of the model serves yet, run `alerting anomaly train`": [
            one for one in refreshed if one.until is None and one.error is None
        ],
        "no range could be made": [one for one in refreshed if one.error is not None],
        f"the model is older than {STALE.days} days, look why the training fails": [
            one for one in refreshed if one.closed == Reason.STALE_MODEL
        ],
        "more was held in 28 days than `ml_suppression_budget` allows": [
            one for one in refreshed if one.closed == Reason.BUDGET
        ],
    }
    return [
        f"{len(some)} {'alert tells' if len(some) == 1 else 'alerts tell'} everything, since {why}: "
        + _named([one.alert.alert_id for one in some])
        for why, some in groups.items()
        if some
    ]


def _named(alert_ids: Sequence[str]) -> str:
    more = f" and {len(alert_ids) - NAMED} more" if len(alert_ids) > NAMED else ""
    return f"{', '.join(sorted(alert_ids)[:NAMED])}{more}"


def _ranges(
    lakehouse: Lakehouse, alerts: Sequence[ModelledAlert], now: datetime
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The ranges of the last days and of those to come, by alert and model, in order."""
    columns = ["alert_id", "model_name", "valid_from", "valid_until", "closed"]
    where = f"valid_from > {moment_literal(now - timedelta(days=SHOWN_DAYS))} AND {of_alerts(alerts)}"
    found = dict[tuple[str, str], list[dict[str, Any]]]()
    for row in as_rows(lakehouse.read(EXPECTED_RANGES.name, columns, where=where, order_by="valid_from")):
        found.setdefault((row["alert_id"], row["model_name"]), []).append(row)
    return found
