"""/api/2.0/secrets: scopes, and the secrets in them. Unlike destinations, these are given back to whoever may ask: that is what they
are for."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from alerting_assets.workspace.local.api_alerts import json_body
from alerting_assets.workspace.local.api_error import ApiError, invalid, not_found
from alerting_assets.workspace.local.rules import Clock
from alerting_assets.workspace.local.secret_scopes import NoSuchScope, ScopeTaken, SecretScopes, TooManySecrets
from alerting_assets.workspace.local.vault import SecretLost

SECRET_BYTES = 128 * 1024
_NAME = re.compile(r"[\w.-]{1,128}", re.ASCII)


class SecretsApi:
    def __init__(self, scopes: SecretScopes, clock: Clock) -> None:
        self._scopes, self._clock = scopes, clock

    def routes(self) -> list[Route]:
        return [
            Route("/api/2.0/secrets/scopes/create", self.create_scope, methods=["POST"]),
            Route("/api/2.0/secrets/scopes/list", self.list_scopes, methods=["GET"]),
            Route("/api/2.0/secrets/scopes/delete", self.delete_scope, methods=["POST"]),
            Route("/api/2.0/secrets/put", self.put, methods=["POST"]),
            Route("/api/2.0/secrets/get", self.get, methods=["GET"]),
            Route("/api/2.0/secrets/list", self.list_keys, methods=["GET"]),
            Route("/api/2.0/secrets/delete", self.delete, methods=["POST"]),
        ]

    async def create_scope(self, request: Request) -> JSONResponse:
        body = await _body(request, ("scope", "initial_manage_principal", "scope_backend_type"))
        scope = _name(body.get("scope"), "scope")
        if body.get("scope_backend_type") not in (None, "DATABRICKS"):
            raise invalid("scope_backend_type: this workspace has DATABRICKS only")
        try:
            self._scopes.create(scope)
        except ScopeTaken:
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", f"Scope {scope} already exists!") from None
        except TooManySecrets:
            raise _too_many("secret scopes") from None
        return JSONResponse({})

    async def list_scopes(self, _: Request) -> JSONResponse:
        scopes = [{"name": name, "backend_type": "DATABRICKS"} for name in self._scopes.names()]
        return JSONResponse({"scopes": scopes} if scopes else {})

    async def delete_scope(self, request: Request) -> JSONResponse:
        scope = _name((await _body(request, ("scope",))).get("scope"), "scope")
        try:
            self._scopes.drop(scope)
        except NoSuchScope:
            raise _no_scope(scope) from None
        return JSONResponse({})

    async def put(self, request: Request) -> JSONResponse:
        body = await _body(request, ("scope", "key", "string_value", "bytes_value"))
        scope, key = _name(body.get("scope"), "scope"), _name(body.get("key"), "key")
        value, now_ms = _value(body), int(self._clock().timestamp() * 1000)
        try:
            self._scopes.put(scope, key, value, now_ms=now_ms)
        except NoSuchScope:
            raise _no_scope(scope) from None
        except TooManySecrets:
            raise _too_many("secrets in one scope") from None
        except SecretLost as error:
            raise ApiError(400, "INVALID_STATE", str(error)) from None
        return JSONResponse({})

    async def get(self, request: Request) -> JSONResponse:
        scope, key = (_name(request.query_params.get(name), name) for name in ("scope", "key"))
        try:
            value = self._scopes.get(scope, key)
        except NoSuchScope:
            raise _no_scope(scope) from None
        except SecretLost as error:
            raise ApiError(400, "INVALID_STATE", f"secret {key!r} of the scope {scope!r}: {error}") from None
        if value is None:
            raise _no_secret(scope, key)
        return JSONResponse({"key": key, "value": base64.b64encode(value).decode("ascii")})

    async def list_keys(self, request: Request) -> JSONResponse:
        scope = _name(request.query_params.get("scope"), "scope")
        try:
            keys = self._scopes.keys(scope)
        except NoSuchScope:
            raise _no_scope(scope) from None
        secrets = [{"key": key, "last_updated_timestamp": updated_at} for key, updated_at in keys]
        return JSONResponse({"secrets": secrets} if secrets else {})

    async def delete(self, request: Request) -> JSONResponse:
        body = await _body(request, ("scope", "key"))
        scope, key = _name(body.get("scope"), "scope"), _name(body.get("key"), "key")
        try:
            removed = self._scopes.remove(scope, key)
        except NoSuchScope:
            raise _no_scope(scope) from None
        if not removed:
            raise _no_secret(scope, key)
        return JSONResponse({})


async def _body(request: Request, known: tuple[str, ...]) -> dict[str, Any]:
    """No error names what is in the body: it may be a secret that stands in the wrong place."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise invalid("the request body: expected a JSON object")
    if body.keys() - set(known):
        raise invalid(f"Unknown field; there is {', '.join(known)}")
    return body


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise invalid(f"{what}: expected 1 to 128 letters, digits, dashes, underscores and periods")
    return value


def _value(body: dict[str, Any]) -> bytes:
    text, encoded = body.get("string_value"), body.get("bytes_value")
    if (text is None) == (encoded is None):
        raise invalid("expected exactly one of string_value, bytes_value")
    given = text if encoded is None else encoded
    if not isinstance(given, str):
        raise invalid("string_value, bytes_value: expected a string")
    try:
        value = given.encode("utf-8") if encoded is None else base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("expected UTF-8 text as string_value, or base64 as bytes_value") from None
    if len(value) > SECRET_BYTES:
        raise invalid(f"a secret has at most {SECRET_BYTES} bytes")
    return value


def _no_scope(scope: str) -> ApiError:
    return not_found(f"Scope {scope} does not exist!")


def _no_secret(scope: str, key: str) -> ApiError:
    return not_found(f"Failed to get secret {key} for scope {scope}.")


def _too_many(what: str) -> ApiError:
    return ApiError(400, "RESOURCE_LIMIT_EXCEEDED", f"This workspace holds its limit of {what}")
