"""The supervised child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alerting_assets.errors import QueryError, QueryErrorKind
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.sail import Watchdog

pytestmark = pytest.mark.integration

ASK = """
import sys, pathlib
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.sail import Watchdog
engine = EmbeddedLakehouse(pathlib.Path(sys.argv[1]), "cat", "main")
assert engine.query("SELECT 1 AS one").num_rows == 1
print(engine.engine_process_id, flush=True)
"""


def alive(process_id: int) -> bool:
    """A zombie, which only waits to be reaped by somebody, is not alive."""
    try:
        return "Z" not in Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def ends(process_id: int, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while alive(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(process_id)


def child_id(engine: EmbeddedLakehouse) -> int:
    assert engine.engine_process_id is not None
    return engine.engine_process_id


def test_importing_the_engine_and_reading_tables_starts_no_sail_and_imports_no_pyspark(tmp_path: Path) -> None:
    script = """
import sys, pathlib
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.sail import Watchdog
from alerting_assets.lakehouse.tables import create_tables
with EmbeddedLakehouse(pathlib.Path(sys.argv[1]), "cat", "main") as engine:
    create_tables(engine)
    assert engine.read("alert_configurations").num_rows == 0
    assert engine.engine_process_id is None
assert not {"pyspark", "grpc", "pysail", "sqlglot"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)


def test_the_child_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ASK + "import time; time.sleep(600)", str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    process_id = int(parent.stdout.readline())
    assert alive(process_id)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert ends(process_id)


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise RuntimeError"])
def test_an_interpreter_that_forgot_to_close_ends_without_hanging(tmp_path: Path, ending: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK + ending, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == {"": 0, "sys.exit(3)": 3}.get(ending, 1)
    assert ends(int(done.stdout))


def test_close_ends_the_child_and_its_folder_and_a_later_query_starts_another(tmp_path: Path) -> None:
    engine = EmbeddedLakehouse(tmp_path, "cat", "main")
    engine.query("SELECT 1 AS one")
    first = child_id(engine)
    engine.close()
    assert ends(first)
    assert engine.query("SELECT 1 AS one").num_rows == 1
    engine.close()
    engine.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_the_engine_may_not_take_all_memory(lakehouse: EmbeddedLakehouse) -> None:
    """It computes constants already when it analyses a query that somebody wrote: `repeat('x', 2000000000)`."""
    lakehouse.query("SELECT 1 AS one")
    limits = Path(f"/proc/{child_id(lakehouse)}/limits").read_text().splitlines()
    (limit,) = (line.split()[3] for line in limits if line.startswith("Max data size"))
    assert 0 < int(limit) <= max(2 * 1024**3, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def test_after_the_child_was_killed_the_next_query_and_describe_work(lakehouse: EmbeddedLakehouse) -> None:
    lakehouse.create_view("one_view", "SELECT 1 AS one")
    for ask in (lakehouse.query, lakehouse.describe):
        before = child_id(lakehouse)
        os.kill(before, signal.SIGKILL)
        ask("SELECT one FROM one_view, alert_history")
        assert child_id(lakehouse) != before


def test_a_query_under_which_the_child_is_killed_is_run_again(lakehouse: EmbeddedLakehouse) -> None:
    lakehouse.query("SELECT 1 AS one")
    process_id = child_id(lakehouse)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lakehouse.query, "SELECT COUNT(DISTINCT (id * 7919) % 1000003) AS n FROM range(20000000)")
        time.sleep(0.3)
        os.kill(process_id, signal.SIGKILL)
        assert slow.result(timeout=120).to_pylist() == [{"n": 1000003}]


def test_many_threads_share_one_child_while_it_is_killed(lakehouse: EmbeddedLakehouse) -> None:
    def ask(number: int) -> int:
        if number == 20:
            os.kill(child_id(lakehouse), signal.SIGKILL)
        return int(lakehouse.query(f"SELECT {number} AS n, COUNT(*) AS rows FROM alert_history").column("n")[0].as_py())

    lakehouse.query("SELECT 1 AS one")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(60))) == list(range(60))


def test_a_query_that_runs_too_long_is_stopped_and_harms_no_other(tmp_path: Path) -> None:
    endless = "SELECT COUNT(DISTINCT id % 7919) AS n FROM range(2000000000000)"
    with EmbeddedLakehouse(tmp_path, "cat", "main", query_seconds=2.0) as engine, ThreadPoolExecutor(1) as pool:
        engine.query("SELECT 1 AS one")
        slow = pool.submit(engine.query, endless)
        while not slow.done():
            assert engine.query("SELECT 1 AS one").num_rows == 1
        error = slow.exception()
        assert isinstance(error, QueryError)
        assert error.kind is QueryErrorKind.TIMEOUT
        assert error.message == "the query ran longer than 2 seconds and was stopped"
        assert engine.query("SELECT 1 AS one").num_rows == 1


def test_a_child_is_replaced_after_its_number_of_calls(tmp_path: Path) -> None:
    with EmbeddedLakehouse(tmp_path, "cat", "main", max_calls=3) as engine:
        seen = []
        for _ in range(7):
            engine.query("SELECT 1 AS one")
            seen.append(child_id(engine))
        assert len(set(seen)) == 3
        assert ends(seen[0])
        assert alive(seen[-1])


def test_a_forked_process_asks_a_child_of_its_own_and_leaves_the_parents_alone(tmp_path: Path) -> None:
    script = (
        ASK
        + """
import os
pid = os.fork()
if pid == 0:
    mine = engine.engine_process_id
    ok = engine.query("SELECT 2 AS two").num_rows == 1 and engine.engine_process_id != mine
    engine.close()
    os._exit(0 if ok else 9)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert engine.query("SELECT 3 AS three").num_rows == 1
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ends(int(done.stdout))


def test_the_watchdog_acts_on_what_is_overdue_and_on_nothing_else() -> None:
    watchdog = Watchdog()
    acted: list[str] = []
    with watchdog.limit(30.0, lambda: acted.append("long")):
        with watchdog.limit(0.05, lambda: acted.append("short")):  # earlier than what the thread waits for
            time.sleep(0.5)
        with watchdog.limit(0.5, lambda: acted.append("in time")):
            pass
        time.sleep(0.7)
    assert acted == ["short"]


def test_the_watchdog_needs_no_thread_a_call() -> None:
    watchdog = Watchdog()
    before = threading.active_count()
    for _ in range(100):
        with watchdog.limit(30.0, lambda: None):
            assert threading.active_count() <= before + 1
