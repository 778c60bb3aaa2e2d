"""The command as a process of its own, from its start to its end: wall and CPU seconds, and memory. The least of a few runs.

Against the local workspace with default settings at 500 ms a request: `alerting apply` of 100 new alerts, with nothing changed, and
with 3 changed. At 5 ms with the limiter open: of 1,000. Beside them what Python, the databricks-sdk and a few small commands take.
CPU seconds count the SQL engine's process, too; megabytes are the command's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from bench_sync import OPEN, Bench, bench

ALERTING = [sys.executable, "-c", "from alerting_assets.cli import main; main()"]
LIMITER_OPEN = {f"ALERTING_{name.upper()}": str(value) for name, value in OPEN.items()}


MEASURE = """
import json, os, subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
seconds, cpu_seconds = time.perf_counter() - started, used.ru_utime + used.ru_stime
json.dump({"seconds": seconds, "cpu_seconds": cpu_seconds, "megabytes": used.ru_maxrss / 1024}, sys.stdout)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""In a small process of its own: a child begins with the memory of its parent, and the greatest is what is told."""


def measured(command: list[str], **environment: str) -> dict[str, float]:
    measure = [sys.executable, "-c", MEASURE, *command]
    done = subprocess.run(measure, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
    return {name: round(figure, 2) for name, figure in json.loads(done.stdout).items()}


def least(runs: int, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Of each figure by itself: a busy machine adds, and never takes away."""
    found = [measure() for _ in range(runs)]
    return {name: min(figures[name] for figures in found) for name in found[0]}


def alone() -> dict[str, Any]:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import databricks.sdk'": [sys.executable, "-c", "import databricks.sdk"],
        "alerting --help": [*ALERTING, "--help"],
        "alerting templates list": [*ALERTING, "templates", "list"],
    }
    with bench(0) as one:
        home = home_of(one)
        commands["alerting config list"] = [*ALERTING, "config", "list"]
        return {name: least(5, lambda command=command: measured(command, **home)) for name, command in commands.items()}


def apply(latency_ms: int, count: int, runs: int, **environment: str) -> dict[str, Any]:
    figures: dict[str, list[dict[str, float]]] = {"new": [], "nothing changed": [], "3 changed": []}
    for _ in range(runs):
        with bench(latency_ms) as one:
            for name, changed in (("new", 0), ("nothing changed", 0), ("3 changed", 3)):
                one.define(count, changed)
                figures[name].append(measured([*ALERTING, "apply", "--json"], **home_of(one), **environment))
    return {name: least(len(found), iter(found).__next__) for name, found in figures.items()}


def home_of(one: Bench) -> dict[str, str]:
    return {"ALERTING_HOME": str(one.settings.home), "ALERTING_DEFINITIONS": str(one.settings.definitions)}


if __name__ == "__main__":
    figures = {
        "alone": alone(),
        "apply of 100 at 500 ms a request": apply(500, 100, runs=3),
        "apply of 1,000 at 5 ms a request, limiter open": apply(5, 1_000, runs=2, **LIMITER_OPEN),
    }
    print(json.dumps(figures, indent=2))
