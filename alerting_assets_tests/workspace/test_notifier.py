"""What the local workspace sends: real alerts that fire on their schedules, a real webhook receiver and a real mail server."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests

from alerting_assets.delivery import DeliveryRecord, Limits, digest
from alerting_assets.delivery.slack import slack_message
from alerting_assets.delivery.teams import teams_message
from alerting_assets.delivery.webhook import webhook_message
from alerting_assets.workspace.local.inbox import Inbox, Received, inbox_mail_server
from alerting_assets.workspace.local.notifier import Delivering
from alerting_assets.workspace.local.rules import utc_now
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets.workspace.local.store import Evaluation, Store
from alerting_assets_tests.delivery.couriers import Clock
from alerting_assets_tests.delivery.examples import event
from alerting_assets_tests.delivery.receiver import Receiver, Reply
from alerting_assets_tests.waiting import holding, wait_for

pytestmark = pytest.mark.integration

SECRET = "KNOWN-SECRET-PATH"
NEVER = "0 0 0 1 1 ? 2099"


class Workspace:
    """A served workspace with one alert on `value`, and the log of what it delivered."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.value = folder, 1.0
        self.log: list[DeliveryRecord] = []

    @contextmanager
    def served(self, clock: Callable[[], datetime] = utc_now, **how: Any) -> Iterator[LocalWorkspaceServer]:
        delivers = Delivering(
            mail_server=lambda: inbox_mail_server(self.folder),
            log=self.log.extend,
            limits=Limits(first_pause=0.05, longest_pause=0.2),
            **how,
        )
        with LocalWorkspaceServer(
            self.folder,
            lambda _: pa.table({"n": [self.value]}),
            port=None,
            clock=clock,
            evaluates=True,
            delivers=delivers,
        ) as server:
            yield server


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def call(server: LocalWorkspaceServer, method: str, path: str, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {server.token}"}
    answer = requests.request(method, f"{server.address}{path}", json=body, headers=headers, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


def destination(server: LocalWorkspaceServer, url: str) -> str:
    config = {"generic_webhook": {"url": f"{url}/{SECRET}"}}
    return str(call(server, "POST", "/api/2.0/notification-destinations", display_name="Ops", config=config)["id"])


def alert(server: LocalWorkspaceServer, *subscriptions: dict[str, str], cron: str = "0/1 * * * * ?") -> str:
    created = call(
        server,
        "POST",
        "/api/2.0/alerts",
        display_name="[CRITICAL] Größe",
        query_text="SELECT n",
        warehouse_id="local",
        custom_summary="{{ALERT_STATUS}}: {{ALERT_NAME}} is {{QUERY_RESULT_VALUE}}",
        custom_description="<p>Value <b>{{QUERY_RESULT_VALUE}}</b> &gt; {{ALERT_THRESHOLD}}</p>",
        schedule={"quartz_cron_schedule": cron, "timezone_id": "UTC"},
        evaluation={
            "source": {"name": "n"},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"value": {"double_value": 3}},
            "empty_result_state": "OK",
            "notification": {"notify_on_ok": True, "subscriptions": list(subscriptions)},
        },
    )
    return str(created["id"])


def test_a_webhook_gets_one_message_when_it_fires_and_one_when_it_recovers(
    workspace: Workspace, receiver: Receiver
) -> None:
    with workspace.served() as server:
        alert(server, {"destination_id": destination(server, receiver.url)})
        workspace.value = 7.0
        wait_for(lambda: receiver.requests)
        time.sleep(2.5)  # it goes on firing, and says nothing more
        workspace.value = 2.0
        wait_for(lambda: len(receiver.requests) == 2)
        wait_for(lambda: len(workspace.log) == 2)
        page = requests.get(server.address, timeout=30).text
        told = requests.get(f"{server.address}/deliveries/{receiver.delivery_ids[0]}", timeout=30).text
    first, second = (request.json["event"] for request in receiver.requests)
    assert (first["kind"], first["subject"]) == ("ALERT", "TRIGGERED: [CRITICAL] Größe is 7")
    assert first["body_html"] == "<p>Value <b>7</b> &gt; 3</p>"
    assert (second["kind"], second["subject"]) == ("RECOVERY", "OK: [CRITICAL] Größe is 2")
    assert first["incident"] == second["incident"]
    assert [record.outcome for record in workspace.log] == ["SENT", "SENT"]
    assert receiver.requests[0].path == f"/{SECRET}"
    assert "TRIGGERED: [CRITICAL] Größe is 7" in page
    assert "Value 7 &gt; 3" in told or "Value &lt;b&gt;7" in told
    assert SECRET not in page + told + str(workspace.log)
    assert holding(workspace.folder, SECRET) == []


def test_a_mail_arrives_with_its_subject_and_both_parts(workspace: Workspace) -> None:
    mails: list[Received] = []
    with Inbox(workspace.folder, mails.append, smtp_port=0, http_port=0), workspace.served() as server:
        alert(server, {"user_email": "ann@example.com"})
        workspace.value = 7.0
        wait_for(lambda: mails)
        (record,) = wait_for(lambda: workspace.log)
        shown = requests.get(f"{server.address}/deliveries/{record.delivery_id}", timeout=30).text
    mail = mails[0].document
    assert "Subject: TRIGGERED: [CRITICAL] Größe is 7" in shown
    assert "Value 7 &gt; 3" in shown
    assert (mails[0].to, mail["Subject"]) == ("ann@example.com", "TRIGGERED: [CRITICAL] Größe is 7")
    assert "Value 7 > 3" in mail.get_body(("plain",)).get_content()
    assert "<b>7</b>" in mail.get_body(("html",)).get_content()
    assert inbox_mail_server(workspace.folder) is None, "the inbox has ended"


def test_without_a_mail_server_a_mail_is_told_as_not_sent_and_what_to_do(workspace: Workspace) -> None:
    with workspace.served() as server:
        alert(server, {"user_email": "ann@example.com"})
        workspace.value = 7.0
        (record,) = wait_for(lambda: workspace.log)
    assert record.outcome == "FAILED"
    assert "set ALERTING_SMTP_URL, or run `alerting workspace inbox`" in record.response


def test_one_that_is_away_delays_nobody_and_gets_its_message_later(workspace: Workspace, receiver: Receiver) -> None:
    away = Receiver(Reply(status=503))
    try:
        with workspace.served() as server:
            alert(
                server,
                {"destination_id": destination(server, away.url)},
                {"destination_id": destination(server, receiver.url)},
            )
            workspace.value = 7.0
            wait_for(lambda: receiver.requests)
            wait_for(lambda: len(away.requests) >= 3)
        assert not [record for record in workspace.log if record.attempts > 1], "not given up"
        away.answer = Reply()
        with workspace.served():
            wait_for(lambda: len(workspace.log) == 2)
        assert len(set(away.delivery_ids)) == 1
        assert len(receiver.requests) == 1
    finally:
        away.close()


def test_what_was_decided_and_not_told_before_a_kill_is_told_after_the_next_start(
    workspace: Workspace, receiver: Receiver
) -> None:
    with workspace.served() as server:
        remote = destination(server, receiver.url)
        alert_id = alert(server, {"destination_id": remote}, cron=NEVER)
    store = Store(workspace.folder)  # as a server that is killed right after it stored what it decided
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    store.record([Evaluation(alert_id, now, "TRIGGERED", 7.0, 1, 1.0, None, "run-1", 3.0)])
    store.close()
    for _ in range(2):
        with workspace.served():
            wait_for(lambda: workspace.log)
            time.sleep(0.3)
    assert len(receiver.requests) == 1
    assert receiver.requests[0].json["event"]["id"] == "run-1"


def test_the_inbox_shows_webhooks_and_mails(tmp_path: Path) -> None:
    found: list[Received] = []
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "Grüße", "ann@example.com"
    mail.set_content("Hallo")
    with Inbox(tmp_path, found.append, smtp_port=0, http_port=0) as inbox:
        requests.post(f"{inbox.http_address}ops", json={"text": "Grüße"}, timeout=30)
        with smtplib.SMTP(inbox.smtp_address, timeout=30) as server:
            server.send_message(mail, to_addrs=["bob@example.com", "carl@example.com"])
    assert [(one.way, one.to, one.subject) for one in found] == [
        ("webhook", "/ops", ""),
        ("mail", "bob@example.com, carl@example.com", "Grüße"),
    ]
    assert (found[0].document, found[1].text) == ({"text": "Grüße"}, "Hallo")


def test_the_inbox_names_what_a_webhook_is_about(tmp_path: Path) -> None:
    found: list[Received] = []
    one = digest([event("e1", subject="Cost"), event("e2", subject="Jobs")])
    messages = [slack_message(one), teams_message(one), webhook_message(one, "d")]
    with Inbox(tmp_path, found.append, smtp_port=0, http_port=0) as inbox:
        for message in (*messages, {"text": "none of ours"}):
            requests.post(inbox.http_address, json=message, timeout=30)
    subject = "2 alerts: [CRITICAL] Cost; [CRITICAL] Jobs"
    assert [one.subject for one in found] == [f"🔴 {subject}", subject, subject, ""]


def test_alerts_that_fire_together_are_one_message_and_each_is_in_the_log(
    workspace: Workspace, receiver: Receiver
) -> None:
    clock = Clock()
    with workspace.served(clock, grouping=lambda _destination, _alert, severity: severity) as server:
        hook = destination(server, receiver.url)
        ids = {alert(server, {"destination_id": hook}, cron=NEVER) for _ in range(5)}
        workspace.value = 7.0
        call(server, "POST", "/api/local/evaluate")
        waiting = requests.get(server.address, timeout=30).text
        clock.later(minutes=1)
        wait_for(lambda: len(workspace.log) == 5)
        page = requests.get(server.address, timeout=30).text
        told = requests.get(f"{server.address}/deliveries/{workspace.log[0].delivery_id}", timeout=30).text
        workspace.value = 1.0
        call(server, "POST", "/api/local/evaluate")
        clock.later(minutes=1)
        wait_for(lambda: len(workspace.log) == 10)
    fired, recovered = (request.json for request in receiver.requests)
    assert fired["event"]["subject"].startswith("5 alerts: TRIGGERED: [CRITICAL] Größe")
    assert recovered["event"]["subject"].startswith("5 recoveries: OK: [CRITICAL] Größe")
    for document in (fired, recovered):
        assert {part["alert"]["id"] for part in document["digest"]["parts"]} == ids
    assert "waits for others until" in waiting
    assert "5 alerts: TRIGGERED" in page
    assert "5 alerts: TRIGGERED" in told, "each alert leads to the message that it was told in"
    assert {(record.alert_id, record.event, record.outcome) for record in workspace.log} == {
        (alert_id, kind, "SENT") for alert_id in ids for kind in ("ALERT", "RECOVERY")
    }
    assert {record.sent_as for record in workspace.log} == set(receiver.delivery_ids)


def test_a_message_whose_group_cannot_be_told_goes_by_itself(
    workspace: Workspace, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: str) -> str:
        raise ValueError(SECRET)

    with workspace.served(grouping=fails) as server:
        alert(server, {"destination_id": destination(server, receiver.url)}, cron=NEVER)
        workspace.value = 7.0
        call(server, "POST", "/api/local/evaluate")
        wait_for(lambda: workspace.log)
    assert receiver.requests[0].json["digest"] is None
    assert "goes by itself, since its group cannot be told: ValueError" in caplog.text
    assert SECRET not in caplog.text
