"""What validation costs: 1,000 distinct configured alerts the first time and again unchanged, and memory over 10,000 distinct queries.

Prints JSON. `alerts`: seconds, and ratio: first / again. The first time the engine is up already, as in a run that has loaded the alerts;
"again" is asked of a new process, as the next run is one. `memory`: MB that are resident in this process and in the engine's, after every
1,000 queries through validate_lines; the engine's process is replaced after max_calls calls.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from bench_thousand_alerts import definitions, seconds

from alerting_assets.configuration import load_definitions, read_rows, target_of, to_alerts
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets.settings import Settings
from alerting_assets.validation import Policy, Verdict, validate_all_alert_queries, validate_lines

QUERIES = 10_000
STEP = 1_000
SHAPES = (
    "SELECT SUM(cost) AS cost FROM costs WHERE id > {n}",
    "SELECT id, cost * {n} AS v FROM costs WHERE cost BETWEEN {n} AND {n} + 10 ORDER BY cost DESC LIMIT 5",
    "WITH a AS (SELECT id, cost FROM costs WHERE id <> {n}) SELECT a.id, SUM(b.cost) AS v FROM a JOIN costs b USING (id) GROUP BY 1",
    "SELECT CASE WHEN cost > {n} THEN 'high' ELSE 'low' END AS level, COUNT(*) AS v FROM costs GROUP BY 1",
    "SELECT id, ROW_NUMBER() OVER (PARTITION BY id ORDER BY cost) AS v FROM costs WHERE id <> {n}",
    "SELECT nope_{n} FROM costs",
    "SELECT id FROM nope_{n}",
    "DELETE FROM costs WHERE id = {n}",
)


def main(home: Path, again: bool) -> None:
    settings = Settings(home=home, definitions=home / "alerts")
    with EmbeddedLakehouse(settings.lakehouse_root, settings.catalog, settings.schema) as lakehouse:
        if again:
            print(json.dumps(validate(lakehouse, settings)))
            return
        definitions(settings.definitions)
        create_tables(lakehouse)
        lakehouse.create_table(TableSpec("costs", "", (Column("id", "int"), Column("cost", "double")), key=()))
        lakehouse.append("costs", pa.table({"id": pa.array(range(1_000), pa.int32()), "cost": [1.0] * 1_000}))
        load_definitions(lakehouse, settings.definitions, now())
        lakehouse.query("SELECT 1")
        first = validate(lakehouse, settings)
    arguments = [sys.executable, __file__, str(home)]
    second = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
    ratio = round(first["seconds"] / second["seconds"], 1)
    with EmbeddedLakehouse(settings.lakehouse_root, settings.catalog, settings.schema) as lakehouse:
        figures = {"alerts": {"first": first, "again": second, "ratio": ratio}, "memory": memory(lakehouse)}
    print(json.dumps(figures, indent=2))


def now() -> datetime:
    return datetime.now(UTC)


def validate(lakehouse: EmbeddedLakehouse, settings: Settings) -> dict[str, Any]:
    alerts = to_alerts(read_rows(lakehouse), target_of(settings))
    reports = []
    taken = seconds(lambda: reports.append(validate_all_alert_queries(lakehouse, alerts, now())))
    (report,) = reports
    reused = sum(verdict.reused for verdict in report.verdicts)
    return {"seconds": round(taken, 2), "valid": len(report.valid), "reused": reused}


def memory(lakehouse: EmbeddedLakehouse) -> dict[str, Any]:
    def texts() -> Iterator[dict[str, Any]]:
        for number in range(QUERIES):
            yield {"id": number, "sql": SHAPES[number % len(SHAPES)].format(n=number)}

    steps = []
    invalid = 0
    started = time.perf_counter()
    for done, verdict in enumerate(validate_lines(lakehouse, texts(), Policy()), start=1):
        invalid += verdict.verdict is Verdict.INVALID
        if done % STEP == 0:
            gc.collect()
            engine = lakehouse.engine_process_id
            steps.append({"queries": done, "own": resident("self"), "engine": resident(engine), "process": engine})
    taken = time.perf_counter() - started
    return {"seconds": round(taken, 1), "queries": QUERIES, "invalid": invalid, "steps": steps}


def resident(process: int | str | None) -> int:
    """MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) // 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), again=True)
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder), again=False)
