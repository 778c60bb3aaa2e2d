"""Destinations against the real local workspace over HTTP, with its faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from alerting_assets.configuration import DESTINATION, read_listed
from alerting_assets.deployment import DestinationSyncer, due_destinations
from alerting_assets.errors import WorkspaceDenied
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.tables import DESTINATION_DEPLOYMENTS, NOTIFICATION_DESTINATIONS
from alerting_assets.workspace import open_workspace
from alerting_assets_tests.deployment.world import World

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
PATH = "/api/2.0/notification-destinations"
URL = "https://hooks.example.com/services/KNOWN-SECRET"


class Destinations:
    def __init__(self, world: World) -> None:
        self.world, self.lakehouse = world, world.lakehouse
        self.workspace = open_workspace(world.settings)
        self.later = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.later

    def configure(self, destination_id: str, **changes: Any) -> None:
        kind = changes.get("destination_type", "EMAIL")
        reach = {"email_addresses": ["a@example.com"]} if kind == "EMAIL" else {"secret_ref": "env:TEST_URL"}
        row = {
            "destination_id": destination_id,
            "destination_name": destination_id.title(),
            "destination_type": kind,
            "is_enabled": True,
            "owner": "ann@example.com",
            "managed_by": "sql",
            "created_at": NOW,
            "updated_at": NOW,
            **reach,
            **changes,
        }
        whole = arrow_schema(NOTIFICATION_DESTINATIONS)
        names = [*dict.fromkeys([*row, "email_addresses", "secret_ref"])]
        table = pa.Table.from_pylist([row], schema=pa.schema([whole.field(name) for name in names]))
        update = [name for name in names if name != "destination_id"]
        self.lakehouse.merge(NOTIFICATION_DESTINATIONS.name, table, on=["destination_id"], update=update)

    def remove(self, destination_id: str) -> None:
        self.lakehouse.delete(NOTIFICATION_DESTINATIONS.name, pa.table({"destination_id": [destination_id]}))

    def sync(self) -> dict[str, str]:
        """destination_id → status."""
        syncer = DestinationSyncer(open_workspace(self.world.settings), "test", 8)
        outcomes = syncer.sync(self.lakehouse, self.now).outcomes
        ended = {one.destination_id: one.status.value for one in outcomes if one.planned.desired is None}
        return ended | {one.destination_id: one.status.value for one in outcomes if one.planned.desired is not None}

    def row(self, destination_id: str) -> dict[str, Any]:
        return next(row for row in read_listed(self.lakehouse, DESTINATION) if row["destination_id"] == destination_id)

    def remote(self) -> dict[str, str]:
        """name → type."""
        return {one.name: one.type for one in self.workspace.list_destinations()}

    def due(self) -> set[str]:
        return due_destinations(self.lakehouse, "test", "local", self.now())

    def writes(self) -> int:
        found = self.world.request("GET", "/api/local/journal", params={"writes": "true"})["requests"]
        return sum(request["path"].startswith(PATH) for request in found)

    def assert_settled(self) -> None:
        versions = [self.lakehouse.version(spec.name) for spec in (NOTIFICATION_DESTINATIONS, DESTINATION_DEPLOYMENTS)]
        writes = self.writes()
        assert set(self.sync().values()) <= {"UNCHANGED"}
        assert self.writes() == writes
        assert [
            self.lakehouse.version(spec.name) for spec in (NOTIFICATION_DESTINATIONS, DESTINATION_DEPLOYMENTS)
        ] == versions
        assert self.due() == set()


@pytest.fixture
def destinations(world: World, monkeypatch: pytest.MonkeyPatch) -> Destinations:
    monkeypatch.setenv("TEST_URL", URL)
    return Destinations(world)


def test_they_are_created_updated_and_deleted_as_configured(destinations: Destinations) -> None:
    destinations.configure("mail")
    destinations.configure("slack", destination_type="SLACK")
    destinations.configure("teams", destination_type="MICROSOFT_TEAMS")
    destinations.configure("pager", destination_type="PAGERDUTY")
    destinations.configure("hook", destination_type="WEBHOOK")
    assert destinations.due() == {"mail", "slack", "teams", "pager", "hook"}
    assert set(destinations.sync().values()) == {"CREATED"}
    assert destinations.remote() == {
        "Mail": "EMAIL",
        "Slack": "SLACK",
        "Teams": "MICROSOFT_TEAMS",
        "Pager": "PAGERDUTY",
        "Hook": "WEBHOOK",
    }
    destinations.assert_settled()

    remote_id = destinations.row("mail")["databricks_destination_id"]
    destinations.configure("mail", email_addresses=["b@example.com", "c@example.com"], destination_name="Finance")
    destinations.remove("hook")
    assert destinations.due() == {"mail", "hook"}
    found = destinations.sync()
    assert (found["mail"], found["hook"], found["slack"]) == ("UPDATED", "DELETED", "UNCHANGED")
    assert destinations.workspace.get_destination(remote_id).config == {
        "email": {"addresses": ["b@example.com", "c@example.com"]}
    }
    assert "Hook" not in destinations.remote()
    destinations.assert_settled()


def test_a_rotated_secret_is_one_update_and_stands_nowhere(
    destinations: Destinations, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    destinations.configure("slack", destination_type="SLACK")
    destinations.configure("mail")
    destinations.sync()
    monkeypatch.setenv("TEST_URL", f"{URL}-2")
    syncer = DestinationSyncer(destinations.workspace, "test", 8)
    (planned,) = [one for one in syncer.plan(destinations.lakehouse) if one.sends]
    assert [field.path for field in planned.fields] == ["secret"]
    assert "KNOWN-SECRET" not in repr(planned)
    assert destinations.sync() == {"mail": "UNCHANGED", "slack": "UPDATED"}
    destinations.assert_settled()
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and b"KNOWN-SECRET" in path.read_bytes()]
    assert holding == []


def test_a_secret_of_a_scope_is_read_there(destinations: Destinations) -> None:
    destinations.world.request("POST", "/api/2.0/secrets/scopes/create", json={"scope": "alerting"})
    given = {"scope": "alerting", "key": "url", "string_value": URL}
    destinations.world.request("POST", "/api/2.0/secrets/put", json=given)
    destinations.configure("slack", destination_type="SLACK", secret_ref="{{secrets/alerting/url}}")
    destinations.configure("other", destination_type="SLACK", secret_ref="{{secrets/alerting/nope}}")
    assert destinations.sync() == {"other": "ERROR", "slack": "CREATED"}
    assert "nope" in destinations.row("other")["last_sync_error"]


def test_a_variable_that_is_not_set_is_the_error_of_its_destination_and_it_is_due_again(
    destinations: Destinations, monkeypatch: pytest.MonkeyPatch
) -> None:
    destinations.configure("mail")
    destinations.configure("slack", destination_type="SLACK", secret_ref="env:NOT_SET")
    assert destinations.sync() == {"mail": "CREATED", "slack": "ERROR"}
    assert "NOT_SET is not set" in destinations.row("slack")["last_sync_error"]
    assert destinations.due() == set()
    destinations.later += timedelta(minutes=2)
    assert destinations.due() == {"slack"}
    monkeypatch.setenv("NOT_SET", URL)
    assert destinations.sync()["slack"] == "CREATED"
    destinations.assert_settled()


def test_one_of_the_same_name_and_type_is_taken_over_and_never_deleted(destinations: Destinations) -> None:
    there = destinations.workspace.create_destination(
        {"display_name": "Mail", "config": {"email": {"addresses": ["x@example.com"]}}}
    )
    destinations.workspace.create_destination(
        {"display_name": "Slack", "config": {"email": {"addresses": ["x@example.com"]}}}
    )
    destinations.configure("mail")
    destinations.configure("slack", destination_type="SLACK")
    assert destinations.sync() == {"mail": "UPDATED", "slack": "CREATED"}
    assert destinations.row("mail")["databricks_destination_id"] == there.id
    assert destinations.workspace.get_destination(there.id).config == {"email": {"addresses": ["a@example.com"]}}
    destinations.assert_settled()
    destinations.remove("mail")
    destinations.sync()
    assert "Mail" in destinations.remote(), "it was there before us"
    destinations.assert_settled()


def test_a_name_that_is_there_twice_is_told_and_nothing_is_guessed(destinations: Destinations) -> None:
    for _ in range(2):
        destinations.workspace.create_destination(
            {"display_name": "Mail", "config": {"email": {"addresses": ["x@example.com"]}}}
        )
    destinations.configure("mail")
    assert destinations.sync() == {"mail": "INVALID"}
    assert "2 destinations of the workspace are called 'Mail'" in destinations.row("mail")["last_sync_error"]


def test_one_that_somebody_deleted_or_renamed_is_put_right(destinations: Destinations) -> None:
    destinations.configure("mail")
    destinations.configure("other")
    destinations.sync()
    destinations.workspace.delete_destination(destinations.row("mail")["databricks_destination_id"])
    destinations.workspace.update_destination(
        destinations.row("other")["databricks_destination_id"], {"display_name": "mine"}
    )
    assert destinations.sync() == {"mail": "CREATED", "other": "UPDATED"}
    assert destinations.remote().keys() == {"Mail", "Other"}
    destinations.assert_settled()


def test_another_type_is_another_destination_and_the_old_one_goes_once_nobody_uses_it(
    destinations: Destinations,
) -> None:
    destinations.configure("ops")
    destinations.sync()
    old = destinations.row("ops")["databricks_destination_id"]
    destinations.world.configure("A", notification_channels=[old])
    destinations.world.sync()
    destinations.configure("ops", destination_type="SLACK", email_addresses=None)
    syncer = DestinationSyncer(destinations.workspace, "test", 8)
    plan = syncer.plan(destinations.lakehouse)
    assert "its type changed from EMAIL to SLACK" in plan[0].reason
    assert "is used by [WARNING] Alert A" in plan[1].reason
    destinations.sync()
    new = destinations.row("ops")["databricks_destination_id"]
    assert {one.id for one in destinations.workspace.list_destinations()} == {old, new}
    destinations.assert_settled()
    destinations.world.configure("A", notification_channels=[new])
    destinations.world.sync()
    destinations.later += timedelta(hours=2)
    assert destinations.due() == {"ops"}
    destinations.sync()
    assert {one.id for one in destinations.workspace.list_destinations()} == {new}
    destinations.assert_settled()


def test_a_disabled_one_is_not_made_and_one_that_was_made_stays(destinations: Destinations) -> None:
    destinations.configure("off", is_enabled=False)
    destinations.configure("on")
    destinations.sync()
    assert destinations.remote().keys() == {"On"}
    destinations.configure("on", is_enabled=False)
    assert destinations.due() == {"on"}
    assert destinations.sync() == {"off": "UNCHANGED", "on": "UPDATED"}
    assert destinations.remote().keys() == {"On"}
    destinations.assert_settled()


@pytest.mark.parametrize("fault", ["lose_response", "error"])
def test_a_creation_whose_answer_is_lost_is_found_and_made_once(destinations: Destinations, fault: str) -> None:
    rule: dict[str, Any] = {"fault": fault, "match": {"method": "POST", "path": PATH}, "times": 1}
    if fault == "error":
        rule["status"] = 503
    destinations.configure("mail")
    destinations.world.fault(**rule)
    first = destinations.sync()
    destinations.world.heal()
    destinations.later += timedelta(minutes=5)
    second = destinations.sync()
    assert "mail" in first
    assert second["mail"] in ("UNCHANGED", "CREATED", "UPDATED")
    assert [one.name for one in destinations.workspace.list_destinations()] == ["Mail"]
    destinations.assert_settled()


def test_a_list_that_lacks_one_makes_no_second_one(destinations: Destinations) -> None:
    destinations.configure("first")
    destinations.configure("second")
    destinations.sync()
    destinations.world.fault(fault="stale_list", writes=2, match={"method": "GET", "path": PATH})
    assert destinations.workspace.list_destinations() == []
    assert destinations.sync() == {"first": "UNCHANGED", "second": "UNCHANGED"}
    destinations.world.heal()
    assert len(destinations.workspace.list_destinations()) == 2
    destinations.assert_settled()


def test_a_refused_one_is_its_own_error(destinations: Destinations) -> None:
    destinations.world.fault(fault="error", status=400, times=1, match={"method": "POST", "path": PATH})
    for name in ("a", "b", "c"):
        destinations.configure(name)
    found = destinations.sync()
    assert sorted(found.values()) == ["CREATED", "CREATED", "ERROR"]
    destinations.later += timedelta(minutes=5)
    assert sorted(destinations.sync().values()) == ["CREATED", "UNCHANGED", "UNCHANGED"]
    destinations.assert_settled()


def test_a_refused_token_ends_it_and_what_was_done_is_known(destinations: Destinations) -> None:
    for number in range(6):
        destinations.configure(f"d{number}")
    destinations.world.fault(fault="error", status=401, after=2, match={"method": "POST", "path": PATH})
    syncer = DestinationSyncer(open_workspace(destinations.world.settings), "test", 1)
    with pytest.raises(WorkspaceDenied):
        syncer.sync(destinations.lakehouse, destinations.now)
    known = [destinations.row(f"d{number}")["databricks_destination_id"] for number in range(6)]
    assert sum(one is not None for one in known) == 2
    destinations.world.heal()
    assert sorted(destinations.sync().values()) == ["CREATED"] * 4 + ["UNCHANGED"] * 2
    destinations.assert_settled()


def test_who_may_not_list_them_has_an_error_a_destination(destinations: Destinations) -> None:
    destinations.configure("mail")
    destinations.world.fault(fault="error", status=403, match={"method": "GET", "path": PATH})
    assert destinations.sync() == {"mail": "ERROR"}
    assert "nobody can say what is in the workspace" in destinations.row("mail")["last_sync_error"]


def test_three_hundred_take_one_list_a_sync(destinations: Destinations) -> None:
    row = {
        "destination_type": "EMAIL",
        "email_addresses": ["a@example.com"],
        "is_enabled": True,
        "owner": "o",
        "managed_by": "sql",
        "created_at": NOW,
    }
    rows = [{"destination_id": f"d{number}", "destination_name": f"D {number}", **row} for number in range(300)]
    destinations.lakehouse.append(
        NOTIFICATION_DESTINATIONS.name, pa.Table.from_pylist(rows, schema=arrow_schema(NOTIFICATION_DESTINATIONS))
    )
    assert set(destinations.sync().values()) == {"CREATED"}
    workspace = open_workspace(destinations.world.settings)
    outcomes = DestinationSyncer(workspace, "test", 8).sync(destinations.lakehouse, destinations.now).outcomes
    assert {one.status.value for one in outcomes} == {"UNCHANGED"}
    assert workspace.writes == 0
    assert workspace.reads <= 4, "pages of one list"
