"""What people are told of failures in our own code location, in a real Dagster instance, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from alerting_assets.automation.own_failures import own_failure_alerts
from alerting_assets.lakehouse.tables import ALERT_DELIVERIES
from alerting_assets_tests.delivery.receiver import Receiver, receiving
from alerting_assets_tests.examples import values
from alerting_assets_tests.integration.platform import Platform
from alerting_assets_tests.integration.test_graph import platform  # noqa: F401 — a fixture

pytestmark = pytest.mark.integration

GOOD, BAD = "SELECT SUM(cost) AS cost FROM costs", "SELECT SUM(nope) AS cost FROM costs"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as opened:
        monkeypatch.setenv("OPS_URL", opened.url)
        yield opened


class Watch:
    def __init__(self, platform: Platform, receiver: Receiver, notify: str | None) -> None:  # noqa: F811
        self._platform, self._receiver = platform, receiver
        self._sensor = own_failure_alerts(replace(platform.settings, notify=notify, dagster_url="http://d.example.com"))
        self._told = 0

    def look(self) -> str:
        context = dg.build_sensor_context(self._platform.instance, definitions=self._platform.definitions)
        result = self._sensor(context)
        assert isinstance(result, dg.SensorResult)
        return str(getattr(result.skip_reason, "skip_message", result.skip_reason))

    def told(self) -> list[dict[str, Any]]:
        found = [request.json["event"] for request in self._receiver.requests[self._told :]]
        self._told += len(found)
        return found


def define(platform: Platform, *destinations: dict[str, Any], **queries: str) -> None:  # noqa: F811
    alerts = [
        values(
            alert_id=name, alert_name=name, alert_query_template=query, aggregation_type=None, owner="ann@example.com"
        )
        for name, query in queries.items()
    ]
    document: dict[str, Any] = {"alerts": alerts, **({"destinations": list(destinations)} if destinations else {})}
    (platform.settings.definitions / "alerts.yml").write_text(json.dumps(document, indent=1))


def test_a_broken_alert_is_told_with_its_id_its_reason_and_its_line(platform: Platform, receiver: Receiver) -> None:  # noqa: F811
    ops = {"destination_id": "ops", "destination_type": "WEBHOOK", "secret_ref": "env:OPS_URL", "owner": "o"}
    define(platform, ops, A=GOOD, B=BAD)
    watch = Watch(platform, receiver, "ops")
    assert "it begins now" in watch.look()
    run = platform.run("sync")
    watch.look()
    (event,) = watch.told()
    assert event["subject"] == "Failed: B: analysis of validated_queries"
    assert "nope" in event["body_text"]
    line = 1 + (platform.settings.definitions / "alerts.yml").read_text().splitlines().index(
        '   "alert_query_template": "SELECT SUM(nope) AS cost FROM costs",'
    )
    assert f"alerts.yml:{line}" in event["body_text"]
    assert event["details"]["Owner"] == "ann@example.com"
    assert event["url"] == f"http://d.example.com/runs/{run.run_id}"
    with platform.tables() as tables:
        (row,) = tables.read(ALERT_DELIVERIES.name).to_pylist()
    assert (row["event"], row["destination_id"], row["alert_id"], row["outcome"]) == (
        "CHECK_FAILURE",
        "ops",
        "B",
        "SENT",
    )

    platform.run("sync")
    watch.look()
    assert watch.told() == []

    define(platform, ops, A=GOOD, B=GOOD)
    platform.run("sync")
    watch.look()
    (over,) = watch.told()
    assert over["subject"] == "Well again: B: analysis of validated_queries"


@pytest.mark.thorough
def test_a_query_that_was_judged_before_is_told_again_and_a_removed_alert_is_no_longer_there(
    platform: Platform,  # noqa: F811
    receiver: Receiver,
) -> None:
    watch = Watch(platform, receiver, "webhook+env:OPS_URL")
    watch.look()
    for query in (BAD, GOOD):
        define(platform, A=GOOD, B=query)
        platform.run("sync")
        watch.look()
    watch.told()
    define(platform, A=GOOD, B=BAD)
    platform.run("sync")
    watch.look()
    assert "B: analysis of validated_queries" in watch.told()[0]["subject"]
    define(platform, A=GOOD)
    platform.run("sync")
    watch.look()
    assert "No longer there: B: analysis of validated_queries" in [event["subject"] for event in watch.told()]


def test_notify_yml_is_no_definition_and_a_destination_that_is_not_there_is_told_to_the_others(
    platform: Platform,  # noqa: F811
    receiver: Receiver,
) -> None:
    define(platform, A=BAD)
    (platform.settings.definitions / "notify.yml").write_text("routes:\n  - to: [nobody, webhook+env:OPS_URL]\n")
    watch = Watch(platform, receiver, None)
    watch.look()
    run = platform.run("sync")
    assert run.success
    assert "nobody: there is no notification destination of this id" in watch.look()
    told = watch.told()
    assert {event["subject"] for event in told} == {
        "Failed: A: analysis of validated_queries",
        "Failed: who is told of failures",
    }


def test_without_anybody_to_tell_the_sensor_says_how(platform: Platform, receiver: Receiver) -> None:  # noqa: F811
    assert "set ALERTING_NOTIFY, or write routes in notify.yml" in Watch(platform, receiver, None).look()
