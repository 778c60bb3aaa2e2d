"""The ASGI application: routes put together, behind the gate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from alerting_assets.workspace.local import SqlRunner, StatementRunner
from alerting_assets.workspace.local.api_alerts import AlertsApi
from alerting_assets.workspace.local.api_destinations import DestinationsApi
from alerting_assets.workspace.local.api_error import ApiError, answer_api_error
from alerting_assets.workspace.local.api_local import LocalApi
from alerting_assets.workspace.local.api_secrets import SecretsApi
from alerting_assets.workspace.local.api_sql import SqlApi
from alerting_assets.workspace.local.destinations import Destinations
from alerting_assets.workspace.local.evaluator import Evaluator
from alerting_assets.workspace.local.faults import Faults
from alerting_assets.workspace.local.gate import Gate
from alerting_assets.workspace.local.journal import Journal
from alerting_assets.workspace.local.notifier import Notifier
from alerting_assets.workspace.local.own_state import ReadOwnStates
from alerting_assets.workspace.local.pages import Pages
from alerting_assets.workspace.local.rules import Clock, Rules, utc_now
from alerting_assets.workspace.local.secret_scopes import SecretScopes
from alerting_assets.workspace.local.store import Store

WORKSPACE_ID = "1"


def create_app(
    store: Store,
    sql_runner: SqlRunner,
    token: str,
    evaluator: Evaluator,
    destinations: Destinations,
    secret_scopes: SecretScopes,
    *,
    statement_runner: StatementRunner | None = None,
    statement_namespace: tuple[str, str] | None = None,
    rules: Rules | None = None,
    clock: Clock = utc_now,
    own_states: ReadOwnStates | None = None,
    notifier: Notifier | None = None,
) -> ASGIApp:
    """The ASGI application. It must be served by `server.py`, whose HTTP protocol is what lets an answer get lost.

    token: what `/api` asks for as bearer token; the pages need none.
    own_states: what the product itself found out, for the pages; None: nothing."""
    rules = rules or Rules()
    faults, journal = Faults(), Journal(store)
    sql = SqlApi(sql_runner, rules, statement_runner, statement_namespace)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await sql.close()

    routes = [
        *AlertsApi(store, destinations, rules, clock).routes(),
        *DestinationsApi(destinations, rules).routes(),
        *SecretsApi(secret_scopes, clock).routes(),
        *sql.routes(),
        *LocalApi(store, evaluator, faults, journal).routes(),
        *Pages(store, destinations, faults, journal, own_states, notifier).routes(),
        Route("/.well-known/databricks-config", _databricks_config, methods=["GET"]),
        Route("/api/2.0/preview/scim/v2/Me", _me(rules.user_name), methods=["GET"]),
        Route("/api/{rest:path}", _no_such_api, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={ApiError: answer_api_error})
    return Gate(app, token=token, faults=faults, journal=journal, clock=clock)


async def _databricks_config(request: Request) -> JSONResponse:
    return JSONResponse({"oidc_endpoint": f"{request.base_url}oidc", "workspace_id": WORKSPACE_ID})


async def _no_such_api(request: Request) -> JSONResponse:
    return ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.method} {request.url.path}'").response()


def _me(user_name: str) -> Callable[[Request], JSONResponse]:
    user = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "1",
        "userName": user_name,
        "displayName": user_name.partition("@")[0],
        "active": True,
        "emails": [{"type": "work", "value": user_name, "primary": True}],
        "groups": [{"display": "users", "type": "direct", "value": "1"}],
    }

    def answer(_: Request) -> JSONResponse:
        return JSONResponse(
            user, headers={"X-Databricks-Org-Id": WORKSPACE_ID}
        )  # the SDK reads the workspace's id there

    return answer
