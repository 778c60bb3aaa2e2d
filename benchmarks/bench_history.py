"""A long history, and many commits: what they cost.

1. One batch of 40 due alerts, half of which look at their history, decided and recorded, with a history of 10,000,000 evaluations of
   1,000 alerts and with none: CPU seconds of this process and of the SQL engine, median of a few, and their ratio. Then commands that
   look at such a history, as whole processes: CPU seconds and peak memory.
2. 10,000 commits of one run each, then the maintenance: a run's append and its look at the last two hours compared with a new table, and
   how many rows a reader of the whole change feed finds.

Prints JSON. `--rows` and `--commits` make it smaller; `--only history` or `--only commits` leaves out the other half."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from alerting_assets.alerts.compiled import CompiledAlert
from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.configuration import parse_configuration
from alerting_assets.configuration import load_definitions, target_of
from alerting_assets.evaluation import evaluate_alerts
from alerting_assets.evaluation.batch import judge_alerts
from alerting_assets.incidents.store import rebuild
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import ALERT_HISTORY, create_tables
from alerting_assets.settings import Settings

ALERTS, DUE = 1_000, 40
SCHEMA = arrow_schema(ALERT_HISTORY)
ROWS_A_FILE = 100_000
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
REPETITIONS = 5
RUNS_SINCE = 130
"""Runs that were appended since the last maintenance, a commit each."""
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("history", "A-0007"),
    ("explain", "A-0007"),
    ("incidents", "list"),
)
STARTER = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status)]))
"""
"""A process is told to have had the memory of the one that it was forked from: this one is small."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--commits", type=int, default=10_000)
    parser.add_argument("--only", choices=("history", "commits"))
    chosen = parser.parse_args()
    figures: dict[str, Any] = {"load of the machine": os.getloadavg()}
    with tempfile.TemporaryDirectory() as folder:
        if chosen.only != "commits":
            figures["history"] = history_figures(Path(folder) / "history", chosen.rows)
        if chosen.only != "history":
            figures["commits"] = commit_figures(Path(folder) / "commits", chosen.commits)
    print(json.dumps(figures, indent=2))


# -- a long history


def evaluate(lakehouse: EmbeddedLakehouse, alerts: list[CompiledAlert], now: datetime) -> None:
    """One batch, decided and recorded."""
    evaluate_alerts(lakehouse, alerts, now)


def history_figures(folder: Path, rows: int) -> dict[str, Any]:
    figures: dict[str, Any] = {"rows": rows}
    lakehouses = {}
    for name in ("none", "long"):
        settings = Settings(home=folder / name, definitions=folder / name / "alerts")
        lakehouses[name] = EmbeddedLakehouse(settings.lakehouse_root, settings.catalog, settings.schema)
        create_tables(lakehouses[name])
        lakehouses[name].create_table(TableSpec("costs", "", (Column("id", "int"), Column("cost", "double")), key=()))
        costs = {"id": pa.array(range(ALERTS), pa.int32()), "cost": [1.0] * ALERTS}
        lakehouses[name].append("costs", pa.table(costs))
    long = lakehouses["long"]
    with_seconds(figures, "writing", lambda: write_history(long, rows))
    with_seconds(figures, "maintenance", lambda: long.maintain(ALERT_HISTORY.name, 30))
    with_seconds(figures, "maintenance again", lambda: long.maintain(ALERT_HISTORY.name, 30))
    for run in runs(chunks(RUNS_SINCE * DUE, seed=2)):  # those since the last maintenance
        long.append(ALERT_HISTORY.name, run)
    with_seconds(figures, "states and incidents made anew", lambda: rebuild(long, timedelta(minutes=10)))
    alerts = due_alerts(settings)
    batches: dict[str, Callable[[EmbeddedLakehouse, datetime], Any]] = {
        "batch": lambda lakehouse, now: evaluate(lakehouse, alerts, now),
        "decided only": lambda lakehouse, now: judge_alerts(lakehouse, alerts, now),
    }
    for what, work in batches.items():
        cpu: dict[str, list[float]] = {name: [] for name in lakehouses}
        for repetition in range(REPETITIONS + 1):  # the first one warms up
            for name, lakehouse in lakehouses.items():  # in turns, so that a busy machine is busy for both
                before = cpu_seconds(lakehouse)
                work(lakehouse, NOW + timedelta(minutes=repetition))
                cpu[name].append(cpu_seconds(lakehouse) - before)
        median = {name: statistics.median(seconds[1:]) for name, seconds in cpu.items()}
        figures[what] = {
            **{f"CPU seconds, {name}": round(value, 3) for name, value in median.items()},
            "ratio": round(median["long"] / median["none"], 2),
        }
        print(f"{what}: {figures[what]}", file=sys.stderr, flush=True)
    configure(long, settings)
    for lakehouse in lakehouses.values():
        lakehouse.close()
    figures["commands"] = {" ".join(command): command_figures(folder / "long", command) for command in COMMANDS}
    return figures


def configure(lakehouse: EmbeddedLakehouse, settings: Settings) -> None:
    """The alerts of the history as rows that the commands find."""
    settings.definitions.mkdir(exist_ok=True)
    alerts = [fields_of(number) for number in range(ALERTS)]
    (settings.definitions / "alerts.yml").write_text(json.dumps({"alerts": alerts}))
    load_definitions(lakehouse, settings.definitions, NOW)


def write_history(lakehouse: EmbeddedLakehouse, rows: int) -> None:
    for chunk in chunks(rows, NOW - timedelta(minutes=RUNS_SINCE)):
        lakehouse.append(ALERT_HISTORY.name, chunk)


def runs(chunks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Of DUE alerts each."""
    for chunk in chunks:
        for at in range(0, chunk.num_rows, DUE):
            yield chunk.slice(at, DUE)


def chunks(rows: int, newest: datetime = NOW, seed: int = 1) -> Iterator[pa.Table]:
    """Evaluations in the order of time, DUE a minute, the alerts in turns; an alert fires ten times in a row, one time in a hundred."""
    draw = np.random.default_rng(seed)
    names = pa.array([f"A-{number:04}" for number in range(ALERTS)])
    newest_at = int(newest.timestamp()) * 1_000_000
    for first in range(0, rows, ROWS_A_FILE):
        number = np.arange(first, min(rows, first + ROWS_A_FILE))
        alert = number % ALERTS
        fires = (number // ALERTS // 10 + alert) % 100 == 0
        count = len(number)
        columns = {
            "evaluation_id": identifiers(draw, count),
            "alert_id": names.take(pa.array(alert)),
            "evaluated_at": pa.array(newest_at - ((rows - number) // DUE + 1) * 60_000_000).cast(pa.int64()),
            "evaluated_by": pa.array(["own"] * count),
            "evaluation_status": pa.array(np.where(fires, "TRIGGERED", "OK")),
            "query_result_value": pa.array(np.where(fires, 200.0, 1.0) + draw.random(count)),
            "row_count": pa.array(np.ones(count, np.int64)),
            "operator": pa.array(["GREATER_THAN"] * count),
            "threshold_value": pa.array(np.full(count, 100.0)),
            "threshold_met": pa.array(fires),
            "ml_suppressed": pa.array(np.zeros(count, bool)),
            "query_duration_ms": pa.array(draw.random(count) * 100),
            "config_hash": pa.array(["c" * 32]).take(pa.array(np.zeros(count, np.int64))),
        }
        fields = [SCHEMA.field(name) for name in columns]
        yield pa.Table.from_arrays(
            [column.cast(field.type) for column, field in zip(columns.values(), fields, strict=True)],
            schema=pa.schema(fields),
        )


def identifiers(draw: np.random.Generator, count: int) -> pa.Array:
    text = draw.bytes(16 * count).hex().encode()
    return pa.Array.from_buffers(
        pa.string(), count, [None, pa.py_buffer(np.arange(0, 32 * count + 1, 32, dtype=np.int32)), pa.py_buffer(text)]
    )


FORMS: tuple[dict[str, Any], ...] = (
    {"threshold_value_double": 100.0, "for_evaluations": 3},
    {"threshold_value_double": 100.0, "recovery_threshold_double": 80.0},
    {
        "operator": "CHANGES_BY",
        "threshold_value_double": 20.0,
        "change_direction": "EITHER",
        "change_lookback_seconds": 3600,
    },
)
"""Every other alert looks at its history: for three evaluations, until it falls below another threshold, or how it changed."""


def fields_of(number: int) -> dict[str, Any]:
    return {
        "alert_id": f"A-{number:04}",
        "alert_name": f"Alert {number}",
        "agent_domain": "COST",
        "severity": "INFO",
        "alert_query_template": f"SELECT cost FROM ${{catalog}}.${{gold_schema}}.costs WHERE id > {number}",
        "aggregation_column": "cost",
        "aggregation_type": "SUM",
        "operator": "GREATER_THAN",
        "threshold_value_double": 100.0,
        "schedule_cron": "0 0/20 * * * ?",
        "owner": "bench@example.com",
        **(FORMS[number // 2 % len(FORMS)] if number % 2 else {}),
    }


def due_alerts(settings: Settings) -> list[CompiledAlert]:
    return [compile_alert(parse_configuration(fields_of(number)), target_of(settings)) for number in range(DUE)]


def cpu_seconds(lakehouse: EmbeddedLakehouse) -> float:
    """Of this process and of the SQL engine, until now."""
    engine = 0.0
    if (process := lakehouse.engine_process_id) is not None:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        engine = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return time.process_time() + engine


def command_figures(home: Path, command: tuple[str, ...]) -> dict[str, Any]:
    """Of the process and of those that it started."""
    environment = {**os.environ, "ALERTING_HOME": str(home), "ALERTING_DEFINITIONS": str(home / "alerts")}
    start = "from alerting_assets.cli import main; main()"
    told = subprocess.run(
        [sys.executable, "-c", STARTER, sys.executable, "-c", start, *command],
        env=environment,
        capture_output=True,
        check=True,
    )
    seconds, kilobytes, exit_code = json.loads(told.stdout)
    return {
        "CPU seconds": round(seconds, 2),
        "peak MB of its largest process": round(kilobytes / 1024),
        "exit code": exit_code,
    }


# -- many commits


def commit_figures(folder: Path, commits: int) -> dict[str, Any]:
    sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are no installed package
    from alerting_assets_tests.lakehouse.commits import commit_each

    figures: dict[str, Any] = {"commits": commits}
    many, new = (EmbeddedLakehouse(folder / name, "cat", "main") for name in ("many", "new"))
    for lakehouse in (many, new):
        create_tables(lakehouse)
    table = folder / "many" / "cat" / "main" / ALERT_HISTORY.name
    created = many.version(ALERT_HISTORY.name).version
    with_seconds(figures, "writing", lambda: commit_each(table, runs(chunks(commits * DUE))))
    with_seconds(figures, "opening without a checkpoint", lambda: many.version(ALERT_HISTORY.name))
    with_seconds(figures, "checkpoint, as writers make them", lambda: DeltaTable(table).create_checkpoint())
    with_seconds(figures, "maintenance", lambda: many.maintain(ALERT_HISTORY.name, 30))
    with_seconds(figures, "maintenance again", lambda: many.maintain(ALERT_HISTORY.name, 30))
    figures["files of the log"] = len(list((table / "_delta_log").iterdir()))
    read = many.changes(ALERT_HISTORY.name, created).rows
    figures["rows that a reader of all changes finds"] = read.num_rows
    figures["of those, other than once"] = read.num_rows - len(set(read.column("evaluation_id").to_pylist()))
    figures["with the whole log"] = next_run(many, new)
    for path in table.rglob("*"):
        if path.is_file():
            os.utime(path, (path.stat().st_mtime - 3 * 86_400,) * 2)
    with_seconds(figures, "maintenance when the log is three days old", lambda: many.maintain(ALERT_HISTORY.name, 2))
    figures["files of the log then"] = len(list((table / "_delta_log").iterdir()))
    figures["with the log of two days"] = next_run(many, new)
    forget_removed_files(table)
    figures["and six hours after the maintenance, when its checkpoint no longer mentions the files it removed"] = (
        next_run(many, new)
    )
    for lakehouse in (many, new):
        lakehouse.close()
    return figures


def forget_removed_files(table: Path) -> None:
    """As if the MENTIONED_HOURS of delta_maintenance.py had passed."""
    opened = DeltaTable(table)
    name = "delta.deletedFileRetentionDuration"
    opened.alter.set_table_properties({name: "interval 1 seconds"})
    time.sleep(2)
    opened.update_incremental()
    opened.create_checkpoint()


def next_run(many: EmbeddedLakehouse, new: EmbeddedLakehouse) -> dict[str, Any]:
    """A run's look at the last two hours, and its append: seconds, the shortest of several, since the machine may be busy."""
    window = f"SELECT COUNT(*) AS n FROM alert_history WHERE evaluated_at > TIMESTAMP'{NOW - timedelta(hours=2):%Y-%m-%d %H:%M:%S}'"
    run = next(chunks(DUE))
    figures: dict[str, Any] = {}
    for what in ("look", "append"):
        shortest = {}
        for name, lakehouse in (("many", many), ("new", new)):
            taken = []
            for _ in range(REPETITIONS + 1):
                started = time.perf_counter()
                _ = lakehouse.query(window) if what == "look" else lakehouse.append(ALERT_HISTORY.name, run)
                taken.append(time.perf_counter() - started)
            shortest[name] = min(taken)
        figures[what] = {
            **{f"seconds, {name}": round(value, 3) for name, value in shortest.items()},
            "ratio": round(shortest["many"] / shortest["new"], 2),
        }
    return figures


def with_seconds(figures: dict[str, Any], what: str, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    figures[f"seconds: {what}"] = round(time.perf_counter() - started, 2)
    print(f"{what}: {figures[f'seconds: {what}']} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
