"""What every request passes: the Host check, the token, faults, the journal."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import time
from collections import deque
from contextvars import ContextVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerting_assets.workspace.local.api_error import ApiError
from alerting_assets.workspace.local.faults import Fault, Faults, Rule
from alerting_assets.workspace.local.journal import Journal
from alerting_assets.workspace.local.rules import Clock, timestamp

API = "/api/"
CONTROL = ("/api/local/faults", "/api/local/journal")
"""Paths that no fault hits and that never stand in the journal: they are how both are looked at and ended."""

connection: ContextVar[asyncio.Transport] = ContextVar("connection")
"""The TCP connection of the request at hand; set by the server's HTTP protocol."""


class Gate:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, *, token: str, faults: Faults, journal: Journal, clock: Clock) -> None:
        self._app, self._token = app, token
        self._faults, self._journal, self._clock = faults, journal, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not is_loopback_name(headers.get("host", "")):
            # A page of another site, whose name was made to point here (DNS rebinding), sends its own name.
            await PlainTextResponse("Use http://127.0.0.1 or http://localhost.\n", 403)(scope, receive, send)
            return
        if not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        await self._api(scope, receive, send, headers)

    async def _api(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        arrived, started = timestamp(self._clock()), time.perf_counter()
        method, path = scope["method"], scope["path"]
        controls = path.startswith(CONTROL)
        refused = self._refusal(headers)
        hits = {} if refused or controls else self._faults.hitting(method, path)
        answer = _Answer()
        if Fault.LATENCY in hits:
            waiting = _Waiting(receive)
            if not await waiting.lasts(hits[Fault.LATENCY].latency_ms):
                return
            receive = waiting.receive
        if Fault.STALE_LIST in hits:
            scope["alerting.stale_writes"] = hits[Fault.STALE_LIST].writes
        if refused:
            await refused.response()(scope, receive, answer.collect)
        elif Fault.THROTTLE in hits:
            await _throttled(hits[Fault.THROTTLE], scope, receive, answer)
        elif Fault.ERROR in hits:
            await _broken(hits[Fault.ERROR], scope, receive, answer)
        else:
            await self._app(scope, receive, answer.collect)
        lost = Fault.LOSE_RESPONSE in hits
        if not controls:
            # Before the answer leaves, so that whoever has the answer finds the entry.
            self._journal.add(
                time=arrived,
                method=method,
                path=path,
                query=scope["query_string"].decode("ascii", "replace"),
                status=None if lost else answer.status,
                duration_ms=(time.perf_counter() - started) * 1000,
                fault=",".join(hits) or None,
                alert_id=answer.alert_id(path),
            )
        self._faults.worked(hits)
        if Fault.HANG in hits and not await _Waiting(receive).lasts(hits[Fault.HANG].latency_ms):
            return
        if lost:
            connection.get().abort()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        for message in answer.messages:
            await send(message)

    def _refusal(self, headers: Headers) -> ApiError | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return ApiError(
                401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API."
            )
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return ApiError(403, "PERMISSION_DENIED", "Invalid access token.")
        return None


class _Waiting:
    """Holds up a request. What arrives of it meanwhile is kept for the application."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._arrived: deque[Message] = deque()

    async def lasts(self, milliseconds: int) -> bool:
        """False, at once, when the client goes."""
        try:
            await asyncio.wait_for(self._until_disconnected(), milliseconds / 1000)
        except TimeoutError:
            return True
        return False

    async def receive(self) -> Message:
        return self._arrived.popleft() if self._arrived else await self._receive()

    async def _until_disconnected(self) -> None:
        while (message := await self._receive())["type"] != "http.disconnect":
            self._arrived.append(message)


class _Answer:
    """Holds back a whole response until it is complete; none of ours is large."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def collect(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 500

    def alert_id(self, path: str) -> str | None:
        """The alert's id, from the path or from the answer to a creation."""
        parts = path.split("/")
        if len(parts) > 4 and parts[3] == "alerts":
            return parts[4]
        if not path.endswith("/alerts") or self.status != 200:
            return None
        found = json.loads(b"".join(message.get("body", b"") for message in self.messages)).get("id")
        return str(found) if found else None


async def _throttled(rule: Rule, scope: Scope, receive: Receive, answer: _Answer) -> None:
    response = ApiError(429, "REQUEST_LIMIT_EXCEEDED", "Too many requests (a fault on request).").response()
    response.headers["Retry-After"] = str(rule.retry_after)
    await response(scope, receive, answer.collect)


async def _broken(rule: Rule, scope: Scope, receive: Receive, answer: _Answer) -> None:
    error = ApiError(rule.status, "INTERNAL_ERROR", "Something went wrong (a fault on request).")
    await error.response()(scope, receive, answer.collect)


def is_loopback_name(host: str) -> bool:
    """Whether the name means this machine. host: as in a Host header, with or without a port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
