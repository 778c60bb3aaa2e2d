"""Alerts that got their model lately: their past is computed before the first training, so that they need not wait for two weeks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from alerting_assets.anomaly import METHOD
from alerting_assets.configuration import ConfiguredAlert
from alerting_assets.evaluation.batch import Limits
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_BACKFILL, ALERT_HISTORY
from alerting_assets.sql_literal import qualified, timestamp_literal
from alerting_assets.suppression.backfill import Backfilled, backfill
from alerting_assets.suppression.modelled import measured_hash
from alerting_assets.validation import Policy, evaluable, validate_all_alert_queries

MOST = 50
"""So many alerts a training backfills at most; the others follow with the next ones."""


def backfill_young(
    lakehouse: Lakehouse,
    alerts: Sequence[ConfiguredAlert],
    policy: Policy,
    now: datetime,
    limits: Limits,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Backfilled]:
    """Backfill the enabled alerts with a model whose evaluations do not reach back far enough for a season, and that were not backfilled
    as they measure now. Their queries are validated first. Nothing is done where there are none of them."""
    modelled = [one for one in alerts if one.compiled and one.compiled.hold and one.is_enabled]
    if not modelled:
        return []
    enough = timestamp_literal(now - timedelta(days=METHOD.min_history_days))
    history, past = (qualified(*lakehouse.namespace, spec.name) for spec in (ALERT_HISTORY, ALERT_BACKFILL))
    old = lakehouse.query(
        f"SELECT DISTINCT alert_id FROM {history} WHERE evaluated_at < {enough} AND evaluated_at > "
        f"{timestamp_literal(now - timedelta(weeks=METHOD.weeks))}"
    )
    done = lakehouse.query(f"SELECT DISTINCT alert_id, config_hash FROM {past}")
    known = set(old.column("alert_id").to_pylist())
    backfilled = {(row["alert_id"], row["config_hash"]) for row in done.to_pylist()}
    young = [
        one
        for one in modelled
        if one.alert_id not in known and one.compiled and (one.alert_id, measured_hash(one.compiled)) not in backfilled
    ][:MOST]
    if not young:
        return []
    report = validate_all_alert_queries(lakehouse, young, now, policy)
    return backfill(lakehouse, evaluable(young, report.by_id), now, limits=limits, on_progress=on_progress)
