"""Connections, rate limit, pauses, deadlines and the end, against real servers. What is repeated at all: test_client.py."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from threading import Barrier, Event
from typing import Any

import pytest
from databricks.sdk.core import Config

from alerting_assets.errors import WorkspaceError, WorkspaceThrottled, WorkspaceUnavailable
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.client import DatabricksWorkspace, connect
from alerting_assets.workspace.failures import Hints
from alerting_assets.workspace.transport import NoRetries, Transport
from alerting_assets_tests.workspace.bare_server import Answer, bare_server, ok
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import TOKEN, Server

pytestmark = pytest.mark.integration

ALERTS = "/api/2.0/alerts"
OPEN = {"requests_per_minute": 100_000, "burst": 10_000}
THROTTLED: Answer = (429, {}, '{"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}')


def transport(address: str, *, deadline_seconds: float = 20.0, http_seconds: float = 10.0, **limits: int) -> Transport:
    return Transport(
        Config(
            host=address,
            token=TOKEN,
            auth_type="pat",
            clock=NoRetries(),
            retry_timeout_seconds=1,
            http_timeout_seconds=http_seconds,
        ),
        Hints("the test's server", away="is it up?", denied="check the token"),
        deadline_seconds=deadline_seconds,
        connect_deadline_seconds=1.0,
        **{**OPEN, **limits},
    )


def listing(sender: Transport) -> dict[str, Any]:
    return sender.call("GET", ALERTS, ALERTS)


def together(work: Callable[[int], Any], threads: int, times: int | None = None) -> list[Any]:
    """Results and WorkspaceErrors, in order."""

    def one(number: int) -> Any:
        try:
            return work(number)
        except WorkspaceError as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(times or threads)))


class Watch:
    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


def until(condition: Callable[[], bool]) -> None:
    watch = Watch()
    while not condition():
        assert watch.seconds < 10
        time.sleep(0.005)


def test_32_threads_are_32_requests_at_a_time(settings: Settings, server: Server) -> None:
    server.fault("latency", "POST", latency_ms=500)
    workspace = open_workspace(settings)
    watch = Watch()
    together(lambda number: workspace.create_alert(alert_body(display_name=f"Alert {number}")), 32, 64)
    assert 1.0 <= watch.seconds < 3.2  # two rounds; ten at a time were seven
    assert len(server.alerts()) == 64


def test_connections_are_kept_and_used_again(caplog: pytest.LogCaptureFixture) -> None:
    def slow(*_: str) -> Answer:
        time.sleep(0.02)
        return ok({"alerts": []})

    with bare_server(slow) as bare, caplog.at_level(logging.WARNING, "urllib3"):
        sender = transport(bare.address)
        before = bare.connections  # newer SDKs look something up first
        assert together(lambda _: listing(sender), 32, 320) == [{"alerts": []}] * 320
        busy = bare.connections - before
        assert 10 < busy <= 32
        for _ in range(20):
            listing(sender)
        assert bare.connections - before == busy
    assert not [record for record in caplog.records if "pool is full" in record.getMessage()]


def test_after_a_burst_requests_leave_at_the_rate() -> None:
    with bare_server(lambda *_: ok({})) as bare:
        sender = transport(bare.address, requests_per_minute=120, burst=10)
        watch = Watch()
        together(lambda _: listing(sender), 10)
        assert watch.seconds < 2.5  # at the rate it were five
        together(lambda _: listing(sender), 5)
        assert 1.9 <= watch.seconds < 6  # 5 at two a second; a token came back meanwhile


def test_a_call_that_gets_no_token_before_its_deadline_ends_there_unsent() -> None:
    with bare_server(lambda *_: ok({})) as bare:
        sender = transport(bare.address, requests_per_minute=60, burst=1, deadline_seconds=1.5)
        watch = Watch()
        answers = together(lambda _: listing(sender), 6)
        assert watch.seconds < 4  # the last one's token were there after five
        refused = [answer for answer in answers if isinstance(answer, WorkspaceThrottled)]
        assert (len(refused), bare.seen.count(f"GET {ALERTS}")) == (4, 2)
        assert all("raise ALERTING_REQUESTS_PER_MINUTE" in str(error) for error in refused)


def test_a_low_rate_is_no_reason_to_fail(settings: Settings) -> None:
    slow = replace(settings, requests_per_minute=600, request_burst=1, max_concurrency=16)
    workspace = connect(slow, deadline_seconds=0.5)
    assert together(lambda _: workspace.list_alerts(), 16) == [[]] * 16


def test_a_throttled_call_without_retry_after_waits_longer_each_time() -> None:
    times: list[float] = []

    def throttle(*_: str) -> Answer:
        times.append(time.monotonic())
        return THROTTLED if len(times) <= 3 else ok({})

    with bare_server(throttle) as bare:
        listing(transport(bare.address))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert [gap >= least for gap, least in zip(gaps, (0.25, 0.5, 1.0), strict=True)] == [True] * 3
    assert sum(gaps) < 10


def test_what_one_thread_is_told_all_wait_for() -> None:
    arrived: list[tuple[str, float]] = []

    def throttle_the_first(_: str, path: str) -> Answer:
        arrived.append((path, time.monotonic()))
        return THROTTLED if len(arrived) == 1 else ok({"id": "1"})

    with bare_server(throttle_the_first) as bare, ThreadPoolExecutor(1) as pool:
        sender = transport(bare.address)
        told = pool.submit(listing, sender)
        until(lambda: sender.requests != ())
        time.sleep(0.02)  # between the answer and the pause
        sender.call("GET", f"{ALERTS}/1", ALERTS)
        told.result()
    assert all(later - arrived[0][1] >= 0.25 for _, later in arrived[1:])
    assert len(arrived) == 3


def test_requests_that_are_throttled_together_count_once() -> None:
    barrier, first = Barrier(8), iter(range(8))

    def throttle_eight(*_: str) -> Answer:
        if next(first, None) is None:
            return ok({})
        barrier.wait(10)
        return THROTTLED

    with bare_server(throttle_eight) as bare:
        sender = transport(bare.address)
        watch = Watch()
        assert together(lambda _: listing(sender), 8) == [{}] * 8
        assert 0.25 <= watch.seconds < 10  # eight steps would be half a minute
        assert sender.retries == 8


def test_a_request_that_goes_through_ends_the_growth_of_pauses() -> None:
    answers = iter([THROTTLED, THROTTLED, THROTTLED, ok({}), THROTTLED, ok({})])
    with bare_server(lambda *_: next(answers)) as bare:
        sender = transport(bare.address)
        listing(sender)
        watch = Watch()
        listing(sender)
        assert 0.25 <= watch.seconds < 1.9  # the fourth in a row would wait two seconds at least


@pytest.mark.parametrize(
    ("retry_after", "least"),
    [
        (lambda: "1", 1.0),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True), 0.9),
        (lambda: "soon", 0.25),
        (lambda: "-5", 0.25),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(status: int, retry_after: Callable[[], str], least: float) -> None:
    answers = iter([(status, {"Retry-After": retry_after()}, "{}"), ok({})])
    with bare_server(lambda *_: next(answers)) as bare:
        sender = transport(bare.address)
        watch = Watch()
        listing(sender)
        assert least <= watch.seconds < 8


@pytest.mark.parametrize(
    ("answer", "error"),
    [(THROTTLED, WorkspaceThrottled), ((503, {}, "{}"), WorkspaceUnavailable), (None, WorkspaceUnavailable)],
)
def test_repetitions_end_at_the_deadline_with_what_the_workspace_said(
    answer: Answer | None, error: type[WorkspaceError]
) -> None:
    with bare_server(lambda *_: answer) as bare:
        sender = transport(bare.address, deadline_seconds=1.0)
        watch = Watch()
        with pytest.raises(error, match=r"HTTP|connection ended"):
            listing(sender)
        assert watch.seconds < 8
        assert sender.retries >= 1


def test_a_server_that_never_answers_is_given_up() -> None:
    over = Event()
    with bare_server(lambda *_: over.wait(20) and None) as bare:
        sender = transport(bare.address, deadline_seconds=1.0, http_seconds=0.6)
        watch = Watch()
        with pytest.raises(WorkspaceUnavailable, match="ended before an answer"):
            listing(sender)
        over.set()
        assert watch.seconds < 10


def test_a_change_whose_answer_was_lost_is_never_called_unsent() -> None:
    """WorkspaceThrottled would say that it was not carried out."""
    with bare_server(lambda *_: None) as bare:
        sender = transport(bare.address, requests_per_minute=1, burst=1, deadline_seconds=2.0)
        with pytest.raises(WorkspaceUnavailable, match="connection ended before an answer"):
            sender.call("PATCH", f"{ALERTS}/1", ALERTS)
        assert len([request for request in bare.seen if "alerts" in request]) == 1


WAITS: dict[str, tuple[dict[str, int], list[Answer]]] = {
    "for a token": ({"requests_per_minute": 4, "burst": 1}, [ok({})]),
    "for a pause that was asked for": ({}, [(429, {"Retry-After": "15"}, "{}")]),
    "to repeat": ({}, [(500, {}, "{}")] * 1_000),
}


@pytest.mark.parametrize("waits", WAITS)
def test_stop_ends_every_wait_at_once_and_nothing_more_is_sent(waits: str) -> None:
    limits, prepared = WAITS[waits]
    answers = iter(prepared)
    with bare_server(lambda *_: next(answers)) as bare, ThreadPoolExecutor(8) as pool:
        sender = transport(bare.address, **limits)
        if waits == "for a token":
            listing(sender)
        calls: list[Future[Any]] = [pool.submit(listing, sender) for _ in range(1 if "pause" in waits else 8)]
        until(lambda: sender.requests != ())
        if "pause" in waits:
            calls += [pool.submit(listing, sender) for _ in range(7)]
        time.sleep(1.0 if waits == "to repeat" else 0.2)
        assert not any(call.done() for call in calls)
        watch = Watch()
        sender.stop()
        errors = [call.exception(5) for call in calls]
        assert watch.seconds < 5
        sent = len(bare.seen)
        assert {type(error) for error in errors} == {WorkspaceUnavailable}
        assert all(str(error).startswith("stopped: GET /api/2.0/alerts at the test's server") for error in errors)
        with pytest.raises(WorkspaceUnavailable, match="stopped"):
            listing(sender)
        assert len(bare.seen) == sent


def test_what_is_under_way_when_the_workspace_is_stopped_ends_as_usual(
    workspace: DatabricksWorkspace, server: Server
) -> None:
    server.fault("latency", "POST", latency_ms=500)
    with ThreadPoolExecutor(1) as pool:
        created = pool.submit(workspace.create_alert, alert_body())
        until(lambda: server.json("GET", "/api/local/faults")["faults"][0]["applied"] == 1)
        workspace.stop()
        assert created.result().id == server.alerts()[0]["id"]
    with pytest.raises(WorkspaceUnavailable, match="stopped"):
        workspace.list_alerts()


INTERRUPTED = """
import signal, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from alerting_assets.errors import WorkspaceUnavailable
from alerting_assets.settings import Settings
from alerting_assets.workspace import open_workspace

signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells have it ignored
workspace = open_workspace(Settings(home=Path(sys.argv[1])))
pool = ThreadPoolExecutor(8)
calls = [pool.submit(workspace.list_alerts) for _ in range(8)]
while not workspace.requests:
    time.sleep(0.01)
try:
    print("waiting", flush=True)
    calls[0].result()
except KeyboardInterrupt:
    workspace.stop()
    pool.shutdown()
    print({type(call.exception()) for call in calls} == {WorkspaceUnavailable}, flush=True)
"""


def test_ctrl_c_during_a_long_pause_does_not_keep_the_process(server: Server) -> None:
    server.fault("throttle", retry_after=50)
    command = [sys.executable, "-c", INTERRUPTED, str(server.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        watch = Watch()
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "True\n"
        assert process.wait(20) == 0
        assert watch.seconds < 5
