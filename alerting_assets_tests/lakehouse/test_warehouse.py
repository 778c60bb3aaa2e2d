"""The warehouse engine's way through the statement API, with the local workspace's server; that its SQL works, `spark/` shows."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pytest
import requests

from alerting_assets.errors import LakehouseError, LakehouseUnavailable, QueryError, QueryErrorKind
from alerting_assets.lakehouse import open_lakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.warehouse import STATEMENT_BYTES, warehouse_lakehouse
from alerting_assets.settings import Settings
from alerting_assets.validation import Policy, validate_lines
from alerting_assets.workspace.client import connect_for_statements
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets.workspace.local.sql_text import Parameter

pytestmark = pytest.mark.integration

NUMBERS = pa.table({"n": list(range(1_000)), "text": [f"number {number}" for number in range(1_000)]})


class Engine:
    """Knows a few statements. `ran` lists what arrived; `ended` lets go of the slow one."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.ended = threading.Event()

    def __call__(self, sql: str, parameters: Sequence[Parameter] = ()) -> pa.Table:  # noqa: ARG002
        self.ran.append(sql)
        if "nope" in sql:
            raise ValueError(
                "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name `nope` cannot be "
                "resolved. Did you mean one of the following? [`id`]. SQLSTATE: 42703; line 2 pos 7;\n'Project ['nope]\n+- OneRowRelation"
            )
        if "too_slow_for_the_warehouse" in sql:
            raise ValueError(
                "[QUERY_EXECUTION_TIMEOUT_EXCEEDED] Query execution was cancelled due to exceeding the timeout (30s). SQLSTATE: 57KD0"
            )
        if "slow" in sql:
            self.ended.wait(30)
        if sql.startswith("DESCRIBE"):
            return pa.table({"col_name": ["one"], "data_type": ["int"], "comment": [None]})
        if sql.startswith("EXPLAIN"):
            return pa.table({"plan": ["== Physical Plan =="]})
        if "numbers" in sql:
            return NUMBERS
        return pa.table({"one": [1]}) if "empty" not in sql else pa.table({"one": pa.array([], pa.int64())})


class Warehouse:
    """One server for a test; `open` gives the lakehouse on it."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home, self._stack, self.engine = home, stack, Engine()

    def serve(self, rules: Rules | None = None) -> None:
        settings = Settings(home=self.home)
        self.server = self._stack.enter_context(
            LocalWorkspaceServer(
                settings.workspace_root, self.engine, port=None, statement_runner=self.engine, rules=rules
            )
        )

    def open(
        self, rules: Rules | None = None, *, query_seconds: float = 60.0, warehouse_id: str = "local"
    ) -> Lakehouse:
        self.serve(rules)
        transport = connect_for_statements(Settings(lakehouse="warehouse", home=self.home))
        return warehouse_lakehouse(transport, warehouse_id, "cat", "main", query_seconds=query_seconds)

    def post(self, path: str, body: object = None) -> None:
        headers = {"Authorization": f"Bearer {self.server.token}"}
        requests.post(f"{self.server.address}{path}", json=body, headers=headers, timeout=10).raise_for_status()

    def canceled(self) -> bool:
        headers = {"Authorization": f"Bearer {self.server.token}"}
        journal = requests.get(f"{self.server.address}/api/local/journal", headers=headers, timeout=10).json()
        return any(entry["path"].endswith("/cancel") for entry in journal["requests"])

    def lose_an_answer(self) -> None:
        self._disturb_a_submission(fault="lose_response")

    def hold_an_answer(self, milliseconds: int) -> None:
        self._disturb_a_submission(fault="hang", latency_ms=milliseconds)

    def _disturb_a_submission(self, **rule: object) -> None:
        match = {"method": "POST", "path": "/api/2.0/sql/statements*"}
        self.post("/api/local/faults", {"match": match, "times": 1, **rule})


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with ExitStack() as stack:
        opened = Warehouse(tmp_path, stack)
        yield opened
        opened.engine.ended.set()


@pytest.mark.parametrize("chunk_bytes", [300, 16 * 1024 * 1024])
def test_a_result_in_many_parts_comes_whole_and_in_order(warehouse: Warehouse, chunk_bytes: int) -> None:
    engine = warehouse.open(Rules(chunk_bytes=chunk_bytes))
    assert engine.query("SELECT * FROM numbers") == NUMBERS


def test_a_result_without_rows_has_its_columns(warehouse: Warehouse) -> None:
    assert warehouse.open().query("SELECT one FROM empty").schema == pa.schema([("one", pa.int64())])


def test_the_settings_open_it(warehouse: Warehouse) -> None:
    warehouse.serve()
    with open_lakehouse(Settings(lakehouse="warehouse", home=warehouse.home)) as engine:
        assert engine.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_failed_statement_is_an_error_of_the_query_with_its_position(warehouse: Warehouse) -> None:
    with pytest.raises(QueryError, match="column nope does not exist") as caught:
        warehouse.open().describe("SELECT nope")
    assert (caught.value.kind, caught.value.name) == (QueryErrorKind.MISSING_COLUMN, "nope")
    assert (caught.value.line, caught.value.column) == (1, 8)


def test_an_unknown_warehouse_is_named_with_the_setting_and_where_to_find_its_id(warehouse: Warehouse) -> None:
    with pytest.raises(
        LakehouseUnavailable, match=r"SQL warehouse abc \(DATABRICKS_WAREHOUSE_ID\): .*Connection details"
    ):
        warehouse.open(warehouse_id="abc").query("SELECT 1")


def test_a_stopped_warehouse_is_started_and_waited_for(warehouse: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    engine = warehouse.open(Rules(warehouse_start_seconds=1.0))
    warehouse.post("/api/2.0/sql/warehouses/local/stop")
    with caplog.at_level(logging.WARNING):
        assert engine.query("SELECT 1").num_rows == 1
    assert "SQL warehouse local is STARTING; the statement waits for its start" in caplog.text


def test_a_warehouse_that_cannot_start_says_where_to_look(warehouse: Warehouse) -> None:
    engine = warehouse.open(Rules(warehouse_start_seconds=None))
    warehouse.post("/api/2.0/sql/warehouses/local/stop")
    with pytest.raises(
        LakehouseUnavailable, match=r"SQL warehouse local did not run the statement \(FAILED, .*start it there"
    ):
        engine.query("SELECT 1")


def test_a_statement_over_the_limit_is_refused_with_both_sizes(warehouse: Warehouse) -> None:
    engine = warehouse.open()
    with pytest.raises(
        LakehouseError, match=r"a statement of 16,777,2\d\d bytes is over the 16,777,216 .*shorten the query"
    ):
        engine.query("SELECT '" + "x" * STATEMENT_BYTES + "'")
    assert warehouse.engine.ran == []


def test_a_read_whose_answer_was_lost_is_sent_again(warehouse: Warehouse) -> None:
    engine = warehouse.open()
    warehouse.lose_an_answer()
    assert engine.query("SELECT 1").num_rows == 1
    assert warehouse.engine.ran == ["SELECT 1", "SELECT 1"]


def test_a_write_whose_answer_was_lost_is_not_and_says_so(warehouse: Warehouse) -> None:
    engine = warehouse.open()
    engine.create_view("v", "SELECT 1")
    warehouse.engine.ran.clear()
    rule = {"fault": "lose_response", "match": {"method": "POST", "path": "/api/2.0/sql/statements*"}, "after": 2}
    warehouse.post("/api/local/faults", rule)
    with pytest.raises(LakehouseUnavailable, match="unknown whether the statement ran"):
        engine.create_view("v", "SELECT 1")
    deadline = time.monotonic() + 10  # it was submitted, and runs while nobody waits for it
    while "CREATE" not in warehouse.engine.ran[-1] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sum(sql.startswith("CREATE OR REPLACE VIEW") for sql in warehouse.engine.ran) == 1


def test_an_overdue_statement_is_canceled(warehouse: Warehouse) -> None:
    engine = warehouse.open(query_seconds=0.5)
    with pytest.raises(QueryError, match="ran longer than 0 seconds and was stopped") as caught:
        engine.query("SELECT very_slow")
    assert caught.value.kind is QueryErrorKind.TIMEOUT
    assert warehouse.canceled()


@pytest.mark.parametrize("sql", ["SELECT very_slow() AS n", "SELECT too_slow_for_the_warehouse() AS n"])
def test_a_query_that_takes_too_long_is_not_proven_wrong(warehouse: Warehouse, sql: str) -> None:
    """As on the embedded engine; it is looked at again the next time."""
    with warehouse.open(query_seconds=0.5) as engine:
        (verdict,) = validate_lines(engine, [{"id": 1, "sql": sql}], Policy(allowed_functions=("*slow*",)))
    (finding,) = verdict.findings
    assert (verdict.verdict, finding.rule, finding.transient) == ("UNSUPPORTED", "accepted_by_the_engine", False)
    assert (
        finding.suggestion
        == "make it shorter or simpler; `alerting validate --fresh` and the daily revalidation try again"
    )


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """A process that a script started in the background ignores SIGINT, and so do its children: the tests, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("answer_after", [0, 500])
def test_an_interrupt_cancels_the_statement(warehouse: Warehouse, answer_after: int) -> None:
    """Also one that runs and whose id is not known yet. answer_after: milliseconds from its start until the service tells its id."""
    engine = warehouse.open()
    if answer_after:
        warehouse.hold_an_answer(answer_after)

    def press_ctrl_c_once_it_runs() -> None:
        while not warehouse.engine.ran:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press_ctrl_c_once_it_runs, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        engine.query("SELECT very_slow")
    assert warehouse.canceled()


def test_links_that_do_not_work_are_reported_without_their_address(warehouse: Warehouse) -> None:
    engine = warehouse.open(Rules(link_seconds=-1.0))
    with pytest.raises(LakehouseUnavailable, match=r"part 0 of a result could not be fetched .*\(HTTP 403\)") as caught:
        engine.query("SELECT * FROM numbers")
    assert "http://" not in str(caught.value)


def test_credentials_for_the_storage_host_in_netrc_are_not_sent(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert warehouse.open().query("SELECT * FROM numbers").num_rows == 1_000
