"""A short command reads a table and ends: it must not be aborted on its way out (delta.scan says by what)."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.tables import SYNC_LEASES

pytestmark = pytest.mark.integration

READ = """
import sys
from pathlib import Path
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
EmbeddedLakehouse(Path(sys.argv[1]), "health_monitor", "gold").read("sync_leases")
"""


@pytest.mark.parametrize("processes", [6, pytest.param(30, marks=pytest.mark.thorough)])
def test_processes_that_read_a_table_end_cleanly_on_a_busy_machine(
    lakehouse: EmbeddedLakehouse, tmp_path: Path, processes: int
) -> None:
    leases = [
        {"environment": f"e{number}", "holder": "h", "expires_at": datetime(2026, 1, 1, tzinfo=UTC)}
        for number in range(9)
    ]
    for lease in leases:  # a file each
        lakehouse.append("sync_leases", pa.Table.from_pylist([lease], schema=arrow_schema(SYNC_LEASES)))

    def run(_: int) -> int:
        return subprocess.run(
            [sys.executable, "-c", READ, str(tmp_path / "lakehouse")], stderr=subprocess.DEVNULL
        ).returncode

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(run, range(processes))) == [0] * processes


FIRST_QUERIES = """
import sys, threading
from pathlib import Path
sys.setswitchinterval(1e-6)  # threads get in each other's way at every chance
from alerting_assets.errors import QueryError
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse

together, failed = threading.Barrier(6), []

def first_query(number):
    together.wait()
    try:
        (lakehouse.query if number % 2 else lakehouse.describe)(f"SELECT {number} AS x")
    except Exception as error:
        failed.append(repr(error))

with EmbeddedLakehouse(Path(sys.argv[1]), "c", "s") as lakehouse:
    threads = [threading.Thread(target=first_query, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
sys.exit("; ".join(failed) or None)
"""


@pytest.mark.parametrize("_", range(3))
def test_the_first_queries_of_a_process_may_come_from_several_threads(tmp_path: Path, _: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_QUERIES, str(tmp_path / "lakehouse")], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
