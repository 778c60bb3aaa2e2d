"""The sync against the local workspace, slowed down to what a real one takes: figures and ratios of one run, printed as JSON.

At 500 ms a request, 100 alerts: one after another (the baseline), in parallel by default settings, by 32 workers with the limiter
open, with nothing changed, with 3 changed, and as a batch run of Dagster with what its own recording adds. `bench_command.py`
measures `alerting apply` as a process of its own.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import requests

from alerting_assets.configuration import load_definitions, read_rows, target_of, to_alerts
from alerting_assets.deployment import Syncer, SyncResult, read_desired
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.settings import Settings
from alerting_assets.validation import validate_all_alert_queries
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.local.server import LocalWorkspaceServer

OPEN = {"requests_per_minute": 1_000_000, "request_burst": 100_000}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Bench:
    """A home with alerts that are loaded and validated, and a workspace that takes its time."""

    settings: Settings
    lakehouse: EmbeddedLakehouse
    server: LocalWorkspaceServer

    def define(self, count: int, changed: int = 0) -> None:
        """changed: how many of them have another threshold."""
        alerts = [
            {
                "alert_id": f"A-{number:04}",
                "alert_name": f"Alert {number}",
                "agent_domain": "COST",
                "severity": "INFO",
                "alert_query_template": f"SELECT cost FROM ${{catalog}}.${{gold_schema}}.costs WHERE id > {number}",
                "aggregation_column": "cost",
                "aggregation_type": "SUM",
                "operator": "GREATER_THAN",
                "threshold_value_double": 200.0 if number < changed else 100.0,
                "schedule_cron": f"{number % 60} 0 8 * * ?",
                "owner": "bench@example.com",
            }
            for number in range(count)
        ]
        self.settings.definitions.mkdir(exist_ok=True)
        (self.settings.definitions / "alerts.yml").write_text(json.dumps({"alerts": alerts}))

    def prepare(self, count: int, changed: int = 0) -> None:
        self.define(count, changed)
        load_definitions(self.lakehouse, self.settings.definitions, now())
        alerts = to_alerts(read_rows(self.lakehouse), target_of(self.settings))
        validate_all_alert_queries(self.lakehouse, alerts, now())

    def sync(self, **settings: int) -> tuple[SyncResult, dict[str, float]]:
        chosen = replace(self.settings, **settings)
        workspace = open_workspace(chosen)
        started = time.perf_counter()
        result = Syncer.from_settings(chosen, workspace).sync(
            self.lakehouse, lambda: read_desired(self.lakehouse, chosen, workspace.host, now()), now
        )
        seconds = time.perf_counter() - started
        return result, {"seconds": round(seconds, 2), "reads": workspace.reads, "writes": workspace.writes}


@contextmanager
def bench(latency_ms: int, **settings: int) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        chosen = Settings(home=home, definitions=home / "alerts", **settings)  # type: ignore[arg-type]
        with EmbeddedLakehouse(chosen.lakehouse_root, chosen.catalog, chosen.schema) as lakehouse:
            create_tables(lakehouse)
            lakehouse.create_table(TableSpec("costs", "", (Column("id", "int"), Column("cost", "double")), key=()))
            lakehouse.append("costs", pa.table({"id": pa.array(range(1_000), pa.int32()), "cost": [1.0] * 1_000}))
            with LocalWorkspaceServer(chosen.workspace_root, lakehouse.query, port=0) as server:
                rule = {"fault": "latency", "match": {"path": "/api/2.0/alerts*"}, "latency_ms": latency_ms}
                headers = {"Authorization": f"Bearer {server.token}"}
                requests.post(f"{server.address}/api/local/faults", json=rule, headers=headers, timeout=5)
                yield Bench(chosen, lakehouse, server)


def at_500_ms() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with bench(500) as one:
        one.prepare(100)
        _, figures["one after another"] = one.sync(max_concurrency=1, **OPEN)
    with bench(500) as one:
        one.prepare(100)
        _, figures["default settings"] = one.sync()
    with bench(500) as one:
        one.prepare(100)
        _, figures["32 workers, limiter open"] = one.sync(max_concurrency=32, **OPEN)
        _, figures["no change"] = one.sync()
        one.prepare(100, changed=3)
        _, figures["3 of 100 changed"] = one.sync()
    baseline = figures["one after another"]["seconds"]
    for name, figure in figures.items():
        if name not in ("one after another", "no change"):
            figure["times faster than one after another"] = round(baseline / figure["seconds"], 1)
    figures["Dagster batch run, default settings"] = through_dagster()
    return figures


def through_dagster() -> dict[str, float]:
    """Seconds of the whole run, of validation and sync in it, and of what is left: Dagster's own."""
    with bench(500) as one, tempfile.TemporaryDirectory() as dagster_home:
        one.define(100)
        load_definitions(one.lakehouse, one.settings.definitions, now())
        os.environ |= {
            "ALERTING_HOME": str(one.settings.home),
            "ALERTING_DEFINITIONS": str(one.settings.definitions),
            "DAGSTER_HOME": dagster_home,
        }
        import dagster as dg

        from alerting_assets.definitions import code_location
        from alerting_assets.resource import AlertingResource

        ids = [f"A-{number:04}" for number in range(100)]
        config = {"config": {"alert_ids": ids}}
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        job = code_location(AlertingResource.from_environment()).resolve_job_def("sync_changed")
        with dg.DagsterInstance.local_temp(dagster_home) as instance:
            instance.add_dynamic_partitions("alert_id", ids)
            started = time.perf_counter()
            run_config = {**quiet, "ops": {"validate": config, "deploy": config}}
            result = job.execute_in_process(instance=instance, run_config=run_config)
            whole = time.perf_counter() - started
        assert result.success
        (row,) = one.lakehouse.read("alert_sync_metrics", ["total_duration_seconds"]).to_pylist()
        with bench(500) as again:
            again.define(100)
            load_definitions(again.lakehouse, again.settings.definitions, now())
            alerts = to_alerts(read_rows(again.lakehouse), target_of(again.settings))
            validation = seconds(lambda: validate_all_alert_queries(again.lakehouse, alerts, now()))
        sync = row["total_duration_seconds"]
        return {
            "seconds": round(whole, 2),
            "sync": round(sync, 2),
            "validation (measured apart)": round(validation, 2),
            "the rest: Dagster's recording": round(whole - sync - validation, 2),
        }


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    print(json.dumps({"500 ms a request": at_500_ms()}, indent=2))
