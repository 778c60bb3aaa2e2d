"""Heartbeats over HTTP, from a command and from Dagster's sensor, with a real lakehouse and workspace."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from alerting_assets.automation.heartbeat import heartbeat_sensor
from alerting_assets.automation.looks import lakehouse_of_looks
from alerting_assets.configuration import set_fields
from alerting_assets.delivery import Http
from alerting_assets.errors import SettingsError
from alerting_assets.heartbeat import Facts, beat, heartbeat_url, look
from alerting_assets.resource import AlertingResource
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.delivery.receiver import Receiver, Reply, receiving

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECRET = "KNOWN-SECRET-0d9f"


@pytest.fixture
def service() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    made.define({"alert_id": "A", "alert_name": "One"})
    with made.tables() as tables, LocalWorkspaceServer(made.settings.workspace_root, tables.query, port=0):
        yield made


def address(service: Receiver) -> str:
    return f"{service.url}/{SECRET}?token={SECRET}"


def test_a_heartbeat_says_how_things_are_and_no_more(service: Receiver) -> None:
    found = beat(Facts(alerts=3, evaluated_at=NOW), address(service), "prod", NOW)
    assert found.is_sent
    (request,) = service.requests
    assert request.path == f"/{SECRET}?token={SECRET}"
    assert request.json == {
        "status": "healthy",
        "environment": "prod",
        "time": "2026-11-01T12:00:00+00:00",
        "alerts": 3,
        "last_sync_at": None,
        "last_evaluation_at": "2026-11-01T12:00:00+00:00",
    }
    assert SECRET not in repr(found)


def test_without_health_nothing_is_sent(service: Receiver) -> None:
    found = beat(Facts(lakehouse_error="no disk"), address(service), "prod", NOW)
    assert (found.is_sent, found.reasons) == (False, ("the lakehouse does not answer: no disk",))
    assert service.requests == []


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(503, SECRET.encode()), "HTTP 503: ***"),
        (Reply(404, b"no such check"), "HTTP 404: no such check"),
        (Reply(closed=True), "the connection failed"),
        (Reply(seconds=30), "no answer in time"),
    ],
)
def test_a_service_that_fails_or_hangs_is_told_and_raises_nothing(reply: Reply, says: str) -> None:
    with receiving(reply) as service:
        found = beat(Facts(), address(service), "prod", NOW, Http(read_seconds=0.3))
    assert found.failure is not None
    assert says in found.failure
    assert SECRET not in found.words


@pytest.mark.parametrize("given", [f"hc-ping.com/{SECRET}", f"ftp://host/{SECRET}", "https://", f"https://[{SECRET}"])
def test_a_wrong_address_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(SettingsError, match="ALERTING_HEARTBEAT_URL is not allowed") as told:
        heartbeat_url({"ALERTING_HEARTBEAT_URL": given})
    assert SECRET not in str(told.value)
    assert heartbeat_url({"ALERTING_HEARTBEAT_URL": " "}) is None


def test_the_command_looks_and_sends(home: Home, service: Receiver) -> None:
    nowhere = home.run("heartbeat")
    assert (nowhere.returncode, "--dry-run looks without one" in nowhere.stderr) == (2, True)
    url = address(service)
    before = home.run("heartbeat", ALERTING_HEARTBEAT_URL=url)
    assert before.returncode == 0, "nothing is configured in the tables yet"
    home.run("apply")
    found = home.json("heartbeat", ALERTING_HEARTBEAT_URL=url)
    assert (found["is_healthy"], found["is_sent"], found["reasons"]) == (True, True, [])
    assert service.requests[-1].json["alerts"] == 1
    sent = len(service.requests)
    assert "Healthy" in home.run("heartbeat", "--dry-run").stdout
    with home.tables() as tables:
        edited = datetime.now(UTC) - timedelta(hours=1)
        set_fields(tables, "B", {**_fields(), "alert_name": "Two"}, edited)
    found = home.json("heartbeat", expect=1, ALERTING_HEARTBEAT_URL=url)
    assert found["reasons"][0].startswith("B changed more than 30 minutes ago")
    told = home.run("heartbeat", ALERTING_HEARTBEAT_URL=url)
    assert (told.returncode, "  - B changed more than" in told.stdout) == (1, True)
    assert len(service.requests) == sent
    assert SECRET not in told.stdout + told.stderr + json.dumps(found)


def _fields() -> dict[str, str]:
    return {
        "agent_domain": "COST",
        "severity": "INFO",
        "alert_query_template": "SELECT 1 AS cost",
        "aggregation_column": "cost",
        "operator": "GREATER_THAN",
        "threshold_value_double": "5",
        "schedule_cron": "0 0 8 * * ?",
        "owner": "o@example.com",
    }


def test_overdue_alerts_and_a_workspace_that_is_gone_stop_the_heartbeat(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.define({"alert_id": "A", "alert_name": "One"})
    with home.tables() as tables, LocalWorkspaceServer(home.settings.workspace_root, tables.query, port=0):
        assert home.run("apply").returncode == 0
        now = datetime.now(UTC)
        assert beat(look(home.tables, home.settings, now), None, "dev", now).reasons == ()
        later = now + timedelta(days=1, hours=1)
        (reason,) = beat(look(home.tables, home.settings, later), None, "dev", later).reasons
        assert reason.startswith("A due since")
        idle = replace(home.settings, lakehouse="warehouse")
        assert beat(look(home.tables, idle, later), None, "dev", later).reasons == (), "nobody said that we evaluate"
    (reason,) = beat(look(home.tables, home.settings, now), None, "dev", now).reasons
    assert reason.startswith("the workspace does not answer")


def test_the_sensor_tells_in_its_ticks_what_it_did(
    home: Home, service: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home.run("apply")
    monkeypatch.chdir(home.path)
    monkeypatch.setenv("ALERTING_HOME", str(home.settings.home))
    monkeypatch.delenv("ALERTING_HEARTBEAT_URL", raising=False)
    assert heartbeat_sensor(minutes=5).default_status is dg.DefaultSensorStatus.STOPPED
    assert "is not set" in _tick()
    monkeypatch.setenv("ALERTING_HEARTBEAT_URL", address(service))
    sensor = heartbeat_sensor(minutes=5)
    assert (sensor.default_status, sensor.minimum_interval_seconds) == (dg.DefaultSensorStatus.RUNNING, 300)
    with caplog.at_level(logging.DEBUG):
        assert _tick() == "healthy; the heartbeat was sent: HTTP 200: ok"
        service.answer = Reply(500, b"sorry")
        assert "was not delivered" in _tick()
    assert [request.json["status"] for request in service.requests] == ["healthy", "healthy"]
    assert SECRET not in caplog.text
    assert SECRET not in repr(AlertingResource.from_environment())
    monkeypatch.setenv("ALERTING_HEARTBEAT_URL", SECRET)
    assert "is not allowed" in _tick()


def _tick() -> str:
    resource: Any = AlertingResource.from_environment()
    with dg.build_sensor_context(resources={"alerting": resource}) as context:
        (skip,) = [heartbeat_sensor(minutes=5)(context)]
    assert isinstance(skip, dg.SkipReason)
    return str(skip.skip_message)


def test_a_lakehouse_that_cannot_be_opened_is_a_reason(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settings.home.mkdir()
    (home.settings.home / "lakehouse").write_text("no folder")
    facts = look(lambda: lakehouse_of_looks(home.settings), home.settings, NOW)
    assert facts.lakehouse_error is not None
