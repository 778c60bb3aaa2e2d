"""/api/2.0/sql: statements, the one kind of warehouse that they run on, and the external links of their results.

Statements read the lakehouse, unless there is a `StatementRunner`: then they may be anything that it runs, as on a real warehouse.
All state changes on the event loop; only engines and their results keep to threads of their own.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from alerting_assets.workspace.local import SqlRunner, StatementRunner
from alerting_assets.workspace.local.api_alerts import json_body
from alerting_assets.workspace.local.api_error import not_found
from alerting_assets.workspace.local.external_links import ExternalLinks
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.sql_result import Result, arrow_result, inline_result
from alerting_assets.workspace.local.sql_text import StatementError, prepare
from alerting_assets.workspace.local.statement import Statement
from alerting_assets.workspace.local.statement_request import StatementRequest
from alerting_assets.workspace.local.warehouse import Warehouses

WORKERS = 4
"""How many statements run at a time. The others are PENDING meanwhile."""
LONGEST_NAP = 0.05


class SqlApi:
    """The statement execution API. namespace: the catalog and the schema that `statement_runner` is in; None accepts all names."""

    def __init__(
        self,
        sql_runner: SqlRunner,
        rules: Rules,
        statement_runner: StatementRunner | None = None,
        namespace: tuple[str, str] | None = None,
    ) -> None:
        self._query, self._run_any, self._namespace = sql_runner, statement_runner, namespace
        self._rules, self._warehouses, self._links = rules, Warehouses(rules), ExternalLinks(rules.link_seconds)
        self._statements: dict[str, Statement] = {}
        self._threads, self._free_threads = ThreadPoolExecutor(WORKERS, "statement"), asyncio.Semaphore(WORKERS)
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        return [
            Route("/api/2.0/sql/statements", self.execute, methods=["POST"]),
            Route("/api/2.0/sql/statements/", self.execute, methods=["POST"]),  # the SDK's spelling
            Route("/api/2.0/sql/statements/{id}", self.get, methods=["GET"]),
            Route("/api/2.0/sql/statements/{id}/result/chunks/{index:int}", self.chunk, methods=["GET"]),
            Route("/api/2.0/sql/statements/{id}/cancel", self.cancel, methods=["POST"]),
            self._links.route(),
            Route("/api/2.0/sql/warehouses", self.warehouses, methods=["GET"]),
            Route("/api/2.0/sql/warehouses/{id}", self.warehouse, methods=["GET"]),
            Route("/api/2.0/sql/warehouses/{id}/{action:str}", self.switch, methods=["POST"]),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def execute(self, request: Request) -> JSONResponse:
        asked = StatementRequest.read(await json_body(request), self._rules)
        self._forget_old()
        statement = Statement(str(uuid.uuid4()), asked.warehouse_id)
        self._statements[statement.id] = statement
        if self._warehouses.start(asked.warehouse_id):
            task = asyncio.create_task(self._run(statement, asked))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            statement.fail("TEMPORARILY_UNAVAILABLE", f"The SQL warehouse {asked.warehouse_id} could not be started.")
        try:
            await asyncio.wait_for(statement.ended.wait(), asked.wait)
        except TimeoutError:
            if asked.cancels:
                statement.cancel()
        return self._response(request, statement)

    async def get(self, request: Request) -> JSONResponse:
        return self._response(request, self._statement(request))

    async def chunk(self, request: Request) -> JSONResponse:
        statement, index = self._statement(request), request.path_params["index"]
        if statement.result is None or index >= len(statement.result.chunks):
            raise not_found(f"The statement {statement.id} has no chunk {index}.")
        return JSONResponse({"external_links": [self._link(request, statement.id, statement.result, index)]})

    async def cancel(self, request: Request) -> JSONResponse:
        self._statement(request).cancel()
        return JSONResponse({})

    async def warehouses(self, _: Request) -> JSONResponse:
        return JSONResponse({"warehouses": self._warehouses.all()})

    async def warehouse(self, request: Request) -> JSONResponse:
        return JSONResponse(self._warehouses.describe(self._warehouse_id(request)))

    async def switch(self, request: Request) -> JSONResponse:
        warehouse_id = self._warehouse_id(request)
        match request.path_params["action"]:
            case "start":
                self._warehouses.start(warehouse_id)
            case "stop":
                self._warehouses.stop(warehouse_id)
                for statement in self._statements.values():
                    if statement.warehouse_id == warehouse_id:
                        statement.fail("TEMPORARILY_UNAVAILABLE", f"The SQL warehouse {warehouse_id} was stopped.")
            case action:
                raise not_found(f"No API for a warehouse's {action}")
        return JSONResponse({})

    async def _run(self, statement: Statement, asked: StatementRequest) -> None:
        while not statement.has_ended and (left := self._warehouses.seconds_to_start(asked.warehouse_id)):
            await asyncio.sleep(min(left, LONGEST_NAP))
        async with self._free_threads:
            if statement.has_ended:
                return
            statement.start()
            try:
                result = await asyncio.get_running_loop().run_in_executor(self._threads, self._result, asked)
            except Exception as error:  # noqa: BLE001  isolation boundary: whatever a query does is this statement's failure
                statement.fail("BAD_REQUEST", str(error) or type(error).__name__)
            else:
                statement.succeed(result)

    def _result(self, asked: StatementRequest) -> Result:
        """Run the statement and make its result ready. Called in a thread of its own."""
        if self._run_any is None:
            text = prepare(asked.text, asked.parameters, catalog=asked.catalog, schema=asked.schema)
            rows = self._query(text)
        else:
            self._check_namespace(asked)
            rows = self._run_any(asked.text, asked.parameters)
        if asked.external:
            return arrow_result(rows, asked.row_limit, asked.byte_limit, self._rules.chunk_bytes)
        return inline_result(rows, asked.row_limit, asked.byte_limit)

    def _check_namespace(self, asked: StatementRequest) -> None:
        if self._namespace is None:
            return
        for kind, code, name, here in (
            ("catalog", "NO_SUCH_CATALOG_EXCEPTION", asked.catalog, self._namespace[0]),
            ("schema", "SCHEMA_NOT_FOUND", asked.schema, self._namespace[1]),
        ):
            if name is not None and name.lower() != here.lower():
                raise StatementError(f"[{code}] The {kind} `{name}` was not found; this SQL warehouse has `{here}`.")

    def _response(self, request: Request, statement: Statement) -> JSONResponse:
        body = statement.body()
        if statement.result and statement.result.chunks:
            body["result"] = {"external_links": [self._link(request, statement.id, statement.result, 0)]}
        return JSONResponse(body)

    def _link(self, request: Request, statement_id: str, result: Result, index: int) -> dict[str, Any]:
        """A presigned link to one chunk of a result; it is a new one each time that it is asked for."""
        chunk = result.chunks[index]
        link: dict[str, Any] = {**chunk.info, **self._links.add(request, chunk.stream)}
        if index + 1 < len(result.chunks):
            path = f"/api/2.0/sql/statements/{statement_id}/result/chunks/{index + 1}"
            link |= {"next_chunk_index": index + 1, "next_chunk_internal_link": path}
        return link

    def _forget_old(self) -> None:
        oldest = time.monotonic() - self._rules.statement_seconds
        self._statements = {
            key: item for key, item in self._statements.items() if item.ended_at is None or item.ended_at > oldest
        }

    def _statement(self, request: Request) -> Statement:
        self._forget_old()
        statement = self._statements.get(request.path_params["id"])
        if statement is None:
            raise not_found(f"The statement {request.path_params['id']} was not found.")
        return statement

    def _warehouse_id(self, request: Request) -> str:
        warehouse_id = str(request.path_params["id"])
        if warehouse_id not in self._warehouses:
            raise not_found(f"SQL warehouse {warehouse_id} does not exist")
        return warehouse_id
