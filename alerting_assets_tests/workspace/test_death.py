"""The served workspace is killed at any moment: whoever was to be told is told, under one id each time, in order, and it is logged once."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from alerting_assets.delivery import Outbox, delivery_id
from alerting_assets.errors import WorkspaceUnavailable
from alerting_assets.lakehouse.tables import ALERT_DELIVERIES
from alerting_assets.workspace.endpoint import Endpoint
from alerting_assets.workspace.local.store import Store
from alerting_assets_tests.delivery.receiver import OK, Receiver, Reply, Request, receiving
from alerting_assets_tests.waiting import wait_for
from alerting_assets_tests.workspace.dying import tables_in

pytestmark = pytest.mark.integration

SEVERITIES = ("CRITICAL", "CRITICAL", "WARNING", "INFO")
WAYS = ("/plain", "/grouped")
PAUSE = 0.04
"""Seconds between two evaluations of all alerts: with less, more is to be told than a process tells before it dies."""
LONG_AFTER = datetime(2999, 1, 1, tzinfo=UTC)
"""When nothing is anybody's to log any more."""


class Mortal:
    """A served workspace, and what its store says that it decided. notified: (run id, destination id) in the order of the evaluations,
    by the workspace's id of the alert."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notified: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)
        self.evaluations: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        command = [sys.executable, "-m", "alerting_assets_tests.workspace.dying", str(self.folder)]
        self._process = subprocess.Popen(command)

    def endpoint(self) -> Endpoint | None:
        """Of the process that runs; None until it listens."""
        assert self._process is not None
        try:
            found = Endpoint.read(self.folder / "workspace")
        except WorkspaceUnavailable:
            return None
        return found if found.pid == self._process.pid else None

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.look()

    def finish(self) -> None:
        """Let a last process tell all that is left, however long that takes as long as it gets less."""
        assert self._process is not None
        wait_for(self.endpoint)
        left = self.left()
        while left:
            wait_for(lambda before=left: self.left() < before)
            left = self.left()
        self._process.terminate()
        assert self._process.wait(60) == 0
        self.look()

    def left(self) -> int:
        """How much is not told yet, or not in the log."""
        with Outbox(self.folder / "workspace" / "outbox.sqlite") as box:
            return box.number_waiting() + box.has_unlogged(LONG_AFTER)

    def look(self) -> None:
        store = Store(self.folder / "workspace")
        try:
            for one in reversed(store.evaluations(limit=100_000)):
                self.evaluations.add(one.run_id)
                for subscription in one.notified:
                    self.notified[one.alert_id][one.run_id, subscription["destination_id"]] = None
        finally:
            store.close()

    @contextmanager
    def evaluated(self) -> Iterator[None]:
        """All alerts are evaluated, again and again, as soon as somebody listens."""
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                if (endpoint := self.endpoint()) is None:
                    time.sleep(0.005)
                    continue
                try:
                    call(endpoint, "POST", "/api/local/evaluate")
                except requests.RequestException:
                    return
                over.wait(PAUSE)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def call(endpoint: Endpoint, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {endpoint.token}"}
    answer = requests.request(method, f"{endpoint.address}{path}", json=body, headers=headers, timeout=60)
    answer.raise_for_status()
    return answer.json()


def set_up(mortal: Mortal, url: str) -> dict[str, str]:
    """A first process, and in it alerts that tell two destinations; returns the ids of these by the path that they post to."""
    mortal.start()
    endpoint = wait_for(mortal.endpoint)
    ids = {}
    for way in WAYS:
        body = {"display_name": way, "config": {"generic_webhook": {"url": f"{url}{way}"}}}
        ids[way] = str(call(endpoint, "POST", "/api/2.0/notification-destinations", body)["id"])
    (mortal.folder / "grouped").write_text(ids["/grouped"])
    for number, severity in enumerate(SEVERITIES):
        evaluation = {
            "source": {"name": "n"},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"value": {"double_value": 3}},
            "empty_result_state": "OK",
            "notification": {
                "notify_on_ok": True,
                "subscriptions": [{"destination_id": identity} for identity in ids.values()],
            },
        }
        schedule = {"quartz_cron_schedule": "0 0 0 1 1 ? 2099", "timezone_id": "UTC"}
        body = {
            "display_name": f"[{severity}] Alert {number}",
            "query_text": "SELECT n",
            "warehouse_id": "local",
            "schedule": schedule,
            "evaluation": evaluation,
        }
        call(endpoint, "POST", "/api/2.0/alerts", body)
    return ids


def deaths(folder: Path, number: int, seed: int) -> dict[str, int]:
    """Kill a served workspace so often, let it finish, and look at all that came of it; returns figures about that."""
    chance = random.Random(seed)
    bad = [Reply(500), Reply(reset=True), Reply(closed=True), Reply(429, headers={"Retry-After": "0"})]

    def answer(request: Request) -> Reply:
        return random.Random(seed + request.number).choice([*bad, *[OK] * 8])

    before_listening = 0
    with receiving(answer) as receiver, Mortal(folder) as mortal:
        ids = set_up(mortal, receiver.url)
        for killed in range(number):
            if killed:
                mortal.start()
            with mortal.evaluated():
                if chance.random() < 0.1:
                    time.sleep(chance.uniform(0, 0.8))
                else:
                    wait_for(mortal.endpoint)
                    time.sleep(chance.uniform(0, 0.5))
                before_listening += mortal.endpoint() is None
                mortal.kill()
        mortal.start()
        mortal.finish()
    with tables_in(folder) as tables:
        rows = tables.read(ALERT_DELIVERIES.name).to_pylist()
    judge(mortal, ids, receiver, rows)
    return {
        "kills": number,
        "before it listened": before_listening,
        "evaluations": len(mortal.evaluations),
        "events to tell": sum(map(len, mortal.notified.values())),
        "messages": len(set(receiver.delivery_ids)),
        "requests": len(receiver.requests),
    }


def judge(mortal: Mortal, ids: dict[str, str], receiver: Receiver, rows: list[dict[str, Any]]) -> None:
    arrived: dict[tuple[str, str], set[str]] = defaultdict(set)
    for request in receiver.requests:
        told = request.json
        parts = [part["id"] for part in told["digest"]["parts"]] if told["digest"] else [told["event"]["id"]]
        for event_id in parts:
            arrived[event_id, ids[request.path]].add(request.delivery_id)
    wanted = {one for told in mortal.notified.values() for one in told}
    assert wanted
    assert arrived.keys() == wanted, "all that was decided is told, and nothing else"
    assert all(len(under) == 1 for under in arrived.values()), "under one id, in one message"
    assert Counter(row["delivery_id"] for row in rows) == Counter(delivery_id(*one) for one in wanted)
    assert {row["outcome"] for row in rows} == {"SENT"}
    for row in rows:
        assert arrived[row["event_id"], row["destination_id"]] == {row["sent_as"] or row["delivery_id"]}
    order = {one: number for number, one in enumerate(arrived)}
    for alert_id, told in mortal.notified.items():
        for destination_id in ids.values():
            numbers = [order[one] for one in told if one[1] == destination_id]
            assert numbers == sorted(numbers), f"a recovery of {alert_id} never overtakes its alert"


def test_killed_a_few_times(tmp_path: Path) -> None:
    deaths(tmp_path, 3, seed=1)


@pytest.mark.thorough
def test_killed_two_hundred_times(tmp_path: Path) -> None:
    found = deaths(tmp_path, 200, seed=2)
    assert found["messages"] > found["kills"], "there was something to lose"
