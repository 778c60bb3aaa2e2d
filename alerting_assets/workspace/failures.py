"""Every way a request to a workspace can fail, translated to our errors, with what may be repeated.

| what came back                                   | error                | repeated                         |
|--------------------------------------------------|----------------------|----------------------------------|
| no connection                                    | WorkspaceUnavailable | always: nothing was sent         |
| connection lost, time-out                        | WorkspaceUnavailable | if idempotent                    |
| 408, 5xx                                         | WorkspaceUnavailable | if idempotent                    |
| 429                                              | WorkspaceThrottled   | always: it was not carried out   |
| 401, 403, failed authentication                  | WorkspaceDenied      | never                            |
| 404                                              | WorkspaceNotFound    | never                            |
| 409, RESOURCE_ALREADY_EXISTS with any status     | WorkspaceConflict    | never                            |
| other 4xx, 501                                   | WorkspaceRejected    | never                            |
| an answer that is not JSON                       | WorkspaceUnavailable | never                            |
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

import requests
from urllib3.exceptions import NewConnectionError

from alerting_assets.errors import (
    WorkspaceConflict,
    WorkspaceDenied,
    WorkspaceError,
    WorkspaceForbidden,
    WorkspaceNotFound,
    WorkspaceRejected,
    WorkspaceThrottled,
    WorkspaceUnavailable,
)
from alerting_assets.workspace.redaction import without_secrets
from alerting_assets.workspace.sdk import DatabricksError, PermissionDenied

_ALREADY_EXISTS = frozenset({"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"})
_UNREADABLE = "unable to parse response"  # the SDK then appends the whole exchange, headers included
_SDK_APPENDIX = ". Config: "  # the SDK appends its configuration to 401 and 403


class Repeat(Enum):
    NEVER = "never"
    IF_IDEMPOTENT = "if idempotent"
    ALWAYS = "always"


@dataclass(frozen=True)
class Hints:
    """Words for messages.

    host: how the workspace is called.
    away, denied: what a person can do when the workspace does not answer, and when it refuses the sign-in; whole sentences."""

    host: str
    away: str
    denied: str


@dataclass(frozen=True)
class Answer:
    """What the transport saw of one exchange. status: the HTTP status, or None where no answer came. authenticated: whether the
    request had its credentials."""

    status: int | None
    retry_after: float | None
    authenticated: bool


class Failed(Exception):
    """One failed attempt. `connected` is False when no byte of the request can have left this machine."""

    def __init__(
        self, error: WorkspaceError, repeat: Repeat, *, retry_after: float | None = None, connected: bool = True
    ) -> None:
        self.error, self.repeat, self.retry_after, self.connected = error, repeat, retry_after, connected
        super().__init__(str(error))


def translate(
    error: Exception, answer: Answer, hints: Hints, request: str, *, creates: bool, secrets: Collection[str] = ()
) -> Failed:
    """The failed attempt as one of our errors, and whether it may be repeated.

    error: what the SDK raised.
    request: `METHOD path`, for the message.
    creates: whether it is a request that must not arrive twice.
    secrets: what the message must not hold, even if the workspace says it."""
    if isinstance(error, TimeoutError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # the SDK hides the cause when its own retries run out
    place = f"{request} at {hints.host}"
    text = _text(error, answer.status, secrets)
    if not answer.authenticated:
        return _unauthenticated(error, hints, place, text)
    if isinstance(error, DatabricksError):
        return _answered(error, answer, hints, f"{place}: {text}", unknown=f"; {_unknown(request)}" if creates else "")
    unknown = f"; {_unknown(request)}" if creates else ""
    if answer.status is not None:
        message = (
            f"{place}: the answer (HTTP {answer.status}) is not what a Databricks workspace sends: {text}{unknown}"
        )
        return Failed(WorkspaceUnavailable(message), Repeat.NEVER)
    if _never_sent(error):
        return Failed(WorkspaceUnavailable(f"{place}: no connection; {hints.away}"), Repeat.ALWAYS, connected=False)
    message = f"{place}: the connection ended before an answer ({type(error).__name__}){unknown}; {hints.away}"
    return Failed(WorkspaceUnavailable(message), Repeat.IF_IDEMPOTENT)


def _answered(error: DatabricksError, answer: Answer, hints: Hints, message: str, *, unknown: str) -> Failed:
    status, code = answer.status or 0, error.error_code
    if status == 429:
        return Failed(
            WorkspaceThrottled(f"{message} (HTTP 429); lower ALERTING_REQUESTS_PER_MINUTE", error_code=code),
            Repeat.ALWAYS,
            retry_after=answer.retry_after,
        )
    if status in (401, 403) or (
        isinstance(error, PermissionDenied) and status < 400
    ):  # a private-link redirect comes as 2xx
        kind = WorkspaceForbidden if status == 403 else WorkspaceDenied
        return Failed(kind(f"{message}; {hints.denied}", error_code=code), Repeat.NEVER)
    if status == 409 or code in _ALREADY_EXISTS:
        return Failed(WorkspaceConflict(message, error_code=code), Repeat.NEVER)
    if status == 404:
        return Failed(WorkspaceNotFound(message, error_code=code), Repeat.NEVER)
    if status == 408 or (status >= 500 and status != 501):
        unavailable = WorkspaceUnavailable(f"{message} (HTTP {status}){unknown}; {hints.away}", error_code=code)
        return Failed(unavailable, Repeat.IF_IDEMPOTENT, retry_after=answer.retry_after)
    return Failed(WorkspaceRejected(f"{message} (HTTP {status})", error_code=code), Repeat.NEVER)


def _unauthenticated(error: Exception, hints: Hints, place: str, text: str) -> Failed:
    """The SDK could not get credentials for the request (an OAuth token, say): nothing was sent to the workspace itself."""
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        message = f"{place}: no connection to sign in ({type(error).__name__}); {hints.away}"
        return Failed(WorkspaceUnavailable(message), Repeat.ALWAYS, connected=False)
    return Failed(WorkspaceDenied(f"{place}: cannot sign in: {text}; {hints.denied}"), Repeat.NEVER)


def _text(error: Exception, status: int | None, secrets: Collection[str]) -> str:
    code = getattr(error, "error_code", None)
    text = str(error).partition(_SDK_APPENDIX)[0]
    if _UNREADABLE in text:
        text = f"HTTP {status} with an answer that cannot be read"
    text = without_secrets(text, secrets)
    return f"{code}: {text}" if code else text


def _unknown(request: str) -> str:
    if "/sql/statements" in request:
        return "it is unknown whether the statement ran"
    what = "notification destination" if "/notification-destinations" in request else "alert"
    return f"it is unknown whether the {what} was created"


def _never_sent(error: Exception) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)
