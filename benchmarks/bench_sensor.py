"""From a committed change of alert_configurations to the update in the workspace, under `alerting dev` with the sensor's default
interval: seconds of 20 changes, printed as JSON (median, shortest, longest)."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from alerting_assets.configuration import set_fields
from alerting_assets.errors import WorkspaceError
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace

CHANGES = 20
FIELDS = {
    "alert_name": "Cost",
    "agent_domain": "COST",
    "severity": "INFO",
    "alert_query_template": "SELECT cost FROM costs",
    "aggregation_column": "cost",
    "aggregation_type": "SUM",
    "operator": "GREATER_THAN",
    "threshold_value_double": "0.5",
    "schedule_cron": "0 0 8 * * ?",
    "owner": "bench@example.com",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = Settings(home=home, definitions=home / "alerts", requests_per_minute=100_000)
        with EmbeddedLakehouse(settings.lakehouse_root, settings.catalog, settings.schema) as tables:
            create_tables(tables)
            tables.create_table(TableSpec("costs", "", (Column("cost", "double"),), key=()))
            tables.append("costs", pa.table({"cost": [1.0]}))
            set_fields(tables, "A", FIELDS, datetime.now(UTC))
            environment = {**os.environ, "ALERTING_HOME": str(home), "ALERTING_DEFINITIONS": str(home / "alerts")}
            environment.pop("DAGSTER_HOME", None)
            start = "from alerting_assets.cli import main; main()"
            command = [sys.executable, "-c", start, "dev", "--port", "3791", "--workspace-port", "8791"]
            with (home / "dev.log").open("wb") as log:
                dev = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
                try:
                    print(json.dumps(measure(settings, tables), indent=2))
                finally:
                    dev.send_signal(signal.SIGINT)
                    dev.wait(60)


def measure(settings: Settings, tables: EmbeddedLakehouse) -> dict[str, Any]:
    wait_for(lambda: threshold(settings) == 0.5, 180)
    taken = []
    for number in range(1, CHANGES + 1):
        time.sleep(number % 5)  # changes fall anywhere between two looks
        set_fields(tables, "A", {"threshold_value_double": str(float(number))}, datetime.now(UTC))
        started = time.perf_counter()
        wait_for(lambda wanted=float(number): threshold(settings) == wanted, 120)  # type: ignore[misc]
        taken.append(time.perf_counter() - started)
    return {
        "changes": CHANGES,
        "median seconds": round(statistics.median(taken), 1),
        "shortest": round(min(taken), 1),
        "longest": round(max(taken), 1),
    }


def threshold(settings: Settings) -> float | None:
    try:
        alerts = open_workspace(settings).list_alerts()
    except WorkspaceError:
        return None
    return alerts[0].body["evaluation"]["threshold"]["value"]["double_value"] if alerts else None


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true after {seconds} s")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
