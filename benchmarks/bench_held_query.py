"""What an alert's model adds to its deployed query, and to a run that evaluates all alerts.

The alerts are those that fire on a side of a number among 1,000 made from all shipped templates, over the demo's facts. The ranges of
1,000 alerts for the last seven days lie in `expected_ranges`, in one file an hour, as an hourly refresh leaves them. Each query is run with
and without its model in turn, several times; its fastest run counts, since it is the least disturbed one.

    python benchmarks/bench_held_query.py [--spark] [--alerts 40] [--rounds 5] [--times 1]

--times: the facts are there so many times, as they are where people have more of them; the batches are then left out.

Prints JSON: milliseconds of the median query without and with its model, and what the engine takes for `SELECT 1`; the ratio of all queries
together; and the seconds that evaluating 1,000 alerts in batches takes, without models and with those of `with_models` of them."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from thousand_alerts import TARGET, thousand_alerts

from alerting_assets.alerts.hold import MODEL, SERVING
from alerting_assets.alerts.rewrite import at_moment
from alerting_assets.demo import DEMO_TABLES, build_demo
from alerting_assets.evaluation.batch import judge_alerts
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import EXPECTED_RANGES, create_tables

RANGES = 1_000
DAYS = 7
HOUR = timedelta(hours=1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--spark", action="store_true")
    parser.add_argument("--alerts", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=1)
    chosen = parser.parse_args()
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        with EmbeddedLakehouse(Path(folder), TARGET.catalog, TARGET.schema) as lakehouse:
            create_tables(lakehouse)
            build_demo(lakehouse, now=now)
            for spec in DEMO_TABLES:
                rows = lakehouse.read(spec.name) if chosen.times > 1 else None
                for _ in range(chosen.times - 1):
                    lakehouse.append(spec.name, rows)
            write_ranges(lakehouse, now)
            if not chosen.spark:
                print(json.dumps(measure(lakehouse, chosen, now), indent=2))
        if chosen.spark:
            from alerting_assets.lakehouse.spark import LocalSparkLakehouse

            with LocalSparkLakehouse(Path(folder), TARGET.catalog, TARGET.schema) as spark:
                print(json.dumps(measure(spark, chosen, now), indent=2))


def write_ranges(lakehouse: Lakehouse, now: datetime) -> None:
    """The rows of each hour of the last days, and of the next three, in a file of their own."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    for hour in range(-24 * DAYS, 4):
        begin = this_hour + hour * HOUR
        row = {
            "model_name": f"{TARGET.catalog}.{TARGET.schema}.{MODEL}@{SERVING}",
            "valid_from": begin,
            "valid_until": begin + HOUR,
            "expected": 50.0,
            "lower": None,
            "upper": 100.0,
            "scale": 10.0,
            "levels": '{"ABOVE": {"USUAL": 90.0, "RECURRENCE": 100.0, "TOLD": null}}',
            "model_version": "3",
            "created_at": min(begin, this_hour) - HOUR / 12,
        }
        rows = [{**row, "alert_id": f"BENCH-{number:04}"} for number in range(RANGES)]
        lakehouse.append(EXPECTED_RANGES.name, pa.Table.from_pylist(rows, schema=arrow_schema(EXPECTED_RANGES)))


def measure(lakehouse: Lakehouse, chosen: argparse.Namespace, now: datetime) -> dict[str, Any]:
    alerts, with_models = thousand_alerts(), thousand_alerts(with_models=True)
    pairs = [(one, other) for one, other in zip(alerts, with_models, strict=True) if other.hold is not None]
    texts = [(at_moment(one.sql, now), at_moment(other.sql, now)) for one, other in pairs[: chosen.alerts]]
    plain, held = [list[float]() for _ in texts], [list[float]() for _ in texts]
    for _ in range(chosen.rounds + 1):  # the first warms the engine
        for number, (one, other) in enumerate(texts):
            plain[number].append(_milliseconds(lakehouse, one))
            held[number].append(_milliseconds(lakehouse, other))
    without, having = ([min(times[1:]) for times in found] for found in (plain, held))
    batches: list[list[float]] = [[], []]
    for _ in range(3 if chosen.times == 1 else 0):
        for times, some in zip(batches, (alerts, with_models), strict=True):
            started = time.perf_counter()
            judge_alerts(lakehouse, some, now, alone=[item.alert_id for item in some if "CONCAT(MAX" in item.sql])
            times.append(time.perf_counter() - started)
    return {
        "queries": len(texts),
        "median_ms": [round(statistics.median(without), 1), round(statistics.median(having), 1)],
        "select_1_ms": round(min(_milliseconds(lakehouse, "SELECT 1 AS one") for _ in range(9)), 1),
        "ratio": round(sum(having) / sum(without), 2),
        "with_models": len(pairs),
        "thousand_alerts_seconds": [round(min(times), 2) for times in batches if times],
    }


def _milliseconds(lakehouse: Lakehouse, sql: str) -> float:
    started = time.perf_counter()
    lakehouse.query(sql)
    return (time.perf_counter() - started) * 1_000


if __name__ == "__main__":
    main()
