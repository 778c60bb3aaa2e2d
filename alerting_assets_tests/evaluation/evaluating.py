"""A process that evaluates, imports and maintains, minute after minute of its own clock, until it is killed.

    python -m alerting_assets_tests.evaluation.evaluating FOLDER

The clock stands in a file, so that the next process goes on where this one was killed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.evaluation import EvaluationRun, run_evaluations
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.evaluation_history import EvaluationHistory
from alerting_assets.lakehouse.maintenance import maintain_tables
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.settings import Settings
from alerting_assets.workspace.local.store import Evaluation
from alerting_assets_tests.examples import compiled

BEGIN = datetime(2026, 11, 28, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MAINTAINED_EVERY = 3
CRONS = {"EACH": "0 * * * * ?", "THIRD": "0 0/3 * * * ?", "FAILS": "0 * * * * ?", "THEIRS": "0 * * * * ?"}
QUERIES = {
    "EACH": "SELECT MINUTE(CURRENT_TIMESTAMP()) % 5 AS cost",
    "FAILS": "SELECT CAST(CONCAT('x', CURRENT_DATE()) AS DOUBLE) AS cost",
}
SETTINGS = Settings(reopen_minutes=1)


def alerts(lakehouse: Lakehouse) -> list[CompiledAlert]:
    target = Target(*lakehouse.namespace, "dev", "w")
    return [
        compiled(
            target,
            alert_id=alert_id,
            schedule_cron=cron,
            aggregation_type=None,
            threshold_value_double=2.0,
            alert_query_template=QUERIES.get(alert_id, "SELECT 7 AS cost"),
        )
        for alert_id, cron in CRONS.items()
    ]


def rows() -> list[dict[str, Any]]:
    return [
        {
            "alert_id": alert_id,
            "schedule_cron": cron,
            "schedule_timezone": "UTC",
            "is_enabled": True,
            "created_at": BEGIN,
            "databricks_alert_id": "remote" if alert_id == "THEIRS" else None,
            "operator": "GREATER_THAN",
            "for_evaluations": None,
            "ml_model_enabled": False,
        }
        for alert_id, cron in CRONS.items()
    ]


def evaluate(lakehouse: Lakehouse, now: datetime) -> EvaluationRun:
    return run_evaluations(lakehouse, rows(), alerts(lakehouse), SETTINGS, now, only_due=True)


def main(folder: Path) -> None:
    clock = folder / "clock"
    with EmbeddedLakehouse(folder / "lakehouse", SETTINGS.catalog, SETTINGS.schema) as lakehouse:
        workspace = EvaluationHistory(lakehouse, "1")
        while True:
            minute = int(clock.read_text()) + 1
            written = folder / "clock.new"
            written.write_text(str(minute))
            written.replace(clock)
            now = BEGIN + minute * MINUTE
            state = "TRIGGERED" if minute % 4 == 0 else "OK"
            run = f"run-{minute}"
            workspace.append([Evaluation("remote", now.isoformat(), state, 7.0, 1, 1.0, None, run, 2.0)])
            evaluate(lakehouse, now)
            if minute % MAINTAINED_EVERY == 0:
                maintain_tables(lakehouse, SETTINGS.retention_days, SETTINGS.history_days, now)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
