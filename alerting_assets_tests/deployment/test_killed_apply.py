"""Bare `alerting apply` processes: killed at every request that they send, and started at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from alerting_assets.alerts.marker import read_marker
from alerting_assets.configuration import read_rows
from alerting_assets.deployment import Syncer, read_desired
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS
from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.endpoint import Endpoint
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.home import COMMAND, Home
from alerting_assets_tests.deployment.world import World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

IDS = [f"A-{number:02}" for number in range(20)]
REQUESTS = 1 + len(IDS)
"""Of a first apply: the list, and a creation an alert."""
SOME_REQUESTS = (1, REQUESTS - 1)
"""The list, the first creation, the last one, and the first request that there is not."""
PROCESSES = 2
"""At a time."""
HELD_MS = 30_000


class Case:
    """A home with alerts, and a workspace that holds alerts of other people."""

    def __init__(self, home: Home, server: LocalWorkspaceServer) -> None:
        self.home = home
        home.define(*({"alert_id": name, "alert_name": f"Alert {name}"} for name in IDS))
        home.settings.workspace_root.mkdir(parents=True, exist_ok=True)
        Endpoint(server.address, server.token, os.getpid()).write(home.settings.workspace_root)
        self.world = World(home.tables(), server, home.settings.home)
        self.world.heal()
        for body in self.bodies():
            self.world.purge(body["id"])
        marker = f"/* alerting_assets alert_id={IDS[5]} environment=prod nonce={'f' * 32} */\n"
        for name, head in ((f"[WARNING] Alert {IDS[3]}", ""), ("of another environment", marker)):
            self.world.request("POST", "/api/2.0/alerts", json=foreign(name, head))
        self.foreign = self.bodies()

    def bodies(self) -> list[dict[str, Any]]:
        answer = self.world.request("GET", "/api/2.0/alerts", params={"page_size": 100})
        found: list[dict[str, Any]] = answer["alerts"]
        return found

    def start(self, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, "apply", "--json"],
            cwd=self.home.path,
            env={**self.home.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hold(self, request: int, *, after_its_work: bool) -> Callable[[], bool]:
        """Holds that request, counted from 0; returns whether it is held by now."""
        match = {"path": "/api/2.0/alerts*"}
        rules = [{"fault": "hang"}] if after_its_work else [{"fault": "latency"}, {"fault": "error"}]
        for rule in rules:
            slow = {} if rule["fault"] == "error" else {"latency_ms": HELD_MS}
            self.world.fault(match=match, after=request, times=1, **rule, **slow)

        earlier = len(self._hung())
        return (lambda: len(self._hung()) > earlier) if after_its_work else self.has_hit

    def has_hit(self) -> bool:
        """Whether a rule has hit a request."""
        return any(rule["applied"] for rule in self.world.request("GET", "/api/local/faults")["faults"])

    def _hung(self) -> list[dict[str, Any]]:
        entries = self.world.request("GET", "/api/local/journal")["requests"]
        return [entry for entry in entries if entry["fault"] == "hang"]

    def assert_whole(self) -> None:
        """One remote alert a configuration, known by its id; the others as they were; nothing left to do."""
        bodies = self.bodies()
        markers = {body["id"]: read_marker(body["query_text"]) for body in bodies}
        ours = {key: marker.alert_id for key, marker in markers.items() if marker and marker.environment == "dev"}
        assert sorted(ours.values()) == IDS
        assert [body for body in bodies if body["id"] not in ours] == self.foreign
        tables, settings = self.world.lakehouse, replace(self.home.settings, definitions=self.home.path / "alerts")
        assert {row["databricks_alert_id"]: row["alert_id"] for row in read_rows(tables)} == ours
        before = len(self.world.writes()), tables.version(ALERT_CONFIGURATIONS.name)
        third = Syncer.from_settings(settings, open_workspace(settings))
        third.sync(
            tables, lambda: read_desired(tables, settings, "local", datetime.now(UTC)), lambda: datetime.now(UTC)
        )
        assert (len(self.world.writes()), tables.version(ALERT_CONFIGURATIONS.name)) == before


def foreign(name: str, head: str) -> dict[str, Any]:
    return {
        "display_name": name,
        "query_text": f"{head}SELECT 1 AS cost",
        "warehouse_id": "local",
        "evaluation": {"source": {"name": "cost"}, "comparison_operator": "IS_NULL", "empty_result_state": "OK"},
        "schedule": {"quartz_cron_schedule": "0 0 8 * * ?", "timezone_id": "UTC"},
    }


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> bool:
    """False: the process ended before."""
    deadline = time.monotonic() + 120
    while not condition():
        if process.poll() is not None:
            return condition()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return True


def unused(_: str) -> Any:
    raise AssertionError("no alert is evaluated here")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[SimpleQueue[LocalWorkspaceServer]]:
    """As many as there are processes at a time."""
    found: SimpleQueue[LocalWorkspaceServer] = SimpleQueue()
    with ExitStack() as stack:
        for number in range(PROCESSES):
            server = LocalWorkspaceServer(tmp_path / f"server-{number}", unused, port=0)
            found.put(stack.enter_context(server))
        yield found


@pytest.fixture
def validated(tmp_path: Path) -> Home:
    """Its alerts are not deployed anywhere; verdicts are stored."""
    path = tmp_path / "validated"
    path.mkdir()
    home = Home(path)
    home.define(*({"alert_id": name, "alert_name": f"Alert {name}"} for name in IDS))
    home.json("validate")
    return home


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param(SOME_REQUESTS, id="at some"),
        pytest.param(range(REQUESTS + 1), id="at every", marks=pytest.mark.thorough),
    ],
)
@pytest.mark.parametrize("after_its_work", [pytest.param(False, marks=pytest.mark.thorough), True])
def test_killed_at_a_request_the_next_apply_finishes_and_nothing_is_there_twice(
    validated: Home,
    servers: SimpleQueue[LocalWorkspaceServer],
    tmp_path: Path,
    after_its_work: bool,
    requests: Sequence[int],
) -> None:
    def one(request: int) -> None:
        server = servers.get()
        try:
            path = tmp_path / f"killed-at-{request}"
            path.mkdir()
            home = Home(path)
            shutil.copytree(validated.settings.home, home.settings.home)
            case = Case(home, server)
            threads = {"ALERTING_MAX_CONCURRENCY": ("1", "4", "16")[request % 3]}
            is_held = case.hold(request, after_its_work=after_its_work)
            process = case.start(**threads)
            was_held = wait_until(is_held, process)
            process.kill()
            _, message = process.communicate()
            assert was_held == (request < REQUESTS), f"only {request} requests were sent: {message}"
            case.world.heal()
            second = case.start(**threads)
            answer, message = second.communicate(timeout=120)
            assert second.returncode == 0, message
            assert json.loads(answer)["summary"]["error"] == 0
            case.assert_whole()
        except Exception as error:
            raise AssertionError(f"killed at request {request}") from error
        finally:
            servers.put(server)

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(one, requests))


@pytest.fixture
def case(validated: Home, servers: SimpleQueue[LocalWorkspaceServer]) -> Case:
    return Case(validated, servers.get())


def test_of_two_applies_at_once_the_second_waits_and_finds_nothing_to_do(case: Case) -> None:
    case.world.fault(match={"path": "/api/2.0/alerts*"}, fault="throttle", retry_after=1)
    first = case.start()
    assert wait_until(case.has_hit, first)
    second = case.start()
    assert second.stderr is not None
    notice = second.stderr.readline()
    assert "waiting up to 60 s: another sync of environment 'dev' is running" in notice
    assert f":{first.pid}:" in notice
    case.world.heal()
    (_, complaint), (answer, more) = first.communicate(timeout=120), second.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0), complaint + more
    assert json.loads(answer)["summary"]["unchanged"] == len(IDS)
    assert json.loads(answer)["requests"]["writes"] == 0
    case.assert_whole()


@pytest.mark.thorough
def test_of_two_applies_at_once_the_second_says_who_holds_the_lease_if_it_may_not_wait(case: Case) -> None:
    is_held = case.hold(0, after_its_work=True)
    first = case.start()
    assert wait_until(is_held, first)
    second = case.start(ALERTING_LEASE_WAIT_SECONDS="0")
    _, message = second.communicate(timeout=120)
    assert second.returncode == 1
    assert "another sync of environment 'dev' is running" in message
    assert f":{first.pid}:" in message
    assert "Traceback" not in message
    first.kill()
    first.communicate()
    case.world.heal()
    assert case.start().wait(120) == 0
    case.assert_whole()


def test_two_applies_on_an_empty_home_load_and_deploy_every_alert_once(
    servers: SimpleQueue[LocalWorkspaceServer], tmp_path: Path
) -> None:
    path = tmp_path / "empty"
    path.mkdir()
    case = Case(Home(path), servers.get())
    both = [case.start(), case.start()]
    ends = [(process.communicate(timeout=240)[1], process.returncode) for process in both]
    assert [code for _, code in ends] == [0, 0], ends
    assert [row["alert_id"] for row in read_rows(case.world.lakehouse)] == IDS
    case.assert_whole()
