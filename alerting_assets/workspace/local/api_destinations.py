"""/api/2.0/notification-destinations: create, get, list, update, delete. Secrets are taken, and never given back."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from alerting_assets.workspace.local.api_alerts import json_body
from alerting_assets.workspace.local.api_error import ApiError, invalid, not_found
from alerting_assets.workspace.local.destination_body import read_body
from alerting_assets.workspace.local.destinations import (
    Destination,
    Destinations,
    Listed,
    TooManyDestinations,
    TypeChanged,
)
from alerting_assets.workspace.local.paging import page_size, read_token, token
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.vault import SecretLost

DESTINATIONS = "/api/2.0/notification-destinations"


class DestinationsApi:
    def __init__(self, destinations: Destinations, rules: Rules) -> None:
        self._destinations, self._rules = destinations, rules

    def routes(self) -> list[Route]:
        return [
            Route(DESTINATIONS, self.list_page, methods=["GET"]),
            Route(DESTINATIONS, self.create, methods=["POST"]),
            Route(DESTINATIONS + "/{id}", self.get, methods=["GET"]),
            Route(DESTINATIONS + "/{id}", self.update, methods=["PATCH"]),
            Route(DESTINATIONS + "/{id}", self.delete, methods=["DELETE"]),
        ]

    async def create(self, request: Request) -> JSONResponse:
        body = read_body(await json_body(request))
        if body.name is None:
            raise invalid("Missing required field: display_name")
        if body.config is None:
            raise invalid("Missing required field: config")
        try:
            created = self._destinations.create(body.name, body.config, limit=self._rules.destination_limit)
        except TooManyDestinations:
            raise ApiError(
                400,
                "RESOURCE_LIMIT_EXCEEDED",
                f"This workspace holds its limit of {self._rules.destination_limit} notification destinations",
            ) from None
        except SecretLost as error:
            raise ApiError(400, "INVALID_STATE", str(error)) from None
        return JSONResponse(_answer(created))

    async def get(self, request: Request) -> JSONResponse:
        found = self._destinations.get(request.path_params["id"])
        if found is None:
            raise _missing(request)
        return JSONResponse(_answer(found))

    async def list_page(self, request: Request) -> JSONResponse:
        size = page_size(request.query_params.get("page_size"))
        after = read_token(request.query_params.get("page_token"))
        stale_writes = request.scope.get("alerting.stale_writes", 0)
        page = self._destinations.page(after, size + 1, before_writes=stale_writes)
        answer: dict[str, Any] = {"results": [_listed(one) for one in page[:size]]}
        if len(page) > size:
            answer["next_page_token"] = token(page[size - 1].seq)
        return JSONResponse(answer)

    async def update(self, request: Request) -> JSONResponse:
        body = read_body(await json_body(request))
        if body.name is None and body.config is None:
            raise invalid("At least one of display_name, config is required")
        try:
            updated = self._destinations.update(request.path_params["id"], body.name, body.config)
        except TypeChanged as error:
            raise invalid(f"config: the destination is of type {error}, and the type cannot be changed") from None
        except SecretLost as error:
            raise ApiError(400, "INVALID_STATE", str(error)) from None
        if updated is None:
            raise _missing(request)
        return JSONResponse(_answer(updated))

    async def delete(self, request: Request) -> JSONResponse:
        if not self._destinations.delete(request.path_params["id"]):
            raise _missing(request)
        return JSONResponse({})


def _listed(destination: Listed) -> dict[str, Any]:
    return {"id": destination.id, "display_name": destination.name, "destination_type": destination.type}


def _answer(destination: Destination) -> dict[str, Any]:
    return {**_listed(destination), "config": {destination.kind: destination.told}}


def _missing(request: Request) -> ApiError:
    return not_found(f"Notification destination with id {request.path_params['id']} does not exist")
