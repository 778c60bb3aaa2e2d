"""Destinations in the graph and at the sensor, in a real Dagster instance, with the workspace over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from alerting_assets.assets.validation import DEPLOYED_ALERTS
from alerting_assets.automation.sensors import DEPLOYED_DESTINATIONS
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.tables import NOTIFICATION_DESTINATIONS
from alerting_assets.workspace import open_workspace
from alerting_assets_tests.examples import values
from alerting_assets_tests.integration.platform import Platform
from alerting_assets_tests.integration.test_graph import platform  # noqa: F401 — a fixture
from alerting_assets_tests.integration.test_sensor import Watched, watched  # noqa: F401 — a fixture

pytestmark = pytest.mark.integration

FAILED = dg.AssetCheckKey(DEPLOYED_DESTINATIONS, "no_destination_failed")
WRONG = dg.AssetCheckKey(dg.AssetKey("notification_destinations"), "destinations_are_right")


def define(platform: Platform, channels: dict[str, list[str]], *destinations: dict[str, Any]) -> None:  # noqa: F811
    """channels: of each alert."""
    alerts = [
        values(
            alert_id=name,
            alert_name=name,
            alert_query_template="SELECT cost FROM costs",
            aggregation_type=None,
            notification_channels=told,
        )
        for name, told in channels.items()
    ]
    (platform.settings.definitions / "alerts.yml").write_text(
        json.dumps({"alerts": alerts, "destinations": destinations})
    )


def mail(destination_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "destination_id": destination_id,
        "destination_type": "EMAIL",
        "email_addresses": ["a@example.com"],
        "owner": "o",
        **changes,
    }


def passed(platform: Platform, check: dg.AssetCheckKey) -> bool | None:  # noqa: F811
    (record,) = platform.instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert record.event is not None
    return record.event.asset_check_evaluation.passed if record.event.asset_check_evaluation else None


def change(watched: Watched, destination_id: str, **changes: Any) -> None:  # noqa: F811
    """As by SQL."""
    row = {
        **mail(destination_id),
        "destination_name": destination_id,
        "is_enabled": True,
        "managed_by": "sql",
        "created_at": datetime.now(UTC),
        **changes,
    }
    whole = arrow_schema(NOTIFICATION_DESTINATIONS)
    table = pa.Table.from_pylist([row], schema=pa.schema([whole.field(name) for name in row]))
    with watched.platform.tables() as tables:
        tables.merge(NOTIFICATION_DESTINATIONS.name, table, on=["destination_id"])


def test_destinations_come_before_their_alerts_and_a_broken_one_is_a_failed_check(platform: Platform) -> None:  # noqa: F811
    define(
        platform,
        {"A": ["team"], "B": ["broken"], "C": ["unset"]},
        mail("team"),
        mail("broken", email_addresses=["nobody"]),
        {"destination_id": "unset", "destination_type": "SLACK", "secret_ref": "env:NOT_SET_ANYWHERE", "owner": "o"},
    )
    assert platform.run("sync").success
    assert platform.remote() == ["[WARNING] A"]
    assert [one.name for one in open_workspace(platform.settings).list_destinations()] == ["team"]
    assert (passed(platform, WRONG), passed(platform, FAILED)) == (False, False)
    assert "NOT_SET_ANYWHERE is not set" in str(platform.observed(DEPLOYED_ALERTS, "C"))
    define(platform, {"A": ["team"]}, mail("team"))
    assert platform.run("sync").success
    assert (passed(platform, WRONG), passed(platform, FAILED)) == (True, True)


def test_a_changed_destination_wakes_the_sensor_for_the_alerts_that_use_it(watched: Watched) -> None:  # noqa: F811
    change(watched, "team")
    watched.configure("A", notification_channels="[team]")
    watched.configure("B")
    watched.react()
    assert watched.platform.remote() == ["[WARNING] A", "[WARNING] B"]
    watched.assert_quiet()
    change(watched, "team", email_addresses=["b@example.com"])
    result = watched.react()
    assert result.success
    assert watched.platform.metadata(dg.AssetKey("deployment_report"))["this_run"] == "1 of 2 alerts"
    watched.assert_quiet()


def test_a_destination_that_nobody_uses_is_deployed_alone(watched: Watched) -> None:  # noqa: F811
    watched.configure("A")
    watched.react()
    change(watched, "team")
    result = watched.react()
    assert {event.step_key for event in result.all_events if event.step_key} == {"deployed_destinations"}
    assert [one.name for one in open_workspace(watched.platform.settings).list_destinations()] == ["team"]
    watched.assert_quiet()
