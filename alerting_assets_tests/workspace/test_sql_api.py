"""Statement execution and warehouses, through the real databricks-sdk."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service.sql import State, StatementParameterListItem, StatementResponse, StatementState
from sqlglot import exp

from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets.workspace.local.sql_text import Parameter, StatementError, prepare, read_only_query

pytestmark = pytest.mark.integration


class Engine:
    """Records the text it gets; answers with `table` once `free` is set."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.table = pa.table({"n": [1]})
        self.free = threading.Event()
        self.free.set()

    def run(self, sql: str) -> pa.Table:
        self.texts.append(sql)
        self.free.wait(20)
        if "broken" in sql:
            raise ValueError("cannot resolve column `broken`")
        return self.table


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def sdk(engine: Engine, tmp_path: Path) -> Iterator[WorkspaceClient]:
    with LocalWorkspaceServer(tmp_path / "workspace", engine.run, port=None) as server:
        yield WorkspaceClient(host=server.address, token=server.token, auth_type="pat")
        engine.free.set()


def run(sdk: WorkspaceClient, statement: str, **options: Any) -> StatementResponse:
    return sdk.statement_execution.execute_statement(statement, "local", **options)


def state(response: StatementResponse) -> StatementState | None:
    return response.status.state if response.status else None


def error(response: StatementResponse) -> str:
    assert state(response) is StatementState.FAILED
    assert response.status is not None
    assert response.status.error is not None
    return response.status.error.message or ""


def test_a_result_comes_as_strings_with_types_beside_them(sdk: WorkspaceClient, engine: Engine) -> None:
    engine.table = pa.table(
        {
            "long": pa.array([1, None], pa.int64()),
            "double": [0.5, 2.0],
            "flag": [True, False],
            "text": ["it's", ""],
            "money": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "day": [date(2026, 1, 2), None],
            "moment": pa.array([datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "list": [[1, 2], None],
        }
    )
    response = run(sdk, "SELECT * FROM t")
    assert state(response) is StatementState.SUCCEEDED
    assert response.result is not None
    assert response.manifest is not None
    assert response.manifest.schema is not None
    assert response.result.data_array == [
        ["1", "0.5", "true", "it's", "1.50", "2026-01-02", "2026-01-02T03:04:05.000Z", "[1, 2]"],
        [None, "2.0", "false", "", None, None, None, None],
    ]
    columns = response.manifest.schema.columns or []
    assert [column.type_name.value if column.type_name else None for column in columns] == [
        *("LONG", "DOUBLE", "BOOLEAN", "STRING", "DECIMAL", "DATE", "TIMESTAMP", "ARRAY")
    ]
    assert response.manifest.total_row_count == 2


def test_a_row_limit_truncates_and_says_so(sdk: WorkspaceClient, engine: Engine) -> None:
    engine.table = pa.table({"n": list(range(10))})
    response = run(sdk, "SELECT n FROM t", row_limit=3)
    assert response.manifest is not None
    assert (response.manifest.total_row_count, response.manifest.truncated) == (3, True)


def test_a_failing_query_is_a_failed_statement_and_no_http_error(sdk: WorkspaceClient) -> None:
    assert error(run(sdk, "SELECT broken FROM t")) == "cannot resolve column `broken`"


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE t",
        "DROP /**/ TABLE t",
        "SELECT 1; DROP VIEW v",
        "INSERT INTO t SELECT 1",
        "CREATE TABLE t AS SELECT 1",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "TRUNCATE TABLE t",
        "GRANT SELECT ON t TO u",
        "SET x = 1",
        "USE CATALOG c",
        "DESCRIBE t",
        "not sql at all (",
        "-- nothing",
    ],
)
def test_nothing_but_one_reading_query_reaches_the_engine(sdk: WorkspaceClient, engine: Engine, statement: str) -> None:
    assert error(run(sdk, statement))
    assert engine.texts == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'DROP TABLE t'",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SELECT 1 UNION ALL SELECT 2",
        "(SELECT 1)",
    ],
)
def test_queries_of_every_shape_are_let_through_unchanged(statement: str) -> None:
    read_only_query(statement)
    assert prepare(statement) == statement


def test_named_parameters_are_bound_as_literals(sdk: WorkspaceClient, engine: Engine) -> None:
    hostile = "x' OR '1' = '1'; DROP TABLE t; --"
    parameters = [
        StatementParameterListItem("name", value=hostile),
        StatementParameterListItem("least", value="5", type="INT"),
        StatementParameterListItem("none"),
    ]
    response = run(sdk, "SELECT * FROM t WHERE a = :name AND b > :least AND c = :none", parameters=parameters)
    assert state(response) is StatementState.SUCCEEDED
    (text,) = engine.texts
    assert ":" not in text.replace(hostile, "")
    assert "CAST('5' AS INT)" in text
    assert "CAST(NULL AS STRING)" in text
    assert [literal.this for literal in read_only_query(text).find_all(exp.Literal)] == [hostile, "5"]


def test_an_unbound_parameter_and_an_unknown_type_are_named() -> None:
    with pytest.raises(StatementError, match="unbound parameter name"):
        prepare("SELECT :name")
    with pytest.raises(StatementError, match="unknown type 'no such'"):
        prepare("SELECT :name", [Parameter("name", "no such", "1")])


def test_catalog_and_schema_complete_the_tables_that_have_none() -> None:
    text = prepare("WITH c AS (SELECT * FROM t) SELECT * FROM c, s.u, k.s.v", catalog="health", schema="gold")
    assert "FROM `health`.`gold`.t" in text
    assert "FROM c CROSS JOIN `health`.s.u CROSS JOIN k.s.v" in text


def test_a_long_statement_is_answered_later_and_can_be_canceled(sdk: WorkspaceClient, engine: Engine) -> None:
    engine.free.clear()
    response = run(sdk, "SELECT 1", wait_timeout="0s")
    assert state(response) in (StatementState.PENDING, StatementState.RUNNING)
    statement_id = response.statement_id or ""
    other = run(sdk, "SELECT 2", wait_timeout="0s").statement_id or ""
    sdk.statement_execution.cancel_execution(other)
    engine.free.set()
    while state(sdk.statement_execution.get_statement(statement_id)) is not StatementState.SUCCEEDED:
        time.sleep(0.01)
    assert state(sdk.statement_execution.get_statement(other)) is StatementState.CANCELED


def test_more_than_25_mib_do_not_go_inline(sdk: WorkspaceClient, engine: Engine) -> None:
    engine.table = pa.table({"text": ["x" * 1024 * 1024] * 26})
    assert "at most 26214400 bytes" in error(run(sdk, "SELECT text FROM t"))


@pytest.mark.parametrize("wait", ["4s", "51s", "10", "-1s", "10m"])
def test_a_wait_outside_the_api_s_bounds_is_refused(sdk: WorkspaceClient, wait: str) -> None:
    with pytest.raises(InvalidParameterValue, match="wait_timeout"):
        run(sdk, "SELECT 1", wait_timeout=wait)


def test_an_unknown_warehouse_and_an_unknown_statement_are_refused(sdk: WorkspaceClient) -> None:
    with pytest.raises(InvalidParameterValue, match="'other' does not exist"):
        sdk.statement_execution.execute_statement("SELECT 1", "other")
    with pytest.raises(NotFound):
        sdk.statement_execution.get_statement("no-such-statement")
    with pytest.raises(NotFound):
        sdk.warehouses.get("other")


def test_the_warehouse_is_listed_stopped_and_started(sdk: WorkspaceClient) -> None:
    (warehouse,) = sdk.warehouses.list()
    assert (warehouse.id, warehouse.state) == ("local", State.RUNNING)
    sdk.warehouses.stop("local")
    assert sdk.warehouses.get("local").state is State.STOPPED
    assert sdk.warehouses.start_and_wait("local").state is State.RUNNING
