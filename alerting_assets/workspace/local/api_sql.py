"""/api/2.0/sql: statements that read the lakehouse, and the one kind of warehouse that they run on."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from alerting_assets.workspace.local import SqlRunner
from alerting_assets.workspace.local.api_alerts import json_body
from alerting_assets.workspace.local.api_error import invalid, not_found
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.sql_result import ResultTooLarge, inline_result
from alerting_assets.workspace.local.sql_text import Parameter, StatementError, prepare

FIELDS = frozenset(
    {
        *("statement", "warehouse_id", "catalog", "schema", "parameters", "row_limit"),
        *("wait_timeout", "on_wait_timeout", "disposition", "format"),
    }
)
STATEMENTS_KEPT = 200
WORKERS = 4


@dataclass
class Statement:
    """answer: everything but the id. A finished or canceled statement does not change any more."""

    id: str
    state: str
    answer: dict[str, Any]

    def finish(self, state: str, **answer: Any) -> None:
        if self.state != "CANCELED":
            self.state, self.answer = state, answer

    def fail(self, code: str, message: str) -> None:
        self.finish("FAILED", error={"error_code": code, "message": message})

    def response(self) -> JSONResponse:
        status = {"state": self.state}
        error = self.answer.get("error")
        rest = {name: value for name, value in self.answer.items() if name != "error"}
        return JSONResponse(
            {"statement_id": self.id, "status": {**status, "error": error} if error else status, **rest}
        )


class SqlApi:
    def __init__(self, sql_runner: SqlRunner, rules: Rules) -> None:
        self._sql_runner, self._rules = sql_runner, rules
        self._statements: OrderedDict[str, Statement] = OrderedDict()
        self._workers = ThreadPoolExecutor(WORKERS, "statement")
        self._stopped: set[str] = set()

    def routes(self) -> list[Route]:
        return [
            Route("/api/2.0/sql/statements", self.execute, methods=["POST"]),
            Route("/api/2.0/sql/statements/", self.execute, methods=["POST"]),  # the SDK's spelling
            Route("/api/2.0/sql/statements/{id}", self.get, methods=["GET"]),
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
        if body.get("disposition", "INLINE") != "INLINE" or body.get("format", "JSON_ARRAY") != "JSON_ARRAY":
            raise invalid("the local workspace answers with disposition INLINE and format JSON_ARRAY only")
        wait = _wait_seconds(body.get("wait_timeout", "10s"))
        on_timeout = body.get("on_wait_timeout", "CONTINUE")
        if on_timeout not in ("CONTINUE", "CANCEL"):
            raise invalid(f"on_wait_timeout: expected CONTINUE or CANCEL, got {on_timeout!r}")
        parameters, row_limit = _parameters(body.get("parameters", [])), _row_limit(body.get("row_limit"))
        self._stopped.discard(body["warehouse_id"])  # a statement starts its warehouse
        statement = self._new()
        try:
            text = prepare(body["statement"], parameters, catalog=body.get("catalog"), schema=body.get("schema"))
        except StatementError as error:
            statement.fail("BAD_REQUEST", str(error))
            return statement.response()
        work = asyncio.get_running_loop().run_in_executor(self._workers, self._run, statement, text, row_limit)
        await asyncio.wait({work}, timeout=wait)
        if not work.done() and on_timeout == "CANCEL":
            statement.finish("CANCELED")
        return statement.response()

    async def get(self, request: Request) -> JSONResponse:
        return self._statement(request).response()

    async def cancel(self, request: Request) -> JSONResponse:
        statement = self._statement(request)
        if statement.state in ("PENDING", "RUNNING"):
            statement.finish("CANCELED")
        return JSONResponse({})

    async def warehouses(self, _: Request) -> JSONResponse:
        return JSONResponse({"warehouses": [self._describe(name) for name in sorted(self._rules.warehouse_ids)]})

    async def warehouse(self, request: Request) -> JSONResponse:
        return JSONResponse(self._describe(self._warehouse_id(request)))

    async def switch(self, request: Request) -> JSONResponse:
        warehouse_id = self._warehouse_id(request)
        match request.path_params["action"]:
            case "start":
                self._stopped.discard(warehouse_id)
            case "stop":
                self._stopped.add(warehouse_id)
            case action:
                raise not_found(f"No API for a warehouse's {action}")
        return JSONResponse({})

    def _run(self, statement: Statement, text: str, row_limit: int | None) -> None:
        statement.finish("RUNNING")
        if statement.state == "CANCELED":
            return
        try:
            result = self._sql_runner(text)
        except Exception as error:  # noqa: BLE001  isolation boundary: whatever a query does is this statement's failure
            statement.fail("BAD_REQUEST", str(error) or type(error).__name__)
            return
        try:
            statement.finish("SUCCEEDED", **inline_result(result, row_limit))
        except ResultTooLarge as error:
            statement.fail("BAD_REQUEST", str(error))

    def _new(self) -> Statement:
        statement = Statement(str(uuid.uuid4()), "PENDING", {})
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
        stopped = warehouse_id in self._stopped
        return {
            "id": warehouse_id,
            "name": f"Embedded lakehouse ({warehouse_id})",
            "state": "STOPPED" if stopped else "RUNNING",
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
