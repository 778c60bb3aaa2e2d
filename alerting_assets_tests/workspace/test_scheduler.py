"""Evaluations on the alerts' own schedules, whom they notify, and who is told of them."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets.workspace.local.store import Evaluation, Store
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import TOKEN, Server, sqlite_runner

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 1, 7, 59, 30, tzinfo=UTC)
AT_EIGHT = "0 0 8 * * ?"
DEADLINE_SECONDS = 20.0


class Clock:
    """A clock that shows what the test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)


class Figure:
    """A query runner whose one figure the test sets; None fails. It counts how often it was asked."""

    def __init__(self) -> None:
        self.value: float | None = 120.5
        self.asked = 0

    def __call__(self, _: str) -> pa.Table:
        self.asked += 1
        if self.value is None:
            raise ValueError("the warehouse is on fire")
        return pa.table({"cost": [self.value]})


def wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not met():
        assert time.monotonic() < deadline, f"not so within {DEADLINE_SECONDS:.0f} s"
        time.sleep(0.05)


@contextmanager
def served(
    root: Path, clock: Clock, runner: Callable[[str], pa.Table] = sqlite_runner, **options: Any
) -> Iterator[Server]:
    with LocalWorkspaceServer(root / "workspace", runner, port=None, token=TOKEN, clock=clock, **options) as running:
        yield Server(running, root)


def evaluations(server: Server, alert: dict[str, Any]) -> list[dict[str, Any]]:
    """The oldest first."""
    found: list[dict[str, Any]] = server.json("GET", f"/api/local/alerts/{alert['id']}/evaluations")["evaluations"]
    return found[::-1]


def evaluate(server: Server, alert: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = server.json("POST", f"/api/local/alerts/{alert['id']}/evaluate")
    return found


def some_looks(server: Server, clock: Clock, witness: dict[str, Any]) -> None:
    """Wait until the scheduler has looked at the time that it is now, and evaluated everything that is due: an alert that fires at
    every second was evaluated twice more."""
    for _ in range(2):
        before = len(evaluations(server, witness))
        clock.forward(seconds=1)
        wait_until(lambda count=before: len(evaluations(server, witness)) > count)  # type: ignore[misc]


def test_alerts_are_evaluated_when_their_schedules_fire(tmp_path: Path) -> None:
    clock = Clock()
    with served(tmp_path, clock, evaluates=True) as server:
        alert = server.create(schedule__quartz_cron_schedule=AT_EIGHT)
        in_berlin = server.create(
            schedule__quartz_cron_schedule="0 0 9 * * ?", schedule__timezone_id="Europe/Berlin"
        )  # the same moment
        later = server.create(schedule__quartz_cron_schedule="0 30 8 * * ?")
        clock.forward(seconds=31)
        wait_until(lambda: bool(evaluations(server, alert) and evaluations(server, in_berlin)))
        (found,) = evaluations(server, alert)
        assert (found["state"], found["evaluated_at"]) == ("TRIGGERED", "2026-11-01T08:00:01.000Z")
        assert evaluations(server, later) == []
        assert server.json("GET", f"/api/2.0/alerts/{alert['id']}")["evaluation"]["state"] == "TRIGGERED"
        clock.forward(minutes=30)
        wait_until(lambda: bool(evaluations(server, later)))
        clock.forward(days=3)  # as a computer that slept: three fire times, one evaluation
        wait_until(lambda: len(evaluations(server, alert)) == 2)
        wait_until(lambda: len(evaluations(server, later)) == 2)
        assert len(evaluations(server, alert)) == 2


def test_what_is_paused_trashed_or_fired_before_is_not_evaluated(tmp_path: Path) -> None:
    clock = Clock()
    with served(tmp_path, clock) as server:
        old = server.create(schedule__quartz_cron_schedule=AT_EIGHT)
        clock.forward(minutes=1)
    with served(tmp_path, clock, evaluates=True) as server:
        every_second = server.create(schedule__quartz_cron_schedule="* * * * * ?")
        paused = server.create(schedule__pause_status="PAUSED", schedule__quartz_cron_schedule="* * * * * ?")
        trashed = server.create(schedule__quartz_cron_schedule="* * * * * ?")
        server.json("DELETE", f"/api/2.0/alerts/{trashed['id']}")
        some_looks(server, clock, every_second)
        assert [evaluations(server, alert) for alert in (old, paused, trashed)] == [[], [], []]
        resumed = {"schedule": {"pause_status": "UNPAUSED"}}
        server.json(
            "PATCH", f"/api/2.0/alerts/{paused['id']}", params={"update_mask": "schedule.pause_status"}, json=resumed
        )
        clock.forward(seconds=1)
        wait_until(lambda: bool(evaluations(server, paused)))


def test_an_update_begins_the_wait_anew(tmp_path: Path) -> None:
    """A schedule that is moved to a time which has passed fires tomorrow."""
    clock = Clock()
    with served(tmp_path, clock, evaluates=True) as server:
        every_second = server.create(schedule__quartz_cron_schedule="* * * * * ?")
        alert = server.create(schedule__quartz_cron_schedule="0 0 12 * * ?")
        clock.forward(hours=1)
        moved = {"schedule": {"quartz_cron_schedule": AT_EIGHT}}
        path = f"/api/2.0/alerts/{alert['id']}"
        server.json("PATCH", path, params={"update_mask": "schedule.quartz_cron_schedule"}, json=moved)
        some_looks(server, clock, every_second)
        assert evaluations(server, alert) == []
        clock.forward(days=1)
        wait_until(lambda: len(evaluations(server, alert)) == 1)


def test_without_being_told_to_nothing_is_evaluated(tmp_path: Path) -> None:
    clock, figure = Clock(), Figure()
    with served(tmp_path, clock, figure) as server:
        server.create(schedule__quartz_cron_schedule="* * * * * ?")
        clock.forward(hours=1)
        time.sleep(1.5)  # longer than a scheduler waits between two looks
        assert figure.asked == 0


def test_neither_a_failing_alert_nor_a_failing_listener_ends_the_schedule(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, figure = Clock(), Figure()
    figure.value = None

    def refuse(_: Sequence[Evaluation]) -> None:
        raise RuntimeError("the listener has gone")

    with served(tmp_path, clock, figure, evaluates=True, on_evaluated=refuse) as server:
        alert = server.create(schedule__quartz_cron_schedule="* * * * * ?")
        clock.forward(seconds=1)
        wait_until(lambda: len(evaluations(server, alert)) == 1)
        figure.value = 120.5
        clock.forward(seconds=1)
        wait_until(lambda: len(evaluations(server, alert)) == 2)
        first, second = evaluations(server, alert)
    assert (first["state"], first["error"], first["notified"]) == ("ERROR", "the warehouse is on fire", [])
    assert second["state"] == "TRIGGERED"
    assert "the listener has gone" in caplog.text


def test_an_alert_that_nobody_can_read_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As after a hand or another version has been in the file."""
    clock = Clock()
    with served(tmp_path, clock) as server:
        unreadable, senseless, alert = (server.create(schedule__quartz_cron_schedule=AT_EIGHT) for _ in range(3))
    with sqlite3.connect(tmp_path / "workspace" / "workspace.sqlite") as file:
        for path, wrong in (("$.schedule.quartz_cron_schedule", unreadable), ("$.evaluation.source", senseless)):
            file.execute(f"UPDATE alerts SET body = json_set(body, '{path}', 'five') WHERE id = ?", (wrong["id"],))
    file.close()
    caplog.set_level(logging.ERROR)
    with served(tmp_path, clock, evaluates=True) as server:
        clock.forward(minutes=1)
        wait_until(lambda: bool(evaluations(server, alert)))
        assert evaluations(server, unreadable) == evaluations(server, senseless) == []
    assert {f"the alert {wrong['id']}" in caplog.text for wrong in (unreadable, senseless)} == {True}


def test_evaluations_say_whom_they_notified(tmp_path: Path) -> None:
    clock, figure = Clock(), Figure()
    told = [{"user_email": "a@example.com"}, {"user_email": "b@example.com"}]
    with served(tmp_path, clock, figure) as server:
        notification = {"subscriptions": told, "retrigger_seconds": 3600, "notify_on_ok": True}
        alert = server.create(evaluation__notification=notification)
        expected = []
        for minutes, value, notified in (
            (0, 5.0, False),
            (1, 120.5, True),
            (59, 120.5, False),
            (0.5, None, False),
            (0.5, 120.5, True),
            (1, None, False),
            (1, 5.0, True),
            (1, 5.0, False),
        ):
            clock.forward(minutes=minutes)
            figure.value = value
            assert evaluate(server, alert)["notified"] == (told if notified else [])
            expected.append(notified)
        found = evaluations(server, alert)
        assert [bool(one["notified"]) for one in found] == expected
        assert len({uuid.UUID(one["run_id"]) for one in found}) == len(found)
        body = server.json("GET", f"/api/2.0/alerts/{alert['id']}")
        assert body["evaluation"].keys() == {*alert["evaluation"], "state", "last_evaluated_at"}
        assert body.keys() == alert.keys()


def test_what_was_notified_is_remembered_over_a_restart(tmp_path: Path) -> None:
    clock, figure = Clock(), Figure()
    with served(tmp_path, clock, figure) as server:
        alert = server.create()
        assert evaluate(server, alert)["notified"] == [{"user_email": "a@example.com"}]
    with served(tmp_path, clock, figure) as server:
        assert evaluate(server, alert)["notified"] == []


def test_who_asked_is_told_of_all_evaluations_after_they_were_stored(tmp_path: Path) -> None:
    clock = Clock()
    told: list[Evaluation] = []
    with served(tmp_path, clock, evaluates=True, on_evaluated=told.extend) as server:
        first, second = (server.create(schedule__quartz_cron_schedule=AT_EIGHT) for _ in range(2))
        server.json("POST", "/api/local/evaluate")
        assert [one.alert_id for one in told] == [first["id"], second["id"]]
        evaluate(server, second)
        assert [one.alert_id for one in told[2:]] == [second["id"]]
        clock.forward(minutes=1)
        wait_until(lambda: len(told) == 5)
        for alert in (first, second):
            runs = [one.run_id for one in told if one.alert_id == alert["id"]]
            assert [one["run_id"] for one in evaluations(server, alert)] == runs
    assert {(one.value, one.threshold) for one in told} == {(120.5, 100.0)}


OLD_SCHEMA = """
CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, parent TEXT NOT NULL,
    trashed_at TEXT, body TEXT NOT NULL);
CREATE TABLE evaluations (
    no INTEGER PRIMARY KEY AUTOINCREMENT, alert_id TEXT NOT NULL, evaluated_at TEXT NOT NULL, state TEXT NOT NULL,
    value TEXT, row_count INTEGER, duration_ms REAL NOT NULL, error TEXT);
"""


def test_a_file_of_an_older_version_is_taken_over(tmp_path: Path) -> None:
    body = alert_body(id="a-1", parent_path="/", lifecycle_state="ACTIVE", evaluation__state="ERROR")
    with sqlite3.connect(tmp_path / "workspace.sqlite") as file:
        file.executescript(OLD_SCHEMA)
        file.execute("INSERT INTO alerts (id, name, parent, body) VALUES ('a-1', 'A', '/', ?)", (json.dumps(body),))
        for minute, state in enumerate(("OK", "TRIGGERED", "ERROR", "ERROR")):
            file.execute(
                "INSERT INTO evaluations (alert_id, evaluated_at, state, value, duration_ms) VALUES ('a-1', ?, ?, '1', 1)",
                (f"2026-11-01T08:0{minute}:00.000Z", state),
            )
    file.close()
    for _ in range(2):
        store = Store(tmp_path)
        found = store.evaluations("a-1")
        assert [(one.state, one.notified, one.threshold) for one in found] == [
            (state, (), None) for state in ("ERROR", "ERROR", "TRIGGERED", "OK")
        ]
        assert len({uuid.UUID(one.run_id) for one in found}) == 4
        assert store.since(["a-1"]) == {"a-1": "2026-11-01T08:02:00.000Z"}
        store.close()
    store = Store(tmp_path)
    run_id = str(uuid.uuid4())
    (recovered,) = store.record([Evaluation("a-1", "2026-11-01T08:09:00.000Z", "OK", 1, 1, 1.0, None, run_id)])
    assert recovered.notified == ({"user_email": "a@example.com"},)  # it was TRIGGERED before the errors
    assert store.evaluations("a-1")[0] == recovered
    assert store.since(["a-1"]) == {"a-1": "2026-11-01T08:09:00.000Z"}
    store.close()
