"""The hourly refresh of the ranges of a thousand alerts and the daily training of their models, as whole commands, on 90 days of hourly
history.

    python benchmarks/bench_refresh.py [--alerts 1000] [--days 90] [--others 1000]

others: alerts without a model, whose evaluations lie in the same table. Prints JSON: rows of the history; of the commands
`alerting anomaly train`, `refresh` and `status` their seconds, of CPU too, and MB at most; and the seconds of the parts inside of a refresh
and a training: {lately, histories, learn}."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from alerting_assets.alerts.configuration import AlertConfiguration, parse_configuration
from alerting_assets.anomaly import train
from alerting_assets.configuration import read_rows, target_of, to_alerts
from alerting_assets.configuration.rows import as_table
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, ALERT_HISTORY, create_tables
from alerting_assets.settings import Settings
from alerting_assets.suppression.histories import histories
from alerting_assets.suppression.lately import read_lately
from alerting_assets.suppression.modelled import modelled_alerts

COMMAND = [sys.executable, "-c", "from alerting_assets.cli import main; main()"]
THRESHOLD = 117.0
"""Over which five in a hundred evaluations are."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--others", type=int, default=1_000)
    chosen = parser.parse_args()
    now, found = datetime.now(UTC), dict[str, Any]()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        with EmbeddedLakehouse(settings.lakehouse_root, settings.catalog, settings.schema) as lakehouse:
            create_tables(lakehouse)
            ids = [f"ALERT-{number:04}" for number in range(chosen.alerts)]
            lakehouse.append(ALERT_CONFIGURATIONS.name, as_table(map(alert, ids), now - timedelta(days=100)))
            for day in range(chosen.days, 0, -1):
                lakehouse.append(ALERT_HISTORY.name, day_of(ids, chosen.others, day, now))
            lakehouse.maintain(ALERT_HISTORY.name, 30)
            found["history_rows"] = chosen.days * 24 * (chosen.alerts + chosen.others)
        for command in ("train", "refresh", "refresh again", "status"):
            found[command] = run(folder, command.split()[0])
        with EmbeddedLakehouse(settings.lakehouse_root, settings.catalog, settings.schema) as lakehouse:
            alerts = modelled_alerts(to_alerts(read_rows(lakehouse), target_of(settings)))
            found["lately"], _ = timed(lambda: read_lately(lakehouse, alerts, now))
            found["histories"], series = timed(lambda: histories(lakehouse, alerts, now))
            hour = int(now.timestamp()) // 3600
            found["learn"], _ = timed(lambda: [train(one, hour) for one in series.values()])
    print(json.dumps(found, indent=2))


def run(home: str, command: str) -> dict[str, Any]:
    """The command in a process of its own. Exit code 1 says that some alert is left out, or tells everything."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, "anomaly", command, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "ALERTING_HOME": home},
        text=True,
    )
    assert process.stdout is not None
    answer = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if "error" in answer:
        raise SystemExit(answer["error"]["message"])
    told = {name: answer[name] for name in ("written", "open", "closed", "is_serving", "metrics") if name in answer}
    return {
        "exit_code": os.waitstatus_to_exitcode(status),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": usage.ru_maxrss // 1024,
        **told,
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return round(time.perf_counter() - started, 2), found


def alert(alert_id: str) -> AlertConfiguration:
    return parse_configuration(
        {
            "alert_id": alert_id,
            "alert_name": f"Cost of {alert_id}",
            "agent_domain": "COST",
            "severity": "WARNING",
            "alert_query_template": f"SELECT cost FROM costs WHERE name = '{alert_id}' AND at > NOW() - INTERVAL 1 HOUR AND at <= NOW()",
            "aggregation_column": "cost",
            "aggregation_type": "SUM",
            "operator": "GREATER_THAN",
            "threshold_value_double": THRESHOLD,
            "schedule_cron": "0 5 * * * ?",
            "owner": "finops@example.com",
            "ml_model_enabled": True,
            "ml_shadow": False,
        }
    )


def day_of(alert_ids: list[str], others: int, days_ago: int, now: datetime) -> pa.Table:
    """A day's evaluations of all alerts, in the order of time. Half of those over the threshold were held."""
    ids = np.array([*alert_ids, *(f"OTHER-{number:04}" for number in range(others))])
    chance = np.random.default_rng(days_ago)
    begin = now.replace(minute=5, second=0, microsecond=0) - timedelta(days=days_ago)
    at = np.datetime64(begin.replace(tzinfo=None), "us") + np.repeat(np.arange(24), len(ids)).astype("timedelta64[h]")
    hour = at.astype("datetime64[h]").astype(np.int64) % 24
    value = 100 + 15 * np.sin(hour * 2 * np.pi / 24) + 4 * chance.normal(size=len(hour))
    met = value > THRESHOLD
    held = met & (chance.random(len(met)) < 0.5)
    columns: dict[str, Any] = {
        "evaluation_id": [f"{days_ago}-{number}" for number in range(len(hour))],
        "alert_id": np.tile(ids, 24),
        "evaluated_at": pa.array(at).cast(pa.timestamp("us", "UTC")),
        "evaluated_by": ["own"] * len(hour),
        "evaluation_status": np.where(met, np.where(held, "SUPPRESSED", "TRIGGERED"), "OK"),
        "query_result_value": value,
        "threshold_met": met,
        "ml_suppressed": held,
        "ml_reason": np.where(met, np.where(held, "USUAL", "OUTSIDE"), None),
        "config_hash": ["c"] * len(hour),
    }
    schema = arrow_schema(ALERT_HISTORY)
    return pa.table(
        [pa.array(columns.get(name, [None] * len(hour)), schema.field(name).type) for name in schema.names],
        schema=schema,
    )


if __name__ == "__main__":
    main()
