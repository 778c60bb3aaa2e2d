"""/api/2.0/alerts: create, get, list, update, trash."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from alerting_assets.workspace.local.alert_body import Body, apply_mask, check_complete, read_body
from alerting_assets.workspace.local.api_error import ApiError, invalid, not_found
from alerting_assets.workspace.local.destinations import Destinations
from alerting_assets.workspace.local.paging import page_size, read_token, token
from alerting_assets.workspace.local.rules import Clock, Rules, timestamp
from alerting_assets.workspace.local.store import NameTaken, Store, TooManyAlerts


class AlertsApi:
    def __init__(self, store: Store, destinations: Destinations, rules: Rules, clock: Clock) -> None:
        self._store, self._destinations = store, destinations
        self._rules, self._clock = rules, clock

    def routes(self) -> list[Route]:
        return [
            Route("/api/2.0/alerts", self.list_page, methods=["GET"]),
            Route("/api/2.0/alerts", self.create, methods=["POST"]),
            Route("/api/2.0/alerts/{id}", self.get, methods=["GET"]),
            Route("/api/2.0/alerts/{id}", self.update, methods=["PATCH"]),
            Route("/api/2.0/alerts/{id}", self.trash, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> JSONResponse:
        body = read_body(await json_body(request))
        self._check(body, self._destination_ids())
        now = self._clock()
        run_as = body.get("run_as", {"user_name": self._rules.user_name})
        body |= {
            "id": str(uuid.uuid4()),
            "parent_path": _parent_path(body.get("parent_path") or f"/Users/{self._rules.user_name}"),
            "create_time": timestamp(now),
            "update_time": timestamp(now),
            "owner_user_name": self._rules.user_name,
            "effective_run_as": run_as,
            "lifecycle_state": "ACTIVE",
        }
        try:
            created = self._store.create(
                body, limit=self._rules.alert_limit, refuse_taken_name=self._rules.refuse_taken_name, now=now
            )
        except TooManyAlerts:
            raise ApiError(
                400,
                "RESOURCE_LIMIT_EXCEEDED",
                f"This workspace holds its limit of {self._rules.alert_limit} alerts; those in the trash count until they are purged",
            ) from None
        except NameTaken as error:
            raise _name_taken(error) from None
        return JSONResponse(_answer(created))

    async def get(self, request: Request) -> JSONResponse:
        return JSONResponse(_answer(self._alert(request)))

    async def list_page(self, request: Request) -> JSONResponse:
        size = page_size(request.query_params.get("page_size"))
        after = read_token(request.query_params.get("page_token"))
        page = self._store.page(after, size + 1, before_writes=request.scope.get("alerting.stale_writes", 0))
        hidden = self._store.hidden()
        answer: dict[str, Any] = {"alerts": [_answer(body) for _, body in page[:size] if body["id"] not in hidden]}
        if page and not answer["alerts"]:
            del answer["alerts"]  # JSON of protobuf leaves out what is empty
        if len(page) > size:
            answer["next_page_token"] = token(page[size - 1][0])
        return JSONResponse(answer)

    async def update(self, request: Request) -> JSONResponse:
        mask = request.query_params.get("update_mask")
        if not mask:
            raise invalid("Missing required query parameter: update_mask")
        changes = read_body(await json_body(request))
        now = self._clock()
        destination_ids = self._destination_ids()

        def change(stored: Body) -> Body:
            updated = apply_mask(stored, changes, mask)
            self._check(updated, destination_ids)
            return {
                **updated,
                "update_time": timestamp(now),
                "effective_run_as": updated.get("run_as", {"user_name": self._rules.user_name}),
            }

        alert_id = request.path_params["id"]
        self._refuse_hidden(alert_id)
        try:
            updated = self._store.update(alert_id, change, refuse_taken_name=self._rules.refuse_taken_name)
        except NameTaken as error:
            raise _name_taken(error) from None
        if updated is None:
            raise not_found(f"Alert with id {alert_id} does not exist or is in the trash")
        return JSONResponse(_answer(updated))

    async def trash(self, request: Request) -> JSONResponse:
        alert_id = request.path_params["id"]
        purge = request.query_params.get("purge", "false")
        if purge not in ("true", "false"):
            raise invalid(f"purge: expected true or false, got {purge!r}")
        self._refuse_hidden(alert_id)
        if not self._store.trash(alert_id, purge=purge == "true", now=self._clock()):
            raise not_found(f"Alert with id {alert_id} does not exist")
        return JSONResponse({})

    def _refuse_hidden(self, alert_id: str) -> None:
        status = self._store.hidden().get(alert_id)
        if status == 403:
            raise ApiError(403, "PERMISSION_DENIED", f"You do not have permission to the alert with id {alert_id}")
        if status is not None:
            raise not_found(f"Alert with id {alert_id} does not exist")

    def _alert(self, request: Request) -> Body:
        self._refuse_hidden(request.path_params["id"])
        alert = self._store.get(request.path_params["id"])
        if alert is None:
            raise not_found(f"Alert with id {request.path_params['id']} does not exist")
        return alert

    def _destination_ids(self) -> frozenset[str]:
        return self._rules.destination_ids | self._destinations.ids()

    def _check(self, body: Body, destination_ids: frozenset[str]) -> None:
        check_complete(body, warehouse_ids=self._rules.warehouse_ids, destination_ids=destination_ids)


async def json_body(request: Request) -> Any:
    """Raises ApiError for what is no JSON; Python's own extras, NaN and Infinity, are none."""
    try:
        return json.loads(await request.body(), parse_constant=_refuse_constant)
    except ValueError as error:  # UnicodeDecodeError is one
        raise ApiError(400, "MALFORMED_REQUEST", f"Could not parse the request as JSON: {error}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _answer(body: Body) -> Body:
    """The body as the service's JSON mapping writes it, which leaves out empty lists."""
    return {name: _answer(value) if isinstance(value, dict) else value for name, value in body.items() if value != []}


def _name_taken(error: NameTaken) -> ApiError:
    return ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Node named {str(error)!r} already exists")


def _parent_path(path: str) -> str:
    """The folder in one form: `/Workspace` is another name of the root."""
    if not path.startswith("/"):
        raise invalid(f"parent_path: expected an absolute workspace path, got {path!r}")
    return re.sub(r"^/Workspace(?=/)", "", path.rstrip("/")) or "/"
