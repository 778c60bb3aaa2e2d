"""The sensor in a real Dagster instance: what it starts is run, and the workspace looked at over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from alerting_assets.automation.sensors import CHANGE, SENSOR, Cursor, look
from alerting_assets.configuration import delete_alert, set_fields
from alerting_assets.deployment.work import pause_after
from alerting_assets.lakehouse.tables import create_tables
from alerting_assets_tests.examples import values
from alerting_assets_tests.integration.platform import Platform
from alerting_assets_tests.integration.test_graph import platform  # noqa: F401 — a fixture

pytestmark = pytest.mark.integration

GOOD, BAD = "SELECT cost FROM costs", "SELECT nope AS cost FROM costs"


class Watched:
    """A platform, and its sensor with the cursor that Dagster keeps for it."""

    def __init__(self, platform: Platform) -> None:  # noqa: F811
        self.platform = platform
        self.cursor: str | None = None
        with platform.tables() as tables:
            create_tables(tables)

    def configure(self, alert_id: str, **changes: Any) -> None:
        fields = values(alert_id=alert_id, alert_name=alert_id, alert_query_template=GOOD, aggregation_type=None)
        kept = {
            name: str(value)
            for name, value in {**fields, **changes}.items()
            if value is not None and name != "alert_id"
        }
        with self.platform.tables() as tables:
            set_fields(tables, alert_id, kept, datetime.now(UTC))

    def remove(self, alert_id: str) -> None:
        with self.platform.tables() as tables:
            delete_alert(tables, alert_id)

    def look(self, now: datetime | None = None) -> dg.SensorResult:
        """As the daemon does: keys are added and removed, the cursor kept; whether the run is started is the test's to say."""
        context = dg.build_sensor_context(instance=self.platform.instance, cursor=self.cursor)
        found = look(context, self.platform.settings, now or datetime.now(UTC))
        self.cursor = found.cursor
        for request in found.dynamic_partitions_requests or ():
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.platform.instance.add_dynamic_partitions("alert_id", list(request.partition_keys))
            else:
                for key in request.partition_keys:
                    self.platform.instance.delete_dynamic_partition("alert_id", key)
        return found

    def react(self, now: datetime | None = None) -> Any:
        """A look that must find something, and its run."""
        (request,) = self.look(now).run_requests or ()
        tags = {**request.tags, "dagster/sensor_name": SENSOR, "dagster/run_key": str(request.run_key)}
        config, assets = request.run_config, request.asset_selection
        return self.platform.run("sync_changed", config=config, tags=tags, assets=assets)

    def assert_quiet(self, now: datetime | None = None) -> None:
        found = self.look(now)
        assert not found.run_requests, found.run_requests
        assert found.skip_reason is not None

    def keys(self) -> set[str]:
        return set(self.platform.instance.get_dynamic_partitions("alert_id"))


@pytest.fixture
def watched(platform: Platform) -> Watched:  # noqa: F811
    return Watched(platform)


def test_an_empty_table_starts_nothing(watched: Watched) -> None:
    watched.assert_quiet()


def test_edits_by_sql_reach_the_workspace_in_one_run_and_its_write_back_starts_nothing(watched: Watched) -> None:
    for name in ("A", "B", "C"):
        watched.configure(name)
    assert watched.react().success
    assert watched.platform.remote() == ["[WARNING] A", "[WARNING] B", "[WARNING] C"]
    watched.assert_quiet()
    watched.configure("A", severity="CRITICAL")
    watched.configure("D")
    watched.remove("C")
    writes = watched.platform.writes()
    assert watched.react().success
    assert watched.platform.remote() == ["[CRITICAL] A", "[WARNING] B", "[WARNING] D"]
    assert watched.platform.writes() == writes + 3
    assert watched.keys() == {"A", "B", "D"}
    watched.assert_quiet()


def test_a_lost_cursor_loses_nothing_and_repeats_nothing(watched: Watched) -> None:
    watched.configure("A")
    watched.react()
    watched.cursor = None
    watched.assert_quiet()
    watched.configure("B")
    watched.cursor = "nonsense"
    assert watched.react().success
    assert watched.platform.remote() == ["[WARNING] A", "[WARNING] B"]


def test_a_run_that_is_under_way_is_waited_for(watched: Watched) -> None:
    watched.configure("A")
    tags = {"dagster/sensor_name": SENSOR}
    job = watched.platform.definitions.resolve_job_def("sync_changed")
    watched.platform.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    found = watched.look()
    assert not found.run_requests
    assert "is under way" in str(found.skip_reason)


def test_no_run_is_wasted_on_a_workspace_that_is_away(watched: Watched) -> None:
    watched.configure("A")
    watched.platform.server.stop()
    assert "alerting workspace serve" in str(watched.look().skip_reason)


def test_failed_attempts_at_a_change_wait_longer_and_longer(watched: Watched) -> None:
    for name in ("A", "B", "C", "D", "E"):
        watched.configure(name)
    watched.platform.fault(match={"method": "GET", "path": "/api/2.0/alerts"}, fault="error", status=401)
    now = datetime.now(UTC)
    assert not watched.react(now).success
    found = watched.look(now + timedelta(seconds=1))
    assert "attempt 1 at this change did not succeed" in str(found.skip_reason)
    later = datetime.now(UTC) + pause_after(1)
    assert not watched.react(later).success
    watched.assert_quiet(later + timedelta(seconds=1))
    watched.platform.heal()
    watched.configure("A", severity="CRITICAL")
    assert watched.react(later + timedelta(seconds=2)).success, "a new edit is a new change, which waits for nothing"
    assert len(watched.platform.remote()) == 5


def test_an_alert_that_the_workspace_refuses_is_tried_again_when_it_is_due(watched: Watched) -> None:
    watched.configure("A")
    watched.configure("B")
    watched.platform.fault(match={"method": "POST", "path": "/api/2.0/alerts"}, fault="error", status=400, times=1)
    assert watched.react().success
    assert len(watched.platform.remote()) == 1
    watched.assert_quiet()
    assert watched.react(datetime.now(UTC) + pause_after(1)).success
    assert watched.platform.remote() == ["[WARNING] A", "[WARNING] B"]
    watched.assert_quiet(datetime.now(UTC) + timedelta(days=1))


def test_looks_that_found_nothing_are_counted_and_told_to_the_next_sync(watched: Watched) -> None:
    watched.configure("A")
    watched.react()
    for _ in range(3):
        watched.assert_quiet()
    assert Cursor.read(watched.cursor) == Cursor(3)
    watched.configure("B")
    (request,) = watched.look().run_requests or ()
    assert request.run_config["ops"]["deploy"]["config"]["syncs_avoided"] == 3
    assert request.run_config["ops"]["deploy"]["config"]["alert_ids"] == ["B"]
    assert request.run_key == f"{request.tags[CHANGE]}:1"


def test_keys_of_alerts_that_the_command_line_removed_go(watched: Watched) -> None:
    watched.configure("A")
    watched.react()
    watched.platform.instance.add_dynamic_partitions("alert_id", ["GONE"])
    watched.assert_quiet()
    assert watched.keys() == {"A"}
