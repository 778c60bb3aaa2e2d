"""HTTP to one workspace through the databricks-sdk: connections, retries, time limits, statistics. `pace.py` says when a request
may leave.

The SDK's own retries repeat POSTs whose answer was lost; they are off, and ours stand in their place (`failures.py` says
what is repeated).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NoReturn

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter

from alerting_assets.errors import WorkspaceError, WorkspaceThrottled, WorkspaceUnavailable
from alerting_assets.workspace.failures import Answer, Failed, Hints, Repeat, translate
from alerting_assets.workspace.pace import NoTurn, Pace, Stopped
from alerting_assets.workspace.port import Request
from alerting_assets.workspace.sdk import ApiClient, Clock, Config, DatabricksError

_CONNECTIONS_PER_CLIENT = 10  # what an SDK client keeps at least, over plain http too, where no setting of it helps
_STATISTICS_KEPT = 20_000
_BACKOFF = wait_exponential_jitter(initial=0.25, max=8, jitter=0.25)


_confidential: ContextVar[bool] = ContextVar("confidential", default=False)


def _may_be_logged(_: logging.LogRecord) -> bool:
    return not _confidential.get()


# At level DEBUG the SDK logs bodies, and hides only some of what is secret in them.
logging.getLogger("databricks.sdk").addFilter(_may_be_logged)


class NoRetries(Clock):
    """The SDK sleeps, inside its `except` block, before each of its own retries. To refuse that sleep is to refuse the retry:
    the error comes out at once, unwrapped. `retry_timeout_seconds` alone sleeps first, and does repeat on `Retry-After: 0`."""

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> NoReturn:  # noqa: ARG002
        raise


@dataclass
class _Call:
    """A request with all its repetitions. until: its deadline; first_sent: None before it left; both by time.monotonic().
    secrets: as `Transport.call` has it. failed: its latest failure."""

    method: str
    path: str
    kind: str
    query: dict[str, Any] | None
    body: dict[str, Any] | None = field(repr=False)
    secrets: Collection[str] | None = field(repr=False)
    idempotent: bool
    until: float
    first_sent: float | None = None
    failed: Failed | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def may_repeat(self, error: BaseException) -> bool:
        if not isinstance(error, Failed):
            return False
        return error.repeat is Repeat.ALWAYS or (self.idempotent and error.repeat is Repeat.IF_IDEMPOTENT)


class Transport:
    """Thread-safe; as many requests at a time as there are threads that call.

    deadline_seconds: for one call with all its repetitions and waits. No request leaves after it; one that is under way then
    still has the HTTP time-out of the configuration. connect_deadline_seconds: the same, from when the first request leaves,
    while no connection can be made."""

    def __init__(
        self,
        config: Config,
        hints: Hints,
        *,
        requests_per_minute: int,
        burst: int,
        deadline_seconds: float,
        connect_deadline_seconds: float,
    ) -> None:
        self._config, self._hints = config, hints
        self._deadline, self._connect_deadline = deadline_seconds, connect_deadline_seconds
        self._pace = Pace(requests_per_minute=requests_per_minute, burst=burst)
        self._clients = _Clients(config)
        self._headers = _headers(config)
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=_STATISTICS_KEPT)
        self._reads = self._writes = self._retries = 0

    @property
    def requests(self) -> tuple[Request, ...]:
        """The newest requests, oldest first."""
        with self._lock:
            return tuple(self._requests)

    @property
    def reads(self) -> int:
        return self._reads

    @property
    def writes(self) -> int:
        return self._writes

    @property
    def retries(self) -> int:
        return self._retries

    def stop(self) -> None:
        """For good: no further request leaves, and whoever waits to send one gets WorkspaceUnavailable at once. Requests that
        are under way end as usual."""
        self._pace.stop()

    def call(
        self,
        method: str,
        path: str,
        kind: str,
        *,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        idempotent: bool | None = None,
        secrets: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object of the answer. Raises the WorkspaceError tree.

        idempotent: whether it may be sent again after it may have arrived; None: all but POST.
        secrets: what is secret in the body; none of it gets into an error, and neither body nor answer into the SDK's log. None where
        neither holds any."""
        if idempotent is None:
            idempotent = method != "POST"
        call = _Call(method, path, kind, query, body, secrets, idempotent, until=time.monotonic() + self._deadline)
        retrying = Retrying(
            retry=retry_if_exception(call.may_repeat),
            stop=partial(self._give_up, call),
            wait=self._wait,
            sleep=self._pace.sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, call)
        except Failed as failed:
            raise failed.error from None  # the SDK's own text may hold whole requests, credentials included
        except NoTurn as reason:
            raise self._unsent(call, reason) from None

    def _attempt(self, call: _Call) -> dict[str, Any]:
        self._pace.wait(call.until)
        if call.failed:
            with self._lock:
                self._retries += 1
        sent_at = time.monotonic()
        call.first_sent = call.first_sent or sent_at
        try:
            answer = self._send(call)
        except Failed as failed:
            call.failed = failed
            if failed.retry_after is not None or isinstance(failed.error, WorkspaceThrottled):
                self._pace.throttled(sent_at, failed.retry_after)
            raise
        self._pace.went_through(sent_at)
        return answer

    def _send(self, call: _Call) -> dict[str, Any]:
        exchange = _Exchange(self._config)
        started = time.perf_counter()
        before = _confidential.set(call.secrets is not None)
        try:
            with self._clients.one() as client:
                answer = client.do(
                    call.method, call.path, query=call.query, body=call.body, headers=dict(self._headers), auth=exchange
                )
            if not isinstance(answer, dict):
                raise ValueError("a JSON list")
            return answer
        except (DatabricksError, requests.RequestException, TimeoutError, ValueError, TypeError) as error:
            if isinstance(error, TypeError) and exchange.answer.status is None:
                raise  # a mistake of ours; after an answer it is the SDK's way to say that the JSON is no object
            raise translate(
                error,
                exchange.answer,
                self._hints,
                str(call),
                creates=call.method == "POST",
                secrets=[*filter(None, [self._config.token]), *(call.secrets or ())],
            ) from error
        finally:
            _confidential.reset(before)
            milliseconds = (time.perf_counter() - started) * 1000
            self._record(Request(call.method, call.kind, exchange.answer.status, milliseconds))

    def _record(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)
            if request.is_write:
                self._writes += 1
            else:
                self._reads += 1

    def _wait(self, state: RetryCallState) -> float:
        """A pause is everybody's; what only this call met, it waits for alone, longer each time."""
        failed = state.outcome.exception() if state.outcome else None
        throttled = isinstance(failed, Failed) and isinstance(failed.error, WorkspaceThrottled)
        return max(self._pace.pause_left, 0.0 if throttled else _BACKOFF(state))

    def _give_up(self, call: _Call, state: RetryCallState) -> bool:
        until = call.until
        if call.failed and not call.failed.connected and call.first_sent is not None:
            until = min(until, call.first_sent + self._connect_deadline)
        return time.monotonic() + state.upcoming_sleep > until

    def _unsent(self, call: _Call, reason: NoTurn) -> WorkspaceError:
        """For a call that may not be sent, or not again: then what it met before says whether it may have been carried out."""
        place = f"{call} at {self._hints.host}"
        if isinstance(reason, Stopped):
            met = f"; before that: {call.failed.error}" if call.failed else ""
            return WorkspaceUnavailable(f"{reason}: {place} was not sent{' again' if met else ''}{met}")
        if call.failed:
            return call.failed.error
        return WorkspaceThrottled(f"{place} was not sent within {self._deadline:.0f} s: {reason}")


class _Clients:
    """SDK clients over one configuration, as many as the requests at a time need."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._free: deque[ApiClient] = deque()
        """Each as often as it has connections that nobody uses; the one that came back last goes first, its connection is warm."""
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[ApiClient]:
        with self._lock:
            if not self._free:
                self._free.extend([ApiClient(self._config)] * _CONNECTIONS_PER_CLIENT)
            client = self._free.pop()
        try:
            yield client
        finally:
            with self._lock:
                self._free.append(client)


class _Exchange:
    """Handed to the SDK as the authentication of one request, which is the public place to see its answer."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.answer = Answer(status=None, retry_after=None, authenticated=False)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._config.authenticate())
        request.register_hook("response", self._see)
        self.answer = Answer(status=None, retry_after=None, authenticated=True)
        return request

    def _see(self, response: requests.Response, **_: Any) -> None:
        retry_after = _seconds(response.headers.get("Retry-After", ""))
        self.answer = Answer(status=response.status_code, retry_after=retry_after, authenticated=True)


def _headers(config: Config) -> dict[str, str]:
    """Newer SDKs know the workspace's id, which hosts of several workspaces ask for; their services send it, their `do` does not."""
    workspace_id = getattr(config, "workspace_id", None)
    return {"Accept": "application/json"} | ({"X-Databricks-Workspace-Id": workspace_id} if workspace_id else {})


def _seconds(retry_after: str) -> float | None:
    """A number of seconds, or a date, as HTTP has it. None for anything else."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
