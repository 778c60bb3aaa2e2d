"""The statement endpoint as a SQL warehouse: any statement, limits, chunks behind links, start, stop and cancel.

The engine is SQLite, a real one that runs DDL and DML; the client is the real databricks-sdk."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    ExternalLink,
    Format,
    ServiceErrorCode,
    State,
    StatementParameterListItem,
    StatementResponse,
    StatementState,
)

from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets.workspace.local.sql_text import Parameter, bind, spark_literal

pytestmark = pytest.mark.integration

ARROW = {"disposition": Disposition.EXTERNAL_LINKS, "format": Format.ARROW_STREAM}
CANCEL = ExecuteStatementRequestOnWaitTimeout.CANCEL


class Engine:
    """SQLite. `SELECT * FROM answer` gives `answer`; a statement with `slow` in it runs until `free` is set."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._lock = threading.Lock()
        self.texts: list[str] = []
        self.answer = pa.table({"n": [1]})
        self.free = threading.Event()

    def run(self, sql: str, parameters: Sequence[Parameter]) -> pa.Table:
        text = bind(sql, {item.name: spark_literal(item) for item in parameters})
        self.texts.append(text)
        if "slow" in text:
            self.free.wait(20)
        if text == "SELECT * FROM answer":
            return self.answer
        with self._lock, self._database:
            cursor = self._database.execute(text)
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchall()
        return pa.table({name: [row[index] for row in rows] for index, name in enumerate(names)})


Opens = Callable[..., WorkspaceClient]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def serve(engine: Engine, tmp_path: Path) -> Iterator[Opens]:
    """A client of a new server with such rules."""
    with ExitStack() as stack:

        def start(namespace: tuple[str, str] | None = None, **rules: Any) -> WorkspaceClient:
            server = LocalWorkspaceServer(
                tmp_path / "workspace",
                lambda sql: engine.run(sql, ()),
                port=None,
                statement_runner=engine.run,
                statement_namespace=namespace,
                rules=Rules(**rules),
            )
            stack.enter_context(server)
            return WorkspaceClient(host=server.address, token=server.token, auth_type="pat")

        yield start
        engine.free.set()


def run(sdk: WorkspaceClient, statement: str, **options: Any) -> StatementResponse:
    return sdk.statement_execution.execute_statement(statement, "local", **options)


def state(response: StatementResponse) -> StatementState:
    assert response.status is not None
    assert response.status.state is not None
    return response.status.state


def failure(response: StatementResponse) -> tuple[ServiceErrorCode | None, str]:
    assert state(response) is StatementState.FAILED, response
    assert response.status is not None
    assert response.status.error is not None
    return response.status.error.error_code, response.status.error.message or ""


def poll(sdk: WorkspaceClient, statement_id: str | None, wanted: StatementState) -> StatementResponse:
    end = time.monotonic() + 10
    while state(response := sdk.statement_execution.get_statement(statement_id or "")) is not wanted:
        assert time.monotonic() < end, response
        time.sleep(0.01)
    return response


def link(response: StatementResponse) -> ExternalLink:
    assert response.result is not None
    (found,) = response.result.external_links or []
    return found


def opened(found: ExternalLink) -> pa.Table:
    answer = requests.get(found.external_link or "", timeout=10)
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == found.byte_count
    with pa.ipc.open_stream(answer.content) as reader:
        return reader.read_all()


def links(sdk: WorkspaceClient, response: StatementResponse) -> list[ExternalLink]:
    found = [link(response)]
    while (index := found[-1].next_chunk_index) is not None:
        path = f"/api/2.0/sql/statements/{response.statement_id}/result/chunks/{index}"
        assert found[-1].next_chunk_internal_link == path
        chunk = sdk.statement_execution.get_statement_result_chunk_n(response.statement_id or "", index)
        found += chunk.external_links or []
    return found


# -- any statement, and its parameters


def test_ddl_dml_and_queries_run_as_they_are(serve: Opens, engine: Engine) -> None:
    sdk = serve()
    for text in ("CREATE TABLE t  (a INT)", "INSERT INTO t VALUES (1), (2)", "DELETE FROM t WHERE a = 1"):
        response = run(sdk, text, **ARROW)
        assert state(response) is StatementState.SUCCEEDED
        assert engine.texts[-1] == text
        assert response.manifest is not None
        assert response.manifest.schema is not None
        assert (response.manifest.total_chunk_count, response.manifest.schema.column_count) == (0, 0)
        assert response.result is not None
        assert response.result.as_dict() == {}
    response = run(sdk, "SELECT a FROM t")
    assert response.result is not None
    assert response.result.data_array == [["2"]]


def test_without_a_statement_runner_only_queries_run(engine: Engine, tmp_path: Path) -> None:
    with LocalWorkspaceServer(tmp_path / "workspace", lambda sql: engine.run(sql, ()), port=None) as server:
        sdk = WorkspaceClient(host=server.address, token=server.token, auth_type="pat")
        assert "only queries" in failure(run(sdk, "CREATE TABLE t (a INT)", **ARROW))[1]
        assert opened(link(run(sdk, "SELECT * FROM answer", **ARROW))) == engine.answer
    assert engine.texts == ["SELECT * FROM answer"]


def test_parameters_reach_the_runner_with_their_types(serve: Opens, engine: Engine) -> None:
    parameters = [
        StatementParameterListItem("text", value="a b"),
        StatementParameterListItem("number", value="5", type="INT"),
        StatementParameterListItem("none"),
    ]
    run(serve(), "SELECT :text, :number, :none", parameters=parameters)
    assert engine.texts == ["SELECT 'a b', CAST('5' AS INT), CAST(NULL AS STRING)"]


def test_an_unbound_parameter_fails_the_statement(serve: Opens) -> None:
    code, message = failure(run(serve(), "SELECT :x", **ARROW))
    assert (code, message) == (
        ServiceErrorCode.BAD_REQUEST,
        "[UNBOUND_SQL_PARAMETER] Found the unbound parameter: x",
    )


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ':p', \":p\", r'\\:p', 'it''s :p', 'it\\'s :p', `:p`",
        "SELECT 1 -- :p\n/* :p /* :p */ :p */",
        "SELECT x::p, payload:p, `a`:p, f(x):p, a[0]:p, a[1:2]",
        "CREATE VIEW v WITH METRICS LANGUAGE YAML AS $$\n# it's\nsource: :p\n$$",
        "CREATE TABLE t (s STRUCT<p:INT>)",
        "SELECT 'not closed :p",
    ],
)
def test_what_only_looks_like_a_parameter_stays(text: str) -> None:
    assert bind(text, {"p": "BOUND"}) == text


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("SELECT :p", "SELECT 'v'"),
        ("SELECT (:p), m[:p], :p::INT, :p:a, :p-1", "SELECT ('v'), m['v'], 'v'::INT, 'v':a, 'v'-1"),
        ("FROM t VERSION AS OF :p LIMIT :p", "FROM t VERSION AS OF 'v' LIMIT 'v'"),
        ("SELECT :`p` -- :p", "SELECT 'v' -- :p"),
        ("SELECT  'ä😀' ,\n\t:p ;", "SELECT  'ä😀' ,\n\t'v' ;"),
    ],
)
def test_nothing_but_the_marker_changes(text: str, bound: str) -> None:
    assert bind(text, {"p": "'v'"}) == bound


def test_literals_are_escaped_for_spark() -> None:
    value = "it's \\ \0 \x01\r\n\x1a \u2028 \"x\" :p '); DROP TABLE t --"
    assert spark_literal(Parameter("p", "string", value)) == (
        "'it\\'s \\\\ \\0 \x01\r\\n\x1a \u2028 \\\"x\\\" :p \\'); DROP TABLE t --'"
    )


def test_megabytes_in_a_parameter_are_quick(serve: Opens) -> None:
    large = "{text: it is 10 MB}," * 550_000
    started = time.monotonic()
    response = run(serve(), "SELECT length(:rows) AS n", parameters=[StatementParameterListItem("rows", value=large)])
    assert response.result is not None
    assert response.result.data_array == [[str(len(large))]]
    assert len(large) > 10_000_000
    assert time.monotonic() - started < 8


def test_names_outside_the_runner_s_namespace_fail(serve: Opens) -> None:
    sdk = serve(namespace=("health", "gold"))
    assert state(run(sdk, "SELECT 1", catalog="health", schema="GOLD")) is StatementState.SUCCEEDED
    assert state(run(sdk, "SELECT 1")) is StatementState.SUCCEEDED
    assert "`other` was not found; this SQL warehouse has `health`" in failure(run(sdk, "SELECT 1", catalog="other"))[1]
    assert "`silver` was not found; this SQL warehouse has `gold`" in failure(run(sdk, "SELECT 1", schema="silver"))[1]


# -- results behind links


def test_chunks_are_whole_streams_that_follow_each_other(serve: Opens, engine: Engine) -> None:
    engine.answer = pa.table({"n": list(range(100)), "text": ["x" * (400 if n == 7 else 4) for n in range(100)]})
    sdk = serve(chunk_bytes=200)
    response = run(sdk, "SELECT * FROM answer", **ARROW)
    found = links(sdk, response)
    tables = [opened(item) for item in found]
    assert pa.concat_tables(tables) == engine.answer
    assert all(table.nbytes <= 200 or table.num_rows == 1 for table in tables)
    assert [item.chunk_index for item in found] == list(range(len(found)))
    assert [item.row_count for item in found] == [table.num_rows for table in tables]
    assert [item.row_offset for item in found] == [
        sum(table.num_rows for table in tables[:index]) for index in range(len(tables))
    ]
    manifest = response.manifest
    assert manifest is not None
    assert manifest.format is Format.ARROW_STREAM
    assert (manifest.total_chunk_count, manifest.total_row_count, manifest.truncated) == (len(found), 100, False)
    assert manifest.total_byte_count == sum(item.byte_count or 0 for item in found)
    assert [(item.chunk_index, item.byte_count) for item in manifest.chunks or []] == [
        (item.chunk_index, item.byte_count) for item in found
    ]
    with pytest.raises(NotFound):
        sdk.statement_execution.get_statement_result_chunk_n(response.statement_id or "", len(found))


def test_a_link_needs_no_token_refuses_one_and_expires(serve: Opens) -> None:
    sdk = serve(link_seconds=1.0)
    response = run(sdk, "SELECT * FROM answer", **ARROW)
    first = link(response)
    address = first.external_link or ""
    datetime.fromisoformat(first.expiration or "")
    assert requests.get(address, headers={"Authorization": "Bearer x"}, timeout=10).status_code == 400
    assert opened(first).num_rows == 1
    time.sleep(1.1)
    assert requests.get(address, timeout=10).status_code == 403
    assert opened(link(sdk.statement_execution.get_statement(response.statement_id or ""))).num_rows == 1


def test_no_rows_leave_the_schema(serve: Opens, engine: Engine) -> None:
    engine.answer = pa.schema([("a", pa.list_(pa.string()))]).empty_table()
    response = run(serve(), "SELECT * FROM answer", **ARROW)
    assert response.manifest is not None
    assert response.manifest.schema is not None
    assert response.manifest.total_chunk_count == 0
    assert [column.type_text for column in response.manifest.schema.columns or []] == ["ARRAY<STRING>"]
    assert response.result is not None
    assert response.result.as_dict() == {}


def test_types_are_spelled_out_as_spark_does(serve: Opens, engine: Engine) -> None:
    types = {
        "STRING": pa.string(),
        "BIGINT": pa.int64(),
        "ARRAY<MAP<STRING, INT>>": pa.list_(pa.map_(pa.string(), pa.int32())),
        "DECIMAL(10,2)": pa.decimal128(10, 2),
        "TIMESTAMP": pa.timestamp("us", "UTC"),
        "TIMESTAMP_NTZ": pa.timestamp("us"),
        "STRUCT<a: DOUBLE, `b c`: DATE>": pa.struct([("a", pa.float64()), ("b c", pa.date32())]),
    }
    engine.answer = pa.schema(list(types.items())).empty_table()
    response = run(serve(), "SELECT * FROM answer", **ARROW)
    assert response.manifest is not None
    assert response.manifest.schema is not None
    assert [column.type_text for column in response.manifest.schema.columns or []] == list(types)


# -- limits


@pytest.mark.parametrize(
    ("disposition", "format", "message"),
    [
        (Disposition.INLINE, Format.ARROW_STREAM, "must be JSON_ARRAY when the disposition field is INLINE"),
        (Disposition.INLINE, Format.CSV, "must be JSON_ARRAY when the disposition field is INLINE"),
        (Disposition.EXTERNAL_LINKS, Format.JSON_ARRAY, "EXTERNAL_LINKS with ARROW_STREAM"),
    ],
)
def test_other_deliveries_are_refused(serve: Opens, disposition: Disposition, format: Format, message: str) -> None:
    with pytest.raises(InvalidParameterValue, match=message):
        run(serve(), "SELECT 1", disposition=disposition, format=format)


def test_text_and_parameters_share_one_limit(serve: Opens, engine: Engine) -> None:
    sdk = serve(statement_bytes=20)
    parameter = StatementParameterListItem("p", value="ä" * 5)
    assert state(run(sdk, "SELECT :p", parameters=[parameter])) is StatementState.SUCCEEDED
    with pytest.raises(InvalidParameterValue, match="has 21 bytes; the maximum is 20"):
        run(sdk, "SELECT  :p ", parameters=[parameter])
    assert len(engine.texts) == 1


def test_the_limit_of_a_statement_is_16_mib_and_255_parameters(serve: Opens) -> None:
    sdk = serve()
    with pytest.raises(InvalidParameterValue, match="maximum is 16777216"):
        run(sdk, "SELECT :p", parameters=[StatementParameterListItem("p", value="x" * 16 * 1024 * 1024)])
    many = [StatementParameterListItem(f"p{index}", value="1") for index in range(256)]
    with pytest.raises(InvalidParameterValue, match="at most 255 are allowed, got 256"):
        run(sdk, "SELECT 1", parameters=many)
    assert state(run(sdk, "SELECT 1", parameters=many[:255])) is StatementState.SUCCEEDED


def test_half_a_surrogate_pair_is_no_text(serve: Opens) -> None:
    with pytest.raises(InvalidParameterValue, match="surrogate"):
        run(serve(), "SELECT '\ud800'")


@pytest.mark.parametrize("delivery", [{}, ARROW], ids=["inline", "links"])
@pytest.mark.parametrize(("limit", "rows"), [({"byte_limit": 24}, 3), ({"row_limit": 2}, 2), ({"byte_limit": 999}, 9)])
def test_limits_truncate_and_say_so(
    serve: Opens, engine: Engine, delivery: dict[str, Any], limit: dict[str, int], rows: int
) -> None:
    engine.answer = pa.table({"n": pa.array(range(9), pa.int64())})
    response = run(serve(), "SELECT * FROM answer", **delivery, **limit)
    assert response.manifest is not None
    assert (response.manifest.total_row_count, response.manifest.truncated) == (rows, rows < 9)


@pytest.mark.parametrize("name", ["byte_limit", "row_limit"])
def test_a_limit_below_one_is_refused(serve: Opens, name: str) -> None:
    with pytest.raises(InvalidParameterValue, match=name):
        run(serve(), "SELECT 1", **{name: 0})


# -- the warehouse


def test_the_first_statement_starts_a_stopped_warehouse(serve: Opens, engine: Engine) -> None:
    sdk = serve(warehouse_start_seconds=0.6)
    sdk.warehouses.stop("local")
    assert sdk.warehouses.get("local").state is State.STOPPED
    response = run(sdk, "SELECT 1", wait_timeout="0s")
    assert state(response) is StatementState.PENDING
    assert sdk.warehouses.get("local").state is State.STARTING
    assert engine.texts == []
    poll(sdk, response.statement_id, StatementState.SUCCEEDED)
    assert sdk.warehouses.get("local").state is State.RUNNING


def test_a_warehouse_that_cannot_start_fails_the_statement(serve: Opens, engine: Engine) -> None:
    sdk = serve(warehouse_start_seconds=None)
    sdk.warehouses.stop("local")
    code, message = failure(run(sdk, "SELECT 1"))
    assert code is ServiceErrorCode.TEMPORARILY_UNAVAILABLE
    assert "could not be started" in message
    assert engine.texts == []


def test_a_stop_fails_what_runs_and_what_waits(serve: Opens, engine: Engine) -> None:
    sdk = serve(warehouse_ids=frozenset({"local", "other"}))
    mine = [run(sdk, f"SELECT 'slow {index}' AS n", wait_timeout="0s").statement_id for index in range(6)]
    poll(sdk, mine[0], StatementState.RUNNING)
    sdk.warehouses.stop("local")
    for statement_id in mine:
        code, message = failure(poll(sdk, statement_id, StatementState.FAILED))
        assert code is ServiceErrorCode.TEMPORARILY_UNAVAILABLE
        assert "was stopped" in message
    engine.free.set()
    assert state(sdk.statement_execution.execute_statement("SELECT 1", "other")) is StatementState.SUCCEEDED
    assert len(engine.texts) == 5  # four ran, two waited
    assert all(state(poll(sdk, item, StatementState.FAILED)) is StatementState.FAILED for item in mine)


# -- cancel, wait, keep


def test_a_canceled_pending_statement_never_runs(serve: Opens, engine: Engine) -> None:
    sdk = serve(warehouse_start_seconds=0.3)
    sdk.warehouses.stop("local")
    response = run(sdk, "SELECT 'never'", wait_timeout="0s")
    sdk.statement_execution.cancel_execution(response.statement_id or "")
    poll(sdk, response.statement_id, StatementState.CANCELED)
    assert state(run(sdk, "SELECT 1")) is StatementState.SUCCEEDED
    assert engine.texts == ["SELECT 1"]


def test_the_result_of_a_canceled_statement_is_dropped(serve: Opens, engine: Engine) -> None:
    sdk = serve()
    response = run(sdk, "SELECT 'slow' AS n", wait_timeout="0s", **ARROW)
    poll(sdk, response.statement_id, StatementState.RUNNING)
    sdk.statement_execution.cancel_execution(response.statement_id or "")
    engine.free.set()
    assert state(run(sdk, "SELECT 1")) is StatementState.SUCCEEDED
    time.sleep(0.1)
    canceled = sdk.statement_execution.get_statement(response.statement_id or "")
    assert state(canceled) is StatementState.CANCELED
    assert (canceled.manifest, canceled.result) == (None, None)


def test_who_waits_for_a_statement_hears_of_its_end_at_once(serve: Opens, engine: Engine) -> None:
    sdk = serve()
    answers: list[StatementResponse] = []
    waiting = threading.Thread(target=lambda: answers.append(run(sdk, "SELECT 'slow'", wait_timeout="50s")))
    waiting.start()
    while not engine.texts:
        time.sleep(0.01)
    sdk.warehouses.stop("local")
    waiting.join(5)
    assert [state(item) for item in answers] == [StatementState.FAILED]


def test_on_wait_timeout_cancels_and_means_nothing_without_a_wait(serve: Opens, engine: Engine) -> None:
    sdk = serve()
    assert state(run(sdk, "SELECT 'slow'", wait_timeout="5s", on_wait_timeout=CANCEL)) is StatementState.CANCELED
    response = run(sdk, "SELECT 'slow 2'", wait_timeout="0s", on_wait_timeout=CANCEL)
    poll(sdk, response.statement_id, StatementState.RUNNING)
    engine.free.set()
    poll(sdk, response.statement_id, StatementState.SUCCEEDED)


def test_a_statement_is_kept_for_some_time_after_its_end(serve: Opens, engine: Engine) -> None:
    sdk = serve(statement_seconds=0.5)
    running = run(sdk, "SELECT 'slow' AS n", wait_timeout="0s", **ARROW).statement_id
    done = run(sdk, "SELECT * FROM answer", **ARROW).statement_id or ""
    assert sdk.statement_execution.get_statement(done).result is not None
    time.sleep(0.6)
    with pytest.raises(NotFound):
        sdk.statement_execution.get_statement(done)
    engine.free.set()
    poll(sdk, running, StatementState.SUCCEEDED)


def test_values_of_decimals_come_back_as_they_were(serve: Opens, engine: Engine) -> None:
    engine.answer = pa.table({"money": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2))})
    assert opened(link(run(serve(), "SELECT * FROM answer", **ARROW))) == engine.answer
