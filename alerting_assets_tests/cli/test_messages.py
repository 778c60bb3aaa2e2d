"""From a destination's definition to the message that somebody reads, and back to rest; and that its secret stands nowhere on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import requests

from alerting_assets.configuration.message_groups import MessageGroups
from alerting_assets.delivery import Limits
from alerting_assets.lakehouse.deliveries import delivery_log
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, TableSpec
from alerting_assets.lakehouse.tables import ALERT_DELIVERIES, create_tables
from alerting_assets.workspace.local.notifier import Delivering
from alerting_assets.workspace.local.rules import utc_now
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.delivery.receiver import Receiver, Reply
from alerting_assets_tests.waiting import holding, wait_for

pytestmark = pytest.mark.integration

SECRET = "KNOWN-SECRET"
PROBE = TableSpec("probe", "", (Column("n", "double"),), key=())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.define(
        {
            "alert_id": "A-1",
            "alert_name": "Größe",
            "severity": "CRITICAL",
            "alert_query_template": "SELECT MAX(n) AS cost FROM ${catalog}.${gold_schema}.probe",
            "schedule_cron": "0/1 * * * * ?",
            "notify_on_ok": True,
            "notification_channels": ["hook"],
            "custom_subject_template": "{{ALERT_STATUS}}: {{ALERT_NAME}} is {{QUERY_RESULT_VALUE}}",
            "custom_body_template": "<p>{{QUERY_RESULT_VALUE}} against {{THRESHOLD_VALUE}}</p>",
        }
    )
    hook = {"destination_id": "hook", "destination_type": "WEBHOOK", "secret_ref": "env:HOOK_URL", "owner": "o"}
    (tmp_path / "alerts" / "destinations").mkdir()
    (tmp_path / "alerts" / "destinations" / "all.yml").write_text(json.dumps({"destinations": [hook]}))
    return made


@contextmanager
def served(home: Home, tables: EmbeddedLakehouse) -> Iterator[LocalWorkspaceServer]:
    create_tables(tables)
    tables.create_table(PROBE)
    limits = Limits(first_pause=0.05, longest_pause=0.2, group_wait=timedelta(seconds=1))
    delivers = Delivering(log=delivery_log(tables), limits=limits, grouping=MessageGroups(tables, utc_now))
    root = home.settings.workspace_root
    with LocalWorkspaceServer(root, tables.query, port=0, evaluates=True, delivers=delivers) as server:
        yield server


def measure(tables: EmbeddedLakehouse, value: float) -> None:
    tables.append(PROBE.name, pa.table({"n": [value]}))


def test_from_a_definition_to_one_message_and_one_of_the_recovery(home: Home, receiver: Receiver) -> None:
    with home.tables() as tables, served(home, tables):
        measure(tables, 1.0)
        home.json("apply", HOOK_URL=f"{receiver.url}/{SECRET}")
        measure(tables, 700.0)
        wait_for(lambda: receiver.requests)
        time.sleep(2.5)  # it goes on firing, evaluated every second
        assert len(receiver.requests) == 1
        tables.delete_where(PROBE.name, "n > 100")
        wait_for(lambda: len(receiver.requests) == 2)
        wait_for(lambda: tables.read(ALERT_DELIVERIES.name).num_rows == 2)
        rows = tables.read(ALERT_DELIVERIES.name).to_pylist()
    fired, recovered = (request.json for request in receiver.requests)
    assert fired["event"]["subject"] == "TRIGGERED: Größe is 700"
    assert fired["event"]["body_html"] == "<p>700 against 100</p>"
    assert fired["alert"]["id"] == "A-1"
    assert (recovered["event"]["kind"], recovered["event"]["subject"]) == ("RECOVERY", "OK: Größe is 1")
    assert sorted((row["event"], row["outcome"], row["alert_id"]) for row in rows) == [
        ("ALERT", "SENT", "A-1"),
        ("RECOVERY", "SENT", "A-1"),
    ]
    assert holding(home.path, SECRET) == []


def test_alerts_of_one_domain_are_one_message_where_the_destination_says_so(home: Home, receiver: Receiver) -> None:
    home.define(
        *(
            {"alert_id": f"{domain}-{number}", "agent_domain": domain, "notification_channels": ["hook"]}
            for domain, count in (("COST", 3), ("SECURITY", 2))
            for number in range(count)
        )
    )
    hook = {"destination_id": "hook", "destination_type": "WEBHOOK", "secret_ref": "env:HOOK_URL", "owner": "o"}
    told = json.dumps({"destinations": [{**hook, "group_by": "domain"}]})
    (home.path / "alerts" / "destinations" / "all.yml").write_text(told)
    with home.tables() as tables, served(home, tables) as server:
        home.json("apply", HOOK_URL=receiver.url)
        headers = {"Authorization": f"Bearer {server.token}"}
        requests.post(f"{server.address}/api/local/evaluate", headers=headers, timeout=60).raise_for_status()
        wait_for(lambda: tables.read(ALERT_DELIVERIES.name).num_rows == 5)
        rows = tables.read(ALERT_DELIVERIES.name).to_pylist()
    messages = {
        request.delivery_id: {part["alert"]["id"] for part in request.json["digest"]["parts"]}
        for request in receiver.requests
    }
    assert sorted(map(sorted, messages.values())) == [
        ["COST-0", "COST-1", "COST-2"],
        ["SECURITY-0", "SECURITY-1"],
    ]
    assert all(row["outcome"] == "SENT" and row["alert_id"] in messages[row["sent_as"]] for row in rows)


def test_whatever_fails_on_the_way_the_secret_stands_nowhere(home: Home, receiver: Receiver) -> None:
    """Refused, lost and late at the workspace; refused and echoed back by the receiver."""
    url = f"{receiver.url}/{SECRET}"
    receiver.answer = Reply(status=500, body=f"cannot take {url}".encode())
    told = []
    with home.tables() as tables, served(home, tables) as server:
        measure(tables, 700.0)
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {server.token}"
        for fault in ({"fault": "error", "status": 400}, {"fault": "lose_response"}, {"fault": "error", "status": 503}):
            rule = {**fault, "match": {"path": "/api/2.0/*"}, "times": 2}
            session.post(f"{server.address}/api/local/faults", json=rule, timeout=30).raise_for_status()
            for command in (["plan"], ["apply"], ["apply", "--json"], ["destinations", "list"]):
                told.append(home.run(*command, HOOK_URL=url))
            session.delete(f"{server.address}/api/local/faults", timeout=30)
        told.append(home.run("apply", HOOK_URL=url))
        wait_for(lambda: len(receiver.requests) >= 3)
        receiver.answer = Reply(status=404, body=f"no such hook {url}".encode())
        wait_for(lambda: tables.read(ALERT_DELIVERIES.name).num_rows)
        (row,) = tables.read(ALERT_DELIVERIES.name).to_pylist()
        page = requests.get(server.address, timeout=30).text
        journal = session.get(f"{server.address}/api/local/journal", timeout=30).text
        told += [home.run("destinations", "test", "hook", HOOK_URL=url), home.run("explain", "A-1")]
    assert (row["outcome"], row["attempts"] > 2) == ("FAILED", True)
    assert SECRET not in str(row) + page + journal
    assert SECRET not in "".join(done.stdout + done.stderr for done in told)
    assert holding(home.path, SECRET) == []
