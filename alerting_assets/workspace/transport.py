"""HTTP to one workspace through the databricks-sdk: rate limit, pauses, retries, time limits, statistics.

The SDK's own retries repeat POSTs whose answer was lost; they are off, and ours stand in their place (`failures.py` says
what is repeated).
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

import requests
from databricks.sdk.clock import Clock
from databricks.sdk.errors.base import DatabricksError
from pyrate_limiter import Duration, Limiter, Rate, SingleBucketFactory, StateBucket, TokenBucket
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter

from alerting_assets.errors import WorkspaceThrottled
from alerting_assets.workspace.failures import Answer, Failed, Hints, Repeat, translate
from alerting_assets.workspace.port import Request

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_PLAIN_HTTP_CONNECTIONS = 10  # the SDK sizes its connection pool for https only; http keeps requests' default
_STATISTICS_KEPT = 20_000
_BACKOFF = wait_exponential_jitter(initial=0.25, max=8, jitter=0.25)


class NoRetries(Clock):
    """The SDK sleeps, inside its `except` block, before each of its own retries. To refuse that sleep is to refuse the retry:
    the error comes out at once, unwrapped. `retry_timeout_seconds` alone sleeps first, and does repeat on `Retry-After: 0`."""

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> NoReturn:  # noqa: ARG002
        raise


class Transport:
    """Thread-safe. deadline_seconds: for one call with all its repetitions, from when its first request may be sent;
    connect_deadline_seconds: the same while no connection can be made."""

    def __init__(
        self,
        client: WorkspaceClient,
        hints: Hints,
        *,
        requests_per_minute: int,
        burst: int,
        deadline_seconds: float,
        connect_deadline_seconds: float,
    ) -> None:
        self._client, self._hints = client, hints
        self._deadline, self._connect_deadline = deadline_seconds, connect_deadline_seconds
        bucket = StateBucket([Rate(requests_per_minute, Duration.MINUTE, burst=burst)], TokenBucket())
        # A token bucket has no log to trim, so it needs no thread that does.
        self._tokens = Limiter(SingleBucketFactory(bucket, schedule_leak=False), buffer_ms=1)
        https = str(client.config.host).startswith("https://")
        self._connections = nullcontext() if https else threading.BoundedSemaphore(_PLAIN_HTTP_CONNECTIONS)
        self._lock = threading.Lock()
        self._paused_until = 0.0
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

    def call(
        self,
        method: str,
        path: str,
        kind: str,
        *,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        idempotent: bool | None = None,
    ) -> dict[str, Any]:
        """The JSON object of the answer. Raises the WorkspaceError tree.

        idempotent: whether it may be sent again after it may have arrived; None: all but POST."""
        if idempotent is None:
            idempotent = method != "POST"
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Failed) and _may_repeat(error, idempotent)),
            stop=self._give_up,
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        self._wait_for_turn()
        try:
            return retrying(self._send, method, path, kind, query, body)
        except Failed as failed:
            raise failed.error from None  # the SDK's own text may hold whole requests, credentials included

    def _send(
        self, method: str, path: str, kind: str, query: dict[str, Any] | None, body: dict[str, Any] | None
    ) -> dict[str, Any]:
        exchange = _Exchange(self._client)
        started = time.perf_counter()
        try:
            with self._connections:
                started = time.perf_counter()  # the wait for a connection of ours says nothing about the workspace
                answer = self._client.api_client.do(
                    method, path, query=query, body=body, headers={"Accept": "application/json"}, auth=exchange
                )
            if not isinstance(answer, dict):
                raise ValueError("a JSON list")
            return answer
        except (DatabricksError, requests.RequestException, TimeoutError, ValueError, TypeError) as error:
            if isinstance(error, TypeError) and exchange.answer.status is None:
                raise  # a mistake of ours; after an answer it is the SDK's way to say that the JSON is no object
            failed = translate(
                error,
                exchange.answer,
                self._hints,
                f"{method} {path}",
                creates=method == "POST",
                token=self._client.config.token,
            )
            self._pause(failed.retry_after)
            raise failed from error
        finally:
            self._record(Request(method, kind, exchange.answer.status, (time.perf_counter() - started) * 1000))

    def _record(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)
            if request.is_write:
                self._writes += 1
            else:
                self._reads += 1

    def _pause(self, seconds: float | None) -> None:
        if seconds is not None:
            with self._lock:
                self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def _wait_for_turn(self) -> None:
        """The pause that any thread was told to make, then a token."""
        while (left := self._paused_until - time.monotonic()) > 0:
            if left > self._deadline:
                raise WorkspaceThrottled(
                    f"{self._hints.host} asks for a pause of {left:.0f} s, longer than the deadline of {self._deadline:.0f} s"
                )
            time.sleep(left + random.uniform(0, 0.1))
        self._tokens.try_acquire()

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)
        self._wait_for_turn()
        with self._lock:
            self._retries += 1

    def _give_up(self, state: RetryCallState) -> bool:
        failed = state.outcome.exception() if state.outcome else None
        connected = not isinstance(failed, Failed) or failed.connected
        limit = self._deadline if connected else self._connect_deadline
        return (state.seconds_since_start or 0.0) + state.upcoming_sleep > limit


class _Exchange:
    """Handed to the SDK as the authentication of one request, which is the public place to see its answer."""

    def __init__(self, client: WorkspaceClient) -> None:
        self._client = client
        self.answer = Answer(status=None, retry_after=None, authenticated=False)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._client.config.authenticate())
        request.register_hook("response", self._see)
        self.answer = Answer(status=None, retry_after=None, authenticated=True)
        return request

    def _see(self, response: requests.Response, **_: Any) -> None:
        retry_after = response.headers.get("Retry-After", "")
        seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
        self.answer = Answer(status=response.status_code, retry_after=seconds, authenticated=True)


def _may_repeat(failed: Failed, idempotent: bool) -> bool:
    return failed.repeat is Repeat.ALWAYS or (idempotent and failed.repeat is Repeat.IF_IDEMPOTENT)


def _wait(state: RetryCallState) -> float:
    """As long as the server asks for, and longer when it asks again and again."""
    failed = state.outcome.exception() if state.outcome else None
    asked = failed.retry_after if isinstance(failed, Failed) else None
    return max(asked or 0.0, _BACKOFF(state))
