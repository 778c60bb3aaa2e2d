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


FROM_ALL_ENDS = """
import importlib, sys, threading
from alerting_assets.lakehouse.pyspark_import import load_pyspark

sys.setswitchinterval(1e-6)  # threads get in each other's way at every chance
ends = ["pyspark.sql", "pyspark.errors", "pyspark.sql.connect.dataframe", "pyspark.util"]
together, failed = threading.Barrier(len(ends)), []

def start(end):
    together.wait()
    try:
        load_pyspark()
        importlib.import_module(end).__dict__
    except Exception as error:
        failed.append(repr(error))

threads = [threading.Thread(target=start, args=(end,)) for end in ends]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit("; ".join(failed) or None)
"""


@pytest.mark.parametrize("_", range(3))
def test_several_threads_may_need_pyspark_at_once(_: int) -> None:
    """Each thread begins at another end. Without load_pyspark most of these fail."""
    done = subprocess.run([sys.executable, "-c", FROM_ALL_ENDS], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
