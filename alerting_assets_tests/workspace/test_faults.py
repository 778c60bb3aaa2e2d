"""Faults on request, the journal, evaluation on demand, and what a stale list shows."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.workspace.local.faults import Fault, Faults
from alerting_assets.workspace.local.journal import ENTRIES_KEPT, Journal
from alerting_assets.workspace.local.store import Store
from alerting_assets_tests.workspace.bodies import alert_body
from alerting_assets_tests.workspace.conftest import TOKEN, Server

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def pattern(requests_made: int, **rule: Any) -> str:
    faults = Faults()
    faults.add({"fault": "throttle", **rule})
    return "".join("x" if faults.hitting("GET", "/api/2.0/alerts") else "." for _ in range(requests_made))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("rule", "hits"),
    [
        ({}, "xxxxxxx"),
        ({"every": 3}, "..x..x."),
        ({"times": 2}, "xx....."),
        ({"after": 2}, "..xxxxx"),
        ({"after": 1, "every": 2, "times": 2}, "..x.x.."),
        ({"match": {"method": "POST"}}, "......."),
        ({"match": {"method": "GET", "path": "/api/2.0/alerts*"}}, "xxxxxxx"),
        ({"match": {"path": "/api/2.0/sql*"}}, "......."),
    ],
)
def test_a_rule_hits_the_requests_that_it_says(rule: dict[str, Any], hits: str) -> None:
    assert pattern(7, **rule) == hits


@pytest.mark.unit
def test_several_rules_count_on_their_own() -> None:
    faults = Faults()
    faults.add({"fault": "latency", "every": 2})
    first = faults.add({"fault": "error", "every": 3})
    assert [set(faults.hitting("GET", "/")) for _ in range(6)] == [
        *(set(), {Fault.LATENCY}, {Fault.ERROR}, {Fault.LATENCY}, set(), {Fault.LATENCY, Fault.ERROR})
    ]
    assert faults.clear(first["id"]) == 1
    assert [rule["fault"] for rule in faults.all()] == ["latency"]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ([], "fault"),
        ({}, "fault"),
        ({"fault": "gremlin"}, "gremlin"),
        ({"fault": "error", "evry": 3}, "evry"),
        ({"fault": "error", "every": 0}, "every"),
        ({"fault": "error", "status": 200}, "status"),
        ({"fault": "error", "status": 600}, "status"),
        ({"fault": "error", "match": {"verb": "GET"}}, "match"),
        ({"fault": "error", "match": {"method": "get"}}, "match.method"),
        ({"fault": "error", "times": None}, "times"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(server: Server, rule: Any, named: str) -> None:
    refused = server.request("POST", "/api/local/faults", json=rule)
    assert refused.status_code == 400
    assert named in refused.json()["message"]
    assert server.json("GET", "/api/local/faults") == {"faults": []}


@pytest.mark.integration
def test_throttle_and_error_do_no_work(server: Server) -> None:
    server.fault("throttle", "POST", times=1, retry_after=7)
    throttled = server.request("POST", "/api/2.0/alerts", json=alert_body())
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "7")
    server.fault("error", "POST", times=1, status=503)
    assert server.request("POST", "/api/2.0/alerts", json=alert_body()).status_code == 503
    assert server.alerts() == []


@pytest.mark.integration
def test_a_lost_response_is_a_dropped_connection_after_the_work(server: Server) -> None:
    server.fault("lose_response", "POST", times=1)
    with pytest.raises(requests.ConnectionError):
        server.request("POST", "/api/2.0/alerts", json=alert_body())
    (alert,) = server.alerts()
    entry = server.requests("POST")[-1]
    assert (entry["status"], entry["response_lost"], entry["fault"]) == ("lost", True, "lose_response")
    assert entry["alert_id"] == alert["id"]


class KilledClient:
    """Sends a request; to the server its end looks as that of a process that was killed."""

    def __init__(self, server: Server, method: str = "POST", path: str = "/api/2.0/alerts") -> None:
        url = urlsplit(server.address)
        self.connection = socket.create_connection((url.hostname, url.port), timeout=10)
        body = json.dumps(alert_body()).encode() if method == "POST" else b""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.connection.sendall(head.encode() + body)

    def kill(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def applied(server: Server) -> dict[str, int]:
    return {rule["fault"]: rule["applied"] for rule in server.json("GET", "/api/local/faults")["faults"]}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.integration
def test_a_hanging_answer_comes_late_and_whole(server: Server) -> None:
    server.fault("hang", "POST", times=1, latency_ms=300)
    started = time.monotonic()
    created = server.create()
    assert time.monotonic() - started >= 0.29
    assert server.alerts() == [created]
    entry = server.requests("POST")[-1]
    assert (entry["status"], entry["response_lost"], entry["fault"]) == ("200", False, "hang")
    assert entry["duration_ms"] < 300


@pytest.mark.integration
def test_a_client_can_be_killed_after_the_work_and_before_the_answer(server: Server) -> None:
    """The hang is announced when the work is done, not before."""
    before = len(server.requests("POST"))
    server.fault("latency", "POST", latency_ms=400)
    server.fault("hang", "POST", latency_ms=60_000)
    client = KilledClient(server)
    wait_for(lambda: applied(server)["latency"] == 1)
    assert (applied(server)["hang"], server.alerts()) == (0, [])
    wait_for(lambda: applied(server)["hang"] == 1)
    (alert,) = server.alerts()
    (entry,) = server.requests("POST")[before:]
    assert (entry["alert_id"], entry["status"]) == (alert["id"], "200")
    client.connection.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.connection.recv(1)
    client.kill()
    assert server.alerts() == [alert]


@pytest.mark.integration
@pytest.mark.parametrize("others", [(), ("error",)])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_client_can_be_killed_before_the_work_which_is_then_never_done(
    server: Server, method: str, others: tuple[str, ...]
) -> None:
    present = [server.create()] if method == "DELETE" else []
    before = max((entry["no"] for entry in server.journal()), default=0)
    for fault, rule in {"latency": {"latency_ms": 300}, **{other: {} for other in others}}.items():
        server.fault(fault, method, times=1, **rule)
    client = KilledClient(server, method, f"/api/2.0/alerts/{present[0]['id']}" if present else "/api/2.0/alerts")
    wait_for(lambda: set(applied(server).values()) == {1})
    client.kill()
    time.sleep(0.5)
    assert server.alerts() == present
    assert [entry for entry in server.journal(since=before) if entry["method"] == method] == []


@pytest.mark.integration
def test_latency_and_error_together_wait_and_do_nothing(server: Server) -> None:
    server.fault("latency", "POST", latency_ms=300)
    server.fault("error", "POST", status=503)
    assert server.request("POST", "/api/2.0/alerts", json=alert_body()).status_code == 503
    entry = server.requests("POST")[-1]
    assert (entry["status"], entry["fault"]) == ("503", "latency,error")
    assert entry["duration_ms"] >= 290  # the clocks of sleep and of the server differ a little
    assert server.alerts() == []


@pytest.mark.unit
def test_requests_at_the_same_time_never_hang_more_often_than_told() -> None:
    faults = Faults()
    faults.add({"fault": "hang", "times": 1})
    first, second = faults.hitting("POST", "/"), faults.hitting("POST", "/")
    assert (set(first), set(second)) == ({Fault.HANG}, set())
    assert [(rule["hit"], rule["applied"]) for rule in faults.all()] == [(1, 0)]
    faults.worked(first)
    assert [(rule["hit"], rule["applied"]) for rule in faults.all()] == [(1, 1)]


@pytest.mark.integration
def test_a_stale_list_shows_the_time_before_the_last_writes(server: Server) -> None:
    first, second = server.create(display_name="A"), server.create(display_name="B")
    server.json(
        "PATCH", f"/api/2.0/alerts/{first['id']}", params={"update_mask": "display_name"}, json={"display_name": "C"}
    )
    server.json("DELETE", f"/api/2.0/alerts/{second['id']}")
    for writes, names in ((1, ["C", "B"]), (2, ["A", "B"]), (3, ["A"]), (4, [])):
        server.fault("stale_list", "GET", times=1, writes=writes)
        assert [alert["display_name"] for alert in server.alerts()] == names
    assert [alert["display_name"] for alert in server.alerts()] == ["C"]


@pytest.mark.integration
def test_faults_never_hit_what_ends_them(server: Server) -> None:
    server.fault("error", path="*", status=500)
    assert server.request("GET", "/api/2.0/alerts").status_code == 500
    assert server.json("DELETE", "/api/local/faults") == {"removed": 1}
    assert server.alerts() == []


@pytest.mark.integration
def test_the_journal_tells_writes_apart_and_knows_no_token(server: Server) -> None:
    start = server.journal()[-1]["no"] if server.journal() else 0
    alert = server.create()
    server.alerts()
    server.json("POST", "/api/2.0/sql/statements", json={"statement": "SELECT 1", "warehouse_id": "local"})
    server.json("POST", f"/api/local/alerts/{alert['id']}/evaluate")
    server.json("DELETE", f"/api/2.0/alerts/{alert['id']}", params={"purge": "true"})
    assert len(server.journal(since=start)) == 5
    writes = server.journal(since=start, writes="true")
    assert [(entry["method"], entry["status"], entry["alert_id"]) for entry in writes] == [
        ("POST", "200", alert["id"]),
        ("DELETE", "200", alert["id"]),
    ]
    assert writes[1]["query"] == "purge=true"
    requests.get(f"{server.address}/api/2.0/alerts", headers={"Authorization": "Bearer wrong-token"}, timeout=5)
    text = server.request("GET", "/api/local/journal").text
    assert '"403"' in text
    assert "wrong-token" not in text
    assert TOKEN not in text


@pytest.mark.unit
def test_the_journal_keeps_its_newest_entries_only() -> None:
    store = Store(None)
    journal = Journal(store)
    with store.transaction() as db:
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('journal', 0)")
        rows = [(number,) for number in range(1, ENTRIES_KEPT + 1)]
        db.executemany(
            "INSERT INTO journal (no, time, method, path, query, status, duration_ms, response_lost) VALUES (?, '', '', '', '', '', 0, 0)",
            rows,
        )
    journal.add(time="", method="GET", path="/", query="", status=200, duration_ms=1, fault=None, alert_id=None)
    entries = journal.entries()
    assert (len(entries), entries[0].no, entries[-1].no) == (ENTRIES_KEPT, 2, ENTRIES_KEPT + 1)


@pytest.mark.integration
def test_an_alert_is_evaluated_on_demand_and_its_history_kept(server: Server) -> None:
    alert = server.create()
    entry = server.json("POST", f"/api/local/alerts/{alert['id']}/evaluate")
    assert (entry["state"], entry["value"], entry["error"]) == ("TRIGGERED", 120.5, None)
    now = server.json("GET", f"/api/2.0/alerts/{alert['id']}")
    assert now["evaluation"]["state"] == "TRIGGERED"
    assert now["evaluation"]["last_evaluated_at"] == entry["evaluated_at"]
    assert now["update_time"] == alert["update_time"]
    assert server.json("GET", f"/api/local/alerts/{alert['id']}/evaluations") == {"evaluations": [entry]}
    assert server.request("POST", "/api/local/alerts/nope/evaluate").status_code == 404


@pytest.mark.integration
def test_all_active_alerts_are_evaluated_but_paused_ones(server: Server) -> None:
    fired, broken = server.create(display_name="A"), server.create(display_name="B", query_text="SELECT nope AS cost")
    server.create(display_name="C", schedule__pause_status="PAUSED")
    trashed = server.create(display_name="D")
    server.json("DELETE", f"/api/2.0/alerts/{trashed['id']}")
    entries = server.json("POST", "/api/local/evaluate")["evaluations"]
    assert [(entry["alert_id"], entry["state"]) for entry in entries] == [
        (fired["id"], "TRIGGERED"),
        (broken["id"], "ERROR"),
    ]


def renamed(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "display_name": name}


def refused(_: dict[str, Any]) -> dict[str, Any]:
    raise ValueError("no")


WRITES = st.lists(st.tuples(st.sampled_from(["create", "rename", "trash", "purge"]), st.integers(0, 5)), max_size=15)


@pytest.mark.unit
@given(writes=WRITES, size=st.integers(1, 4))
def test_any_earlier_list_can_be_shown_again_and_pages_add_up(writes: list[tuple[str, int]], size: int) -> None:
    store = Store(None)
    history: list[list[str]] = [[]]

    def names(**options: Any) -> list[str]:
        found: list[str] = []
        after = 0
        while page := store.page(after, size, **options):
            found += [body["display_name"] for _, body in page]
            after = page[-1][0]
        return found

    for number, (kind, index) in enumerate(writes):
        active = [body for _, body in store.page(0, 100)]
        if kind == "create" or not active:
            body = alert_body(id=str(number), display_name=f"n{number}", parent_path="/", lifecycle_state="ACTIVE")
            store.create(body, limit=100, refuse_taken_name=False, now=NOW)
        elif kind == "rename":
            store.update(active[index % len(active)]["id"], partial(renamed, f"r{number}"), refuse_taken_name=False)
        else:
            store.trash(active[index % len(active)]["id"], purge=kind == "purge", now=NOW)
        history.append(names())
    for back in range(len(history)):
        assert names(before_writes=back) == history[-1 - back]


@pytest.mark.unit
def test_a_failed_change_leaves_the_alert_as_it_was() -> None:
    store = Store(None)
    body = alert_body(id="1", parent_path="/", lifecycle_state="ACTIVE")
    store.create(body, limit=10, refuse_taken_name=False, now=NOW)
    with pytest.raises(ValueError, match="no"):
        store.update("1", refused, refuse_taken_name=False)
    assert store.get("1") == body


@pytest.mark.unit
def test_the_trash_is_emptied_after_30_days() -> None:
    store = Store(None)
    for number, day in enumerate((0, 29, 31)):
        now = NOW + timedelta(days=day)
        body = alert_body(id=str(number), parent_path="/", lifecycle_state="ACTIVE")
        store.create(body, limit=10, refuse_taken_name=False, now=now)
        store.trash(str(number), purge=False, now=now)
    assert [store.get(number) is not None for number in "012"] == [False, True, True]
