"""Several writers at once, and writers that are killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec

pytestmark = pytest.mark.integration

COUNTERS = TableSpec(
    "counters", "", (Column("id", "string", nullable=False), Column("writer", "string"), Column("n", "bigint")), ("id",)
)

WRITER = """
import sys, pathlib
import pyarrow as pa
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets_tests.lakehouse.test_concurrency import COUNTERS, write
root, writer, times = sys.argv[1:]
engine = EmbeddedLakehouse(pathlib.Path(root), "cat", "main")
engine.create_table(COUNTERS)
print("ready", flush=True)
write(engine, writer, int(times))
"""


def write(engine: EmbeddedLakehouse, writer: str, times: int) -> None:
    """Append one row, insert or update one of its own, and update one that all writers share, `times` times."""
    for n in range(times):
        engine.append("counters", row(f"{writer}-append-{n}", writer, n))
        engine.merge("counters", row(f"{writer}-merge", writer, n), on=["id"])
        engine.merge("counters", row("shared", writer, n), on=["id"])


def row(key: str, writer: str, n: int) -> pa.Table:
    return pa.table({"id": [key], "writer": [writer], "n": [n]})


def assert_nothing_is_lost(engine: EmbeddedLakehouse, writers: list[str], times: int) -> None:
    rows = engine.read("counters").to_pylist()
    expected = {"shared", *(f"{w}-merge" for w in writers), *(f"{w}-append-{n}" for w in writers for n in range(times))}
    assert sorted(row["id"] for row in rows) == sorted(expected)
    assert all(row["n"] == times - 1 for row in rows if row["id"].endswith("merge"))


def start_writer(root: Path, writer: str, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(root), writer, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_threads_that_write_the_same_table_lose_nothing(tmp_path: Path) -> None:
    engine = EmbeddedLakehouse(tmp_path, "cat", "main")
    engine.create_table(COUNTERS)
    writers = ["t1", "t2", "t3", "t4"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda writer: write(engine, writer, 5), writers))
    assert_nothing_is_lost(engine, writers, 5)


def test_processes_that_create_and_write_the_same_table_lose_nothing(tmp_path: Path) -> None:
    writers = ["p1", "p2", "p3"]
    processes = [start_writer(tmp_path, writer, 5) for writer in writers]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert_nothing_is_lost(EmbeddedLakehouse(tmp_path, "cat", "main"), writers, 5)


def test_creators_that_add_the_same_column_at_once_all_succeed(tmp_path: Path) -> None:
    engine = EmbeddedLakehouse(tmp_path, "cat", "main")
    later = TableSpec("counters", "", (*COUNTERS.columns, Column("later", "string")), ("id",))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(engine.create_table, [COUNTERS, later, later, COUNTERS]))
    assert engine.table_columns("counters") == later.columns


def test_one_of_many_gets_a_lease_that_all_try_to_take(tmp_path: Path) -> None:
    engine = EmbeddedLakehouse(tmp_path, "cat", "main")
    engine.create_table(COUNTERS)
    with ThreadPoolExecutor(4) as pool:
        taken = list(
            pool.map(lambda n: engine.merge("counters", row("lease", f"w{n}", 0), on=["id"], update=()), range(4))
        )
    assert sum(result.inserted for result in taken) == 1


def test_a_writer_that_is_killed_at_any_moment_leaves_a_table_that_works(tmp_path: Path) -> None:
    moments = random.Random(20261123)
    engine = EmbeddedLakehouse(tmp_path, "cat", "main")
    for number in range(6):
        process = start_writer(tmp_path, f"k{number}", 1000)
        assert process.stdout is not None
        if number:  # the first is killed at about the time it creates the table
            assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.0, 0.4))
        process.kill()
        process.wait()
        process.stdout.close()
        engine.create_table(COUNTERS)
        rows = engine.read("counters").to_pylist()
        assert len({row["id"] for row in rows}) == len(rows)
        write(engine, f"after-{number}", 1)
        assert engine.changes("counters", 0).head == engine.version("counters")
    assert {f"after-{number}-merge" for number in range(6)} <= set(engine.read("counters").column("id").to_pylist())


def test_an_empty_log_that_a_killed_creator_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "cat" / "main" / "counters" / "_delta_log").mkdir(parents=True)
    engine = EmbeddedLakehouse(tmp_path, "cat", "main")
    engine.create_table(COUNTERS)
    assert engine.append("counters", row("a", "w", 1)) == 1
