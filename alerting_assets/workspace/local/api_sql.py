"""/api/2.0/sql: statements, the one kind of warehouse that they run on, and the external links of their results.

Statements read the lakehouse, unless there is a `StatementRunner`: then they may be anything that it runs, as on a real warehouse.
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import time
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from alerting_assets.workspace.local import SqlRunner, StatementRunner
from alerting_assets.workspace.local.api_alerts import json_body
from alerting_assets.workspace.local.api_error import invalid, not_found
from alerting_assets.workspace.local.rules import Rules, timestamp, utc_now
from alerting_assets.workspace.local.sql_result import ResultTooLarge, arrow_result, inline_result
from alerting_assets.workspace.local.sql_text import Parameter, StatementError, bind, prepare
from alerting_assets.workspace.local.statement import Statement

FIELDS = frozenset(
    {
        *("statement", "warehouse_id", "catalog", "schema", "parameters", "row_limit"),
        *("wait_timeout", "on_wait_timeout", "disposition", "format"),
    }
)
DELIVERIES = (("INLINE", "JSON_ARRAY"), ("EXTERNAL_LINKS", "ARROW_STREAM"))
MOST_PARAMETERS = 255
STATEMENTS_KEPT = 200
LINKS_KEPT = 2_000
WORKERS = 4


class SqlApi:
    def __init__(self, sql_runner: SqlRunner, rules: Rules, statement_runner: StatementRunner | None = None) -> None:
        self._runner: SqlRunner = statement_runner or sql_runner
        self._runs_anything, self._rules = statement_runner is not None, rules
        self._statements: OrderedDict[str, Statement] = OrderedDict()
        self._links: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._workers = ThreadPoolExecutor(WORKERS, "statement")
        self._ready_at: dict[str, float] = dict.fromkeys(rules.warehouse_ids, 0.0)
        """When each warehouse runs, in seconds of the monotonic clock; infinity while it is stopped."""

    def routes(self) -> list[Route]:
        return [
            Route("/api/2.0/sql/statements", self.execute, methods=["POST"]),
            Route("/api/2.0/sql/statements/", self.execute, methods=["POST"]),  # the SDK's spelling
            Route("/api/2.0/sql/statements/{id}", self.get, methods=["GET"]),
            Route("/api/2.0/sql/statements/{id}/result/chunks/{index:int}", self.chunk, methods=["GET"]),
            Route("/external-links/{key}", self.external_link, methods=["GET"]),
            Route("/api/2.0/sql/statements/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/api/2.0/sql/warehouses", self.warehouses, methods=["GET"]),
            Route("/api/2.0/sql/warehouses/{id}", self.warehouse, methods=["GET"]),
            Route("/api/2.0/sql/warehouses/{id}/{action:str}", self.switch, methods=["POST"]),
        ]

    def close(self) -> None:
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def execute(self, request: Request) -> JSONResponse:
        body = await json_body(request)
        if not isinstance(body, dict) or not isinstance(body.get("statement"), str) or not body["statement"].strip():
            raise invalid("Missing required field: statement")
        if unknown := set(body) - FIELDS:
            raise invalid(f"{', '.join(sorted(unknown))}: unknown, or not supported by the local workspace")
        if body.get("warehouse_id") not in self._rules.warehouse_ids:
            raise invalid(f"warehouse_id: the SQL warehouse {body.get('warehouse_id')!r} does not exist")
        delivery = (body.get("disposition", "INLINE"), body.get("format", "JSON_ARRAY"))
        if delivery not in DELIVERIES:
            allowed = " or ".join(" with ".join(pair) for pair in DELIVERIES)
            raise invalid(f"disposition {delivery[0]} with format {delivery[1]}: the local workspace answers {allowed}")
        wait = _wait_seconds(body.get("wait_timeout", "10s"))
        on_timeout = body.get("on_wait_timeout", "CONTINUE")
        if on_timeout not in ("CONTINUE", "CANCEL"):
            raise invalid(f"on_wait_timeout: expected CONTINUE or CANCEL, got {on_timeout!r}")
        parameters, row_limit = _parameters(body.get("parameters", [])), _row_limit(body.get("row_limit"))
        self._check_size(body["statement"], parameters)
        statement = self._new()
        try:
            text = self._text(body, parameters)
        except StatementError as error:
            statement.fail("BAD_REQUEST", str(error))
            return JSONResponse(statement.body())
        if not self._start(body["warehouse_id"]):
            statement.fail("TEMPORARILY_UNAVAILABLE", f"The SQL warehouse {body['warehouse_id']} could not be started.")
            return JSONResponse(statement.body())
        arguments = (statement, text, body["warehouse_id"], row_limit, delivery[0] == "EXTERNAL_LINKS")
        work = asyncio.get_running_loop().run_in_executor(self._workers, self._run, *arguments)
        await asyncio.wait({work}, timeout=wait)
        if not work.done() and on_timeout == "CANCEL":
            statement.cancel()
        return self._response(request, statement)

    async def get(self, request: Request) -> JSONResponse:
        return self._response(request, self._statement(request))

    async def chunk(self, request: Request) -> JSONResponse:
        statement, index = self._statement(request), request.path_params["index"]
        if index >= len(statement.chunks):
            raise not_found(f"The statement {statement.id} has no chunk {index}.")
        return JSONResponse({"external_links": [self._external_link(request, statement, index)]})

    async def external_link(self, request: Request) -> Response:
        """As cloud storage does: the address alone opens it, for some time, and other credentials are refused."""
        if "authorization" in request.headers:
            return PlainTextResponse("Only one auth mechanism allowed\n", 400)
        stream, expires = self._links.get(request.path_params["key"], (b"", 0.0))
        if time.monotonic() > expires:
            return PlainTextResponse("Request has expired\n", 403)
        return Response(stream, media_type="application/vnd.apache.arrow.stream")

    async def cancel(self, request: Request) -> JSONResponse:
        self._statement(request).cancel()
        return JSONResponse({})

    async def warehouses(self, _: Request) -> JSONResponse:
        return JSONResponse({"warehouses": [self._describe(name) for name in sorted(self._rules.warehouse_ids)]})

    async def warehouse(self, request: Request) -> JSONResponse:
        return JSONResponse(self._describe(self._warehouse_id(request)))

    async def switch(self, request: Request) -> JSONResponse:
        warehouse_id = self._warehouse_id(request)
        match request.path_params["action"]:
            case "start":
                self._start(warehouse_id)
            case "stop":
                self._ready_at[warehouse_id] = math.inf
            case action:
                raise not_found(f"No API for a warehouse's {action}")
        return JSONResponse({})

    def _check_size(self, text: str, parameters: list[Parameter]) -> None:
        if len(parameters) > MOST_PARAMETERS:
            raise invalid(f"parameters: at most {MOST_PARAMETERS} are allowed, got {len(parameters)}")
        size = len(text.encode()) + sum(len((parameter.value or "").encode()) for parameter in parameters)
        if size > self._rules.statement_bytes:
            raise invalid(f"The statement has {size} bytes; the maximum is {self._rules.statement_bytes}.")

    def _text(self, body: dict[str, Any], parameters: list[Parameter]) -> str:
        if self._runs_anything:  # its session is in the one schema that it serves
            return bind(body["statement"], parameters)
        return prepare(body["statement"], parameters, catalog=body.get("catalog"), schema=body.get("schema"))

    def _start(self, warehouse_id: str) -> bool:
        """Whether the warehouse runs, or will."""
        if math.isinf(self._ready_at[warehouse_id]):
            if self._rules.warehouse_start_seconds is None:
                return False
            self._ready_at[warehouse_id] = time.monotonic() + self._rules.warehouse_start_seconds
        return True

    def _run(self, statement: Statement, text: str, warehouse_id: str, row_limit: int | None, external: bool) -> None:
        while not statement.has_ended and (left := self._ready_at[warehouse_id] - time.monotonic()) > 0:
            if math.isinf(left):
                statement.fail("TEMPORARILY_UNAVAILABLE", f"The SQL warehouse {warehouse_id} was stopped.")
            time.sleep(min(left, 0.05))
        if statement.has_ended:
            return
        statement.start()
        try:
            result = self._runner(text)
        except Exception as error:  # noqa: BLE001  isolation boundary: whatever a query does is this statement's failure
            statement.fail("BAD_REQUEST", str(error) or type(error).__name__)
            return
        try:
            if external:
                manifest, chunks = arrow_result(result, row_limit, self._rules.chunk_bytes)
                statement.succeed(chunks, manifest=manifest, result={})
            else:
                statement.succeed(**inline_result(result, row_limit))
        except ResultTooLarge as error:
            statement.fail("BAD_REQUEST", str(error))

    def _response(self, request: Request, statement: Statement) -> JSONResponse:
        body = statement.body()
        if statement.chunks:
            body["result"] = {"external_links": [self._external_link(request, statement, 0)]}
        return JSONResponse(body)

    def _external_link(self, request: Request, statement: Statement, index: int) -> dict[str, Any]:
        """A new one each time it is asked for."""
        key, chunk = secrets.token_urlsafe(24), statement.chunks[index]
        self._links[key] = (chunk.stream, time.monotonic() + self._rules.link_seconds)
        if len(self._links) > LINKS_KEPT:
            self._links.popitem(last=False)
        link: dict[str, Any] = {
            **chunk.info,
            "external_link": f"{request.base_url}external-links/{key}",
            "expiration": timestamp(utc_now() + timedelta(seconds=self._rules.link_seconds)),
        }
        if index + 1 < len(statement.chunks):
            path = f"/api/2.0/sql/statements/{statement.id}/result/chunks/{index + 1}"
            link |= {"next_chunk_index": index + 1, "next_chunk_internal_link": path}
        return link

    def _new(self) -> Statement:
        statement = Statement(str(uuid.uuid4()))
        self._statements[statement.id] = statement
        if len(self._statements) > STATEMENTS_KEPT:
            self._statements.popitem(last=False)
        return statement

    def _statement(self, request: Request) -> Statement:
        statement = self._statements.get(request.path_params["id"])
        if statement is None:
            raise not_found(f"The statement {request.path_params['id']} was not found.")
        return statement

    def _warehouse_id(self, request: Request) -> str:
        warehouse_id = str(request.path_params["id"])
        if warehouse_id not in self._rules.warehouse_ids:
            raise not_found(f"SQL warehouse {warehouse_id} does not exist")
        return warehouse_id

    def _describe(self, warehouse_id: str) -> dict[str, Any]:
        left = self._ready_at[warehouse_id] - time.monotonic()
        stopped = math.isinf(left)
        return {
            "id": warehouse_id,
            "name": f"Embedded lakehouse ({warehouse_id})",
            "state": "STOPPED" if stopped else "STARTING" if left > 0 else "RUNNING",
            "cluster_size": "2X-Small",
            "min_num_clusters": 1,
            "max_num_clusters": 1,
            "num_clusters": 0 if stopped else 1,
            "auto_stop_mins": 0,
            "warehouse_type": "PRO",
            "enable_serverless_compute": False,
            "creator_name": self._rules.user_name,
        }


def _wait_seconds(value: Any) -> int:
    found = re.fullmatch(r"(\d{1,3})s", value, re.ASCII) if isinstance(value, str) else None
    seconds = int(found[1]) if found else -1
    if seconds != 0 and not 5 <= seconds <= 50:
        raise invalid(f"wait_timeout: expected 0s, or 5s to 50s, got {value!r}")
    return seconds


def _row_limit(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise invalid(f"row_limit: expected a whole number from 1, got {value!r}")
    return value


def _parameters(value: Any) -> list[Parameter]:
    if not isinstance(value, list):
        raise invalid("parameters: expected a list")
    found = []
    for item in value:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise invalid("parameters: each needs a name")
        kind, text = item.get("type") or "STRING", item.get("value")
        if not isinstance(kind, str) or not (text is None or isinstance(text, str)):
            raise invalid(f"parameters: type and value of {item['name']} must be strings")
        found.append(Parameter(item["name"], kind, text))
    return found
