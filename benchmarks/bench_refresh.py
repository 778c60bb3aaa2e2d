"""The hourly refresh of the ranges of a thousand alerts, and the daily training of their models, on 90 days of hourly history.

    python benchmarks/bench_refresh.py [--alerts 1000] [--days 90] [--others 1000]

others: alerts without a model, whose evaluations lie in the same table. Prints JSON: rows of the history, and in seconds
{lately, refresh, refresh_again, histories, training}, with the peak of memory in MB."""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from alerting_assets.alerts.operators import Operator
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.anomaly import Model, train
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY, create_tables
from alerting_assets.suppression.histories import histories
from alerting_assets.suppression.lately import read_lately
from alerting_assets.suppression.modelled import ModelledAlert, sides_of
from alerting_assets.suppression.refresh import refresh

HASH = "h"
NOW = datetime(2026, 3, 30, 9, 55, tzinfo=UTC)
ABOVE = Condition(Operator.GREATER_THAN, frozenset(), threshold=117.0)
"""Over which five in a hundred evaluations are."""


class Served:
    version, trained_at = "1", NOW - timedelta(hours=10)

    def __init__(self, models: dict[str, Model]) -> None:
        self._models = models

    def model_of(self, alert_id: str, measured_hash: str) -> Model | None:
        return self._models.get(alert_id) if measured_hash == HASH else None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--others", type=int, default=1_000)
    chosen = parser.parse_args()
    alerts = [alert(f"ALERT-{number:04}") for number in range(chosen.alerts)]
    seconds: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedLakehouse(Path(folder), "health_monitor", "gold") as lakehouse,
    ):
        create_tables(lakehouse)
        rows = 0
        for day in range(chosen.days):
            found = day_of([one.alert_id for one in alerts], chosen.others, chosen.days - day)
            lakehouse.append(ALERT_HISTORY.name, found)
            rows += found.num_rows
        lakehouse.maintain(ALERT_HISTORY.name, 30)
        timed(seconds, "lately", lambda: read_lately(lakehouse, alerts, NOW))
        series = timed(seconds, "histories", lambda: histories(lakehouse, alerts, NOW))
        hour = int(NOW.timestamp()) // 3600 // 24 * 24
        models = timed(seconds, "training", lambda: {name: train(one, hour) for name, one in series.items()})
        served = Served(models)
        done = timed(seconds, "refresh", lambda: refresh(lakehouse, alerts, NOW, lambda _: served))
        timed(seconds, "refresh_again", lambda: refresh(lakehouse, alerts, NOW + timedelta(hours=1), lambda _: served))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        json.dumps(
            {
                "history_rows": rows,
                "seconds": seconds,
                "peak_mb": peak,
                "open": done.open,
                "closed": done.closed,
                "written": done.written,
            },
            indent=2,
        )
    )


def alert(alert_id: str) -> ModelledAlert:
    return ModelledAlert(alert_id, "m@serving", HASH, ABOVE, sides_of(ABOVE), UTC, 0.0, True, 23, 0.9)


def day_of(alert_ids: list[str], others: int, days_ago: int) -> pa.Table:
    """A day's evaluations of all alerts, in the order of time. Half of those over the threshold were held."""
    ids = np.array([*alert_ids, *(f"OTHER-{number:04}" for number in range(others))])
    chance = np.random.default_rng(days_ago)
    hour = np.repeat(np.arange(24), len(ids))
    value = 100 + 15 * np.sin(hour * 2 * np.pi / 24) + 4 * chance.normal(size=len(hour))
    met = value > 117.0
    held = met & (chance.random(len(met)) < 0.5)
    begin = NOW.replace(minute=5) - timedelta(days=days_ago) + timedelta(hours=1)
    at = np.datetime64(begin.replace(tzinfo=None), "us") + hour.astype("timedelta64[h]")
    reason = np.where(met, np.where(held, "USUAL", "OUTSIDE"), None)
    columns: dict[str, Any] = {
        "evaluation_id": [f"{days_ago}-{number}" for number in range(len(hour))],
        "alert_id": np.tile(ids, 24),
        "evaluated_at": pa.array(at).cast(pa.timestamp("us", "UTC")),
        "evaluated_by": ["own"] * len(hour),
        "evaluation_status": np.where(met, np.where(held, "SUPPRESSED", "TRIGGERED"), "OK"),
        "query_result_value": value,
        "threshold_met": met,
        "ml_suppressed": held,
        "ml_reason": reason,
        "config_hash": ["c"] * len(hour),
    }
    schema = arrow_schema(ALERT_HISTORY)
    return pa.table(
        [pa.array(columns.get(name, [None] * len(hour)), schema.field(name).type) for name in schema.names],
        schema=schema,
    )


def timed(seconds: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    found = work()
    seconds[name] = round(time.perf_counter() - started, 2)
    return found


if __name__ == "__main__":
    main()
