"""What every engine must do for several writers at once, and for writers that are killed; part of `conformance`."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from alerting_assets.lakehouse.port import Column, Lakehouse, TableSpec

COUNTERS = TableSpec(
    "counters", "", (Column("id", "string", nullable=False), Column("writer", "string"), Column("n", "bigint")), ("id",)
)

WRITER = """
import sys, pathlib
import pyarrow as pa
from alerting_assets_tests.lakehouse.writers import COUNTERS, write
folder, writer, times = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
{opening}
engine.create_table(COUNTERS)
print("ready", flush=True)
write(engine, writer, int(times))
"""


def write(engine: Lakehouse, writer: str, times: int) -> None:
    """Append one row, insert or update one of its own, and update one that all writers share, `times` times."""
    for n in range(times):
        engine.append("counters", row(f"{writer}-append-{n}", writer, n))
        engine.merge("counters", row(f"{writer}-merge", writer, n), on=["id"])
        engine.merge("counters", row("shared", writer, n), on=["id"])


def row(key: str, writer: str, n: int) -> pa.Table:
    return pa.table({"id": [key], "writer": [writer], "n": [n]})


def assert_nothing_is_lost(engine: Lakehouse, writers: list[str], times: int) -> None:
    rows = engine.read("counters").to_pylist()
    expected = {"shared", *(f"{w}-merge" for w in writers), *(f"{w}-append-{n}" for w in writers for n in range(times))}
    assert sorted(row["id"] for row in rows) == sorted(expected)
    assert all(row["n"] == times - 1 for row in rows if row["id"].endswith("merge"))


class WritersConformance(ABC):
    """opening: Python that sets `engine` for `folder`, run in another process. threads, writes, kills: how many, for slow engines
    fewer."""

    opening: ClassVar[str]
    threads: ClassVar[int] = 4
    writes: ClassVar[int] = 5
    kills: ClassVar[int] = 6
    kill_within_seconds: ClassVar[float] = 0.4

    @abstractmethod
    def open(self, folder: Path) -> Lakehouse:
        """An engine with catalog `cat` and schema `main` on what is in the folder."""

    def start_writer(self, folder: Path, writer: str, times: int) -> subprocess.Popen[str]:
        script = WRITER.format(opening=self.opening)
        command = [sys.executable, "-c", script, str(folder), writer, str(times)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def test_threads_that_write_the_same_table_lose_nothing(self, tmp_path: Path) -> None:
        writers = [f"t{number}" for number in range(self.threads)]
        with self.open(tmp_path) as engine, ThreadPoolExecutor(self.threads) as pool:
            engine.create_table(COUNTERS)
            list(pool.map(lambda writer: write(engine, writer, self.writes), writers))
            assert_nothing_is_lost(engine, writers, self.writes)

    def test_processes_that_create_and_write_the_same_table_lose_nothing(self, tmp_path: Path) -> None:
        writers = ["p1", "p2", "p3"]
        with self.open(tmp_path) as engine:
            processes = [self.start_writer(tmp_path, writer, self.writes) for writer in writers]
            assert [process.wait(timeout=240) for process in processes] == [0, 0, 0]
            assert_nothing_is_lost(engine, writers, self.writes)

    def test_creators_that_add_the_same_column_at_once_all_succeed(self, tmp_path: Path) -> None:
        later = TableSpec("counters", "", (*COUNTERS.columns, Column("later", "string")), ("id",))
        with self.open(tmp_path) as engine, ThreadPoolExecutor(4) as pool:
            list(pool.map(engine.create_table, [COUNTERS, later, later, COUNTERS]))
            assert engine.table_columns("counters") == later.columns

    def test_one_of_many_gets_a_lease_that_all_try_to_take(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as engine, ThreadPoolExecutor(4) as pool:
            engine.create_table(COUNTERS)
            take = [row("lease", f"w{number}", 0) for number in range(4)]
            taken = list(pool.map(lambda lease: engine.merge("counters", lease, on=["id"], update=()), take))
            assert sum(result.inserted for result in taken) == 1

    def test_a_writer_that_is_killed_at_any_moment_leaves_a_table_that_works(self, tmp_path: Path) -> None:
        moments = random.Random(20261123)
        with self.open(tmp_path) as engine:
            for number in range(self.kills):
                process = self.start_writer(tmp_path, f"k{number}", 1000)
                assert process.stdout is not None
                if number:  # the first is killed at about the time it creates the table
                    assert process.stdout.readline() == "ready\n"
                time.sleep(moments.uniform(0.0, self.kill_within_seconds))
                process.kill()
                process.wait()
                process.stdout.close()
                engine.create_table(COUNTERS)
                rows = engine.read("counters").to_pylist()
                assert len({row["id"] for row in rows}) == len(rows)
                write(engine, f"after-{number}", 1)
                assert engine.changes("counters", 0).head == engine.version("counters")
            found = set(engine.read("counters").column("id").to_pylist())
            assert {f"after-{number}-merge" for number in range(self.kills)} <= found
