"""Routes in the graph and at the sensor, in a real Dagster instance, with the workspace over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.tables import NOTIFICATION_ROUTES
from alerting_assets.workspace import open_workspace
from alerting_assets_tests.integration.platform import Platform
from alerting_assets_tests.integration.test_destinations import define, passed
from alerting_assets_tests.integration.test_graph import platform  # noqa: F401 — a fixture
from alerting_assets_tests.integration.test_sensor import Watched, watched  # noqa: F401 — a fixture

pytestmark = pytest.mark.integration

RIGHT = dg.AssetCheckKey(dg.AssetKey("notification_routes"), "routes_are_right")


def told(platform: Platform) -> dict[str, list[str]]:  # noqa: F811
    return {
        alert.body["display_name"].partition("] ")[2]: [
            one["user_email"] for one in alert.body["evaluation"]["notification"].get("subscriptions", [])
        ]
        for alert in open_workspace(platform.settings).list_alerts()
    }


def by_sql(watched: Watched, route_id: str, position: int, **changes: Any) -> None:  # noqa: F811
    row = {
        "route_id": route_id,
        "position": position,
        "channels": ["a@example.com"],
        "owner": "o",
        "managed_by": "sql",
        "created_at": datetime.now(UTC),
        **changes,
    }
    whole = arrow_schema(NOTIFICATION_ROUTES)
    table = pa.Table.from_pylist([row], schema=pa.schema([whole.field(name) for name in row]))
    with watched.platform.tables() as tables:
        tables.merge(NOTIFICATION_ROUTES.name, table, on=["route_id"])


@pytest.mark.thorough
def test_the_graph_loads_routes_before_it_deploys_and_a_broken_file_is_a_failed_check(platform: Platform) -> None:  # noqa: F811
    define(platform, {"A": [], "B": ["b@example.com"]})
    routes = [{"route_id": "all", "channels": ["a@example.com"], "owner": "o"}]
    file = platform.settings.definitions / "routing.yml"
    file.write_text(json.dumps({"routes": routes}))
    assert platform.run("sync").success
    assert told(platform) == {"A": ["a@example.com"], "B": ["b@example.com"]}
    assert passed(platform, RIGHT)
    assert platform.unsynced() == {}
    file.write_text(json.dumps({"routes": [{**routes[0], "channels": ["c@example.com", "No Name"]}]}))
    assert platform.run("sync", assets=[dg.AssetKey("notification_routes")]).success
    assert passed(platform, RIGHT) is False
    assert "c@example.com" not in str(platform.metadata(dg.AssetKey("notification_routes"))["routes"])


def test_a_changed_route_wakes_the_sensor_for_the_alerts_that_it_changes(watched: Watched) -> None:  # noqa: F811
    by_sql(watched, "critical", 10, match_severities=["CRITICAL"])
    watched.configure("A")
    watched.configure("B", severity="CRITICAL")
    watched.configure("C", notification_channels="[c@example.com]")
    watched.react()
    assert told(watched.platform) == {"A": [], "B": ["a@example.com"], "C": ["c@example.com"]}
    watched.assert_quiet()
    by_sql(watched, "default", 20, channels=["b@example.com"])
    assert watched.react().success
    assert watched.platform.metadata(dg.AssetKey("deployment_report"))["this_run"] == "1 of 3 alerts"
    assert told(watched.platform) == {"A": ["b@example.com"], "B": ["a@example.com"], "C": ["c@example.com"]}
    watched.assert_quiet()
    by_sql(watched, "default", 30, owner="somebody else", channels=["b@example.com"])
    watched.assert_quiet()  # a change that changes nobody starts nothing
