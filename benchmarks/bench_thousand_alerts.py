"""1,000 alerts on the local workspace: seconds of each stage the first time and again, and how much cheaper "again" is.

Prints JSON: stage → {first, again (seconds), ratio: first / again}. No rate limit, so that the code is what is measured.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from alerting_assets.configuration import Row, load_definitions, read_rows, target_of, to_alerts
from alerting_assets.deployment import DesiredAlert, Syncer, desired_alerts
from alerting_assets.evaluation import evaluate_alerts
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.settings import Settings
from alerting_assets.validation import alert_verdicts, evaluable, validate_all_alert_queries
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.local.server import LocalWorkspaceServer

ALERTS = 1_000


def definitions(folder: Path) -> None:
    """Ten files of a hundred."""
    folder.mkdir()
    for file in range(10):
        alerts = [
            {
                "alert_id": f"A-{file * 100 + number:04}",
                "alert_name": f"Alert {file * 100 + number}",
                "agent_domain": "COST",
                "severity": "INFO",
                "alert_query_template": f"SELECT cost FROM ${{catalog}}.${{gold_schema}}.costs WHERE id > {file * 100 + number}",
                "aggregation_column": "cost",
                "aggregation_type": "SUM",
                "operator": "GREATER_THAN",
                "threshold_value_double": 100.0,
                "schedule_cron": f"{number % 60} 0 8 * * ?",
                "owner": "bench@example.com",
            }
            for number in range(100)
        ]
        (folder / f"alerts{file}.yml").write_text(json.dumps({"alerts": alerts}))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            home=Path(folder), definitions=Path(folder) / "alerts", requests_per_minute=1_000_000, request_burst=100_000
        )
        definitions(settings.definitions)
        with EmbeddedLakehouse(settings.lakehouse_root, settings.catalog, settings.schema) as lakehouse:
            create_tables(lakehouse)
            lakehouse.create_table(TableSpec("costs", "", (Column("id", "int"), Column("cost", "double")), key=()))
            lakehouse.append("costs", pa.table({"id": pa.array(range(1_000), pa.int32()), "cost": [1.0] * 1_000}))
            with LocalWorkspaceServer(settings.workspace_root, lakehouse.query, port=0):
                print(json.dumps(measure(settings, lakehouse), indent=2))


def measure(settings: Settings, lakehouse: EmbeddedLakehouse) -> dict[str, dict[str, float]]:
    target = target_of(settings)

    def now() -> datetime:
        return datetime.now(UTC)

    def read() -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        rows = read_rows(lakehouse)
        alerts = to_alerts(rows, target)
        return rows, desired_alerts(alerts, alert_verdicts(lakehouse, alerts))

    def validate() -> None:
        validate_all_alert_queries(lakehouse, to_alerts(read_rows(lakehouse), target), now())

    def sync() -> None:
        Syncer(open_workspace(settings), settings.environment, settings.max_concurrency).sync(lakehouse, read, now)

    def evaluate() -> None:
        alerts = to_alerts(read_rows(lakehouse), target)
        evaluations = evaluate_alerts(lakehouse, evaluable(alerts, alert_verdicts(lakehouse, alerts)), now())
        assert len(evaluations) == ALERTS

    stages = {
        "load files": lambda: load_definitions(lakehouse, settings.definitions, now()),
        "validate": validate,
        "sync": sync,
        "evaluate": evaluate,
    }
    figures = {}
    for name, work in stages.items():
        first, again = seconds(work), seconds(work)
        figures[name] = {"first": round(first, 2), "again": round(again, 2), "ratio": round(first / again, 1)}
    return figures


if __name__ == "__main__":
    main()
