"""Alerts judged in batches, against one query after another in the same run; and whether the decisions are the same, row by row.

The alerts are made from all shipped templates with parameters that vary, over the demo's facts; 2 % of them fail when they run. "again"
is a run that knows which failed, as every run after the first does.

    python benchmarks/bench_evaluation.py [--spark] [ALERTS ...]        (default: 100 1000)

Prints JSON: number of alerts → {one_by_one, batch, again (seconds), ratio, ratio_again, different (decisions), statements}."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from thousand_alerts import TARGET, thousand_alerts

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.demo.build import build_demo
from alerting_assets.errors import AlertingError
from alerting_assets.evaluation.batch import Judged, judge_alerts
from alerting_assets.evaluation.decide import Decision, decide, failed
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import create_tables


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--spark", action="store_true")
    parser.add_argument("alerts", nargs="*", type=int, default=[100, 1000])
    chosen = parser.parse_args()
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        with EmbeddedLakehouse(Path(folder), TARGET.catalog, TARGET.schema) as lakehouse:
            create_tables(lakehouse)
            build_demo(lakehouse, now=now)
            if not chosen.spark:
                print(json.dumps({str(count): measure(lakehouse, count, now) for count in chosen.alerts}, indent=2))
        if chosen.spark:
            from alerting_assets.lakehouse.spark import LocalSparkLakehouse

            with LocalSparkLakehouse(Path(folder), TARGET.catalog, TARGET.schema) as spark:
                print(json.dumps({str(count): measure(spark, count, now) for count in chosen.alerts}, indent=2))


def measure(lakehouse: Lakehouse, count: int, now: datetime) -> dict[str, Any]:
    alerts = thousand_alerts(count)
    judge_alerts(lakehouse, alerts[:22], now)  # the engine is warm for both
    one_by_one(lakehouse, alerts[:22], now)
    started = time.perf_counter()
    batch = judge_alerts(lakehouse, alerts, now)
    first = time.perf_counter() - started
    known = {alert_id for alert_id, judged in batch.items() if judged.decision.error}
    started = time.perf_counter()
    judge_alerts(lakehouse, alerts, now, alone=known)
    again = time.perf_counter() - started
    started = time.perf_counter()
    alone = one_by_one(lakehouse, alerts, now)
    slow = time.perf_counter() - started
    return {
        "one_by_one": round(slow, 2),
        "batch": round(first, 2),
        "again": round(again, 2),
        "ratio": round(slow / first, 1),
        "ratio_again": round(slow / again, 1),
        "failed": len(known),
        "different": [alert_id for alert_id in alone if not _is_same(alone[alert_id], batch[alert_id])],
    }


def one_by_one(lakehouse: Lakehouse, alerts: Sequence[CompiledAlert], now: datetime) -> dict[str, Decision]:
    found = {}
    for alert in alerts:
        try:
            found[alert.alert_id] = decide(alert, lakehouse.query(at_moment(alert.sql, now)))
        except AlertingError as error:
            found[alert.alert_id] = failed(str(error))
    return found


def _is_same(alone: Decision, judged: Judged) -> bool:
    """Sums of floating-point numbers depend on the order in which an engine adds them."""
    batch = judged.decision
    if isinstance(alone.value, float) and isinstance(batch.value, float):
        near = math.isclose(alone.value, batch.value, rel_tol=1e-9)
        return near and (alone.state, alone.row_count, alone.note) == (batch.state, batch.row_count, batch.note)
    return alone == batch


if __name__ == "__main__":
    main()
