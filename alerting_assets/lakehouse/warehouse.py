"""The warehouse engine: the statements of `sql_engine` through Databricks' statement execution API, by the databricks-sdk.

A statement is submitted, then asked after until it ended; its rows come as Arrow over external links. Interrupted or overdue
statements are canceled. Rows go in as JSON parameters; what is too large for one statement is first gathered in a table of its own.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import requests
from databricks.sdk.service.sql import (
    Disposition,
    ExternalLink,
    Format,
    ResultData,
    ServiceErrorCode,
    StatementResponse,
    StatementState,
)
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from alerting_assets.errors import (
    LakehouseError,
    LakehouseUnavailable,
    QueryError,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceNotFound,
    WorkspaceRejected,
)
from alerting_assets.lakehouse import parameter_rows, sql_text
from alerting_assets.lakehouse.arrow import arrow_type
from alerting_assets.lakehouse.port import TableName
from alerting_assets.lakehouse.spark_errors import SparkFailure
from alerting_assets.lakehouse.sql_engine import Source, SqlLakehouse, Statements
from alerting_assets.sql_literal import identifier, text_literal
from alerting_assets.workspace.transport import Transport

ONLY_READS = "only queries that read are allowed here"
"""What the local workspace's warehouse says to a statement that writes."""
STATEMENTS = "/api/2.0/sql/statements/"
STATEMENT = "/api/2.0/sql/statements/{id}"
CHUNK = "/api/2.0/sql/statements/{id}/result/chunks/{index}"
WAREHOUSE = "/api/2.0/sql/warehouses/{id}"
STATEMENT_BYTES = 16 * 1024 * 1024
"""The most bytes that the text of a query may have, as documented. Nothing is said about parameters, so they are counted in."""
PARAMETER_BYTES = 8 * 1024 * 1024
"""The most bytes of rows in one statement. JSON inside JSON grows by a third on its way, so this stays below the limit of a text,
too."""
WAIT = "0s"
"""How long the service may hold back its first answer. Not at all: a statement has no id before that answer, and cannot be canceled
without one."""
POLL_SECONDS = (0.05, 5.0)
QUERY_SECONDS = 600.0
START_SECONDS = 900.0
"""How many seconds a warehouse may take to start."""
LINK_ATTEMPTS = 4
CANCEL_SECONDS = 10.0
"""How long an interrupted statement is waited for until it is canceled. A second Ctrl-C does not wait."""

log = logging.getLogger(__name__)


class WarehouseStatements(Statements):
    """Statements by the statement execution API. query_seconds: how long one statement may run, not counting the time in which the
    warehouse starts."""

    def __init__(
        self,
        transport: Transport,
        warehouse_id: str,
        catalog: str,
        schema: str,
        *,
        query_seconds: float = QUERY_SECONDS,
        parameter_bytes: int = PARAMETER_BYTES,
    ) -> None:
        self._transport, self._warehouse_id = transport, warehouse_id
        self._catalog, self._schema = catalog, schema
        self._query_seconds, self._parameter_bytes = query_seconds, parameter_bytes

    def run(
        self,
        sql: str,
        parameters: Mapping[str, str] | None = None,
        *,
        reads: bool = False,
        in_schema: bool = True,
        seconds: float | None = None,
    ) -> pa.Table:
        limit = self._query_seconds if seconds is None else seconds
        body = self._body(sql, parameters or {}, in_schema=in_schema)

        def work(stop: threading.Event) -> pa.Table:
            answer = self._call("POST", STATEMENTS, STATEMENTS, body=body, repeatable=reads)
            return self._rows(self._finished(answer, stop, limit), stop)

        return _in_own_thread(work)

    @contextmanager
    def source(self, rows: pa.Table) -> Iterator[Source]:
        texts = parameter_rows.chunks(rows, self._parameter_bytes)
        first = next(texts)
        second = next(texts, None)
        if second is None:
            yield Source(parameter_rows.relation(rows.schema, "rows"), {"rows": first})
            return
        table = sql_text.quoted(TableName(self._catalog, self._schema, f"alerting_rows_{uuid.uuid4().hex}"))
        columns = ", ".join(f"{identifier(item.name)} {parameter_rows.sql_type(item.type)}" for item in rows.schema)
        comment = text_literal("rows of one statement that were too large for it; safe to drop when older than a day")
        self.run(f"CREATE TABLE {table} ({columns}) USING DELTA COMMENT {comment}")
        try:
            relation = parameter_rows.relation(rows.schema, "rows")
            for text in (first, second, *texts):
                self.run(f"INSERT INTO {table} SELECT * FROM {relation}", {"rows": text})
            yield Source(table)
        finally:
            self.run(f"DROP TABLE {table}")

    def close(self) -> None:
        """Nothing is held open."""

    def _body(self, sql: str, parameters: Mapping[str, str], *, in_schema: bool) -> dict[str, Any]:
        size = len(sql.encode()) + sum(len(value.encode()) for value in parameters.values())
        if size > STATEMENT_BYTES:
            raise LakehouseError(
                f"a statement of {size:,} bytes is over the {STATEMENT_BYTES:,} that a SQL warehouse takes; "
                f"shorten the query (it begins: {' '.join(sql[:80].split())})"
            )
        body: dict[str, Any] = {
            "statement": sql,
            "warehouse_id": self._warehouse_id,
            "wait_timeout": WAIT,
            "on_wait_timeout": "CONTINUE",
            "disposition": Disposition.EXTERNAL_LINKS.value,
            "format": Format.ARROW_STREAM.value,
        }
        if in_schema:
            body |= {"catalog": self._catalog, "schema": self._schema}
        if parameters:
            body["parameters"] = [
                {"name": name, "value": value, "type": "STRING"} for name, value in parameters.items()
            ]
        return body

    def _finished(self, answer: dict[str, Any], stop: threading.Event, seconds: float) -> StatementResponse:
        response = StatementResponse.from_dict(answer)
        started = submitted = time.monotonic()
        pause, told = POLL_SECONDS[0], False
        try:
            while _state(response) in (StatementState.PENDING, StatementState.RUNNING):
                if _state(response) is StatementState.PENDING:
                    started = time.monotonic()
                    if not told:
                        told = self._tell_start()
                self._check_time(response, submitted, started, seconds)
                if stop.wait(pause):
                    raise CancelledError
                pause = min(pause * 1.5, POLL_SECONDS[1])
                path = STATEMENT.format(id=response.statement_id)
                response = StatementResponse.from_dict(self._call("GET", path, STATEMENT))
        except BaseException:
            self._cancel(response)
            raise
        if _state(response) is StatementState.SUCCEEDED:
            return response
        raise self._failure(response)

    def _check_time(self, response: StatementResponse, submitted: float, started: float, seconds: float) -> None:
        now = time.monotonic()
        if _state(response) is StatementState.PENDING and now - submitted > START_SECONDS:
            raise LakehouseUnavailable(
                f"SQL warehouse {self._warehouse_id} did not start within {START_SECONDS / 60:.0f} minutes; "
                "start it in the workspace (SQL Warehouses) and look there for the reason"
            )
        if now - started > seconds:
            raise QueryError.timed_out(seconds)

    def _tell_start(self) -> bool:
        state = self._call("GET", WAREHOUSE.format(id=self._warehouse_id), WAREHOUSE).get("state")
        if state in ("STARTING", "STOPPED"):
            log.warning("SQL warehouse %s is %s; the statement waits for its start", self._warehouse_id, state)
        return True

    def _cancel(self, response: StatementResponse) -> None:
        path = STATEMENT.format(id=response.statement_id) + "/cancel"
        try:
            self._transport.call("POST", path, STATEMENT + "/cancel")
        except WorkspaceError as error:  # what led here is the error to report
            log.warning("statement %s may run on, its cancellation failed: %s", response.statement_id, error)

    def _failure(self, response: StatementResponse) -> SparkFailure | LakehouseUnavailable:
        error = response.status.error if response.status else None
        message = (error.message if error else None) or "it gave no reason"
        state = _state(response)
        if message == ONLY_READS:
            return LakehouseUnavailable(
                "ALERTING_LAKEHOUSE=warehouse with ALERTING_WORKSPACE=local: the SQL warehouse of the local workspace that runs here only "
                "reads. Set ALERTING_WORKSPACE=databricks and DATABRICKS_WAREHOUSE_ID for a real one, or have the local workspace "
                "served by `ALERTING_LAKEHOUSE=spark alerting workspace serve`"
            )
        if state is StatementState.FAILED and (error is None or error.error_code in _OF_THE_STATEMENT):
            return SparkFailure(message)
        code = f", {error.error_code.value}" if error and error.error_code else ""
        return LakehouseUnavailable(
            f"SQL warehouse {self._warehouse_id} did not run the statement ({state.value if state else 'no state'}{code}): {message}; "
            "see the warehouse in the workspace (SQL Warehouses): start it there, or set DATABRICKS_WAREHOUSE_ID to one that runs"
        )

    def _rows(self, response: StatementResponse, stop: threading.Event) -> pa.Table:
        manifest = response.manifest
        count = (manifest.total_chunk_count if manifest else 0) or 0
        tables = []
        first = _link(response.result, 0)
        for index in range(count):
            if stop.is_set():
                raise CancelledError
            tables.append(self._chunk(response.statement_id or "", index, first if index == 0 else None))
        if tables:
            return pa.concat_tables(tables)
        columns = (manifest.schema.columns if manifest and manifest.schema else None) or []
        fields = [pa.field(item.name or "", arrow_type(item.type_text or "string")) for item in columns]
        return pa.schema(fields).empty_table()

    def _chunk(self, statement_id: str, index: int, link: str | None) -> pa.Table:
        """The rows behind a link. A link lives for minutes, so another one is asked for when it no longer works."""
        links = [link]

        def fetch() -> pa.Table:
            address = links.pop() if links else None
            if address is None:
                path = CHUNK.format(id=statement_id, index=index)
                address = _link(ResultData.from_dict(self._call("GET", path, CHUNK)), index)
            if address is None:
                raise LakehouseUnavailable(
                    f"statement {statement_id}: the service names no link to part {index} of its result"
                )
            # A presigned address: cloud storage refuses requests that bring credentials along, from ~/.netrc say.
            answer = requests.get(address, timeout=60, auth=lambda request: request)
            answer.raise_for_status()
            with pa.ipc.open_stream(answer.content) as reader:
                return reader.read_all()

        retrying = Retrying(
            retry=retry_if_exception_type((requests.RequestException, pa.ArrowInvalid)),
            wait=wait_random_exponential(multiplier=0.2, max=5.0),
            stop=stop_after_attempt(LINK_ATTEMPTS),
            reraise=True,
        )
        try:
            return retrying(fetch)
        except (requests.RequestException, pa.ArrowInvalid) as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            reason = f"HTTP {status}" if status else type(error).__name__
            raise LakehouseUnavailable(  # the address is a secret, so the error stays out
                f"part {index} of a result could not be fetched from the workspace's storage ({reason}); is it reachable from here?"
            ) from None

    def _call(
        self, method: str, path: str, kind: str, *, body: dict[str, Any] | None = None, repeatable: bool | None = None
    ) -> dict[str, Any]:
        try:
            return self._transport.call(method, path, kind, body=body, idempotent=repeatable)
        except (WorkspaceNotFound, WorkspaceRejected) as error:
            if kind == STATEMENT:
                raise LakehouseUnavailable(
                    f"the statement is not known any more: {error}; run the command again"
                ) from error
            raise LakehouseUnavailable(
                f"SQL warehouse {self._warehouse_id} (DATABRICKS_WAREHOUSE_ID): {error}; "
                "its id stands behind /sql/1.0/warehouses/ on its page in the workspace (SQL Warehouses, Connection details)"
            ) from error
        except WorkspaceDenied as error:
            raise LakehouseUnavailable(
                f"{error}; the principal needs CAN USE on SQL warehouse {self._warehouse_id}"
            ) from error
        except WorkspaceError as error:
            raise LakehouseUnavailable(str(error)) from error


def warehouse_lakehouse(
    transport: Transport,
    warehouse_id: str,
    catalog: str,
    schema: str,
    *,
    query_seconds: float = QUERY_SECONDS,
    parameter_bytes: int = PARAMETER_BYTES,
) -> SqlLakehouse:
    statements = WarehouseStatements(
        transport, warehouse_id, catalog, schema, query_seconds=query_seconds, parameter_bytes=parameter_bytes
    )
    return SqlLakehouse(statements, catalog, schema, sql_text.DATABRICKS, "warehouse")


def _in_own_thread(work: Callable[[threading.Event], pa.Table]) -> pa.Table:
    """The result of `work(stop)`, which runs in a thread of its own. When the caller is interrupted, `stop` is set, and `work` gets a
    moment to end what it began.

    Ctrl-C arrives in the main thread. There it would break off the request that submits a statement, which then runs on and has no id
    to cancel it by; and it would be lost in a destructor of the HTTP libraries, for Python drops what is raised in one."""
    stop, result = threading.Event(), Future[pa.Table]()

    def target() -> None:
        try:
            if not stop.is_set():
                result.set_result(work(stop))
        except BaseException as error:  # noqa: BLE001  it is raised again in the thread that waits
            result.set_exception(error)

    thread = threading.Thread(target=target, name="statement", daemon=True)
    try:
        thread.start()
        return result.result()
    except BaseException:
        stop.set()
        if thread.is_alive():
            thread.join(CANCEL_SECONDS)
        raise


_OF_THE_STATEMENT = (None, ServiceErrorCode.BAD_REQUEST, ServiceErrorCode.ALREADY_EXISTS, ServiceErrorCode.NOT_FOUND)
"""Codes of statements that ran and were wrong; the others are the service's own trouble."""


def _state(response: StatementResponse) -> StatementState | None:
    return response.status.state if response.status else None


def _link(result: ResultData | None, index: int) -> str | None:
    links: list[ExternalLink] = (result.external_links if result else None) or []
    return next((item.external_link for item in links if (item.chunk_index or 0) == index), None)
