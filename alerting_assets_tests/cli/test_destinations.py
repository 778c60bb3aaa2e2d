"""Destinations at the command line: list, plan, apply, and what becomes of the alerts that use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerting_assets.workspace import open_workspace
from alerting_assets.workspace.endpoint import Endpoint
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.delivery.receiver import Receiver, Reply

pytestmark = pytest.mark.integration

URL = "https://hooks.example.com/KNOWN-SECRET"
MAIL = {"destination_id": "mail", "destination_type": "EMAIL", "email_addresses": "a@example.com", "owner": "o"}
SLACK = {"destination_id": "slack-ops", "destination_type": "SLACK", "secret_ref": "env:OPS_URL", "owner": "o"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    with made.tables() as tables, LocalWorkspaceServer(made.settings.workspace_root, tables.query, port=0):
        yield made


def define(home: Home, *destinations: dict[str, Any]) -> None:
    folder = home.path / "alerts" / "destinations"
    folder.mkdir(exist_ok=True)
    (folder / "all.yml").write_text(json.dumps({"destinations": destinations}))


def statuses(applied: Any) -> dict[str, str]:
    return {
        one.get("alert_id") or one["destination_id"]: one["status"]
        for one in (*applied["actions"], *applied["destinations"])
    }


def subscriptions(home: Home) -> dict[str, list[dict[str, str]]]:
    """By the alert's display name."""
    return {
        alert.body["display_name"].partition("] ")[2]: alert.body["evaluation"]["notification"].get("subscriptions", [])
        for alert in open_workspace(home.settings).list_alerts()
    }


def test_an_alert_reaches_the_destinations_that_it_names(home: Home) -> None:
    home.define(
        {"alert_id": "A-1", "alert_name": "One", "notification_channels": ["mail", "slack-ops", "x@example.com"]}
    )
    define(home, MAIL, SLACK)
    planned = home.json("plan", OPS_URL=URL)
    assert [(one["destination_id"], one["action"]) for one in planned["destinations"]] == [
        ("mail", "CREATE"),
        ("slack-ops", "CREATE"),
    ]
    assert [(one["alert_id"], one["action"]) for one in planned["actions"]] == [("A-1", "CREATE")]
    applied = home.json("apply", OPS_URL=URL)
    assert statuses(applied) == {"A-1": "CREATED", "mail": "CREATED", "slack-ops": "CREATED"}
    ids = {one["destination_id"]: one["databricks_destination_id"] for one in applied["destinations"]}
    assert sorted(str(one) for one in subscriptions(home)["One"]) == sorted(
        str(one)
        for one in (
            {"destination_id": ids["mail"]},
            {"destination_id": ids["slack-ops"]},
            {"user_email": "x@example.com"},
        )
    )
    again = home.json("apply", OPS_URL=URL)
    assert again["requests"]["writes"] == 0
    told = "".join((json.dumps(planned), json.dumps(applied), home.run("apply", OPS_URL=f"{URL}-2").stdout))
    assert "KNOWN-SECRET" not in told
    assert "secret" in told, "the rotation is shown by its fingerprint"


def test_one_that_is_unknown_disabled_or_broken_holds_back_its_alerts_only(home: Home) -> None:
    home.define(
        {"alert_id": "FINE", "alert_name": "Fine", "notification_channels": ["mail"]},
        {"alert_id": "TYPO", "notification_channels": ["mial"]},
        {"alert_id": "OFF", "notification_channels": ["mail", "off"]},
        {"alert_id": "UNSET", "notification_channels": ["slack-ops"]},
        {"alert_id": "WRONG", "notification_channels": ["wrong"]},
    )
    define(
        home,
        MAIL,
        SLACK,
        {**MAIL, "destination_id": "off", "is_enabled": False},
        {**SLACK, "destination_id": "wrong", "secret_ref": URL},
    )
    for command in ("plan", "apply"):
        found = home.json(command, expect=0 if command == "plan" else 1)
        reasons = {one["alert_id"]: one["reason"] for one in found["actions"]}
        assert reasons["FINE"] == "is new"
        assert "mial is no destination; did you mean 'mail'?" in reasons["TYPO"]
        assert "the destination off is disabled" in reasons["OFF"]
        assert "OPS_URL is not set" in reasons["UNSET"]
        assert "wrong is no destination" in reasons["WRONG"]
        assert "KNOWN-SECRET" not in json.dumps(found)
    assert subscriptions(home).keys() == {"Fine"}
    notes = " ".join(home.json("validate", expect=1)["notes"])
    assert "mial is no destination" in notes


def test_what_was_held_back_is_deployed_once_its_destination_is_there(home: Home) -> None:
    home.define(
        {"alert_id": "A-1", "alert_name": "One", "notification_channels": ["slack-ops"]},
        {"alert_id": "A-2", "alert_name": "Two"},
    )
    define(home, SLACK)
    assert statuses(home.json("apply", expect=1)) == {"A-1": "INVALID", "A-2": "CREATED", "slack-ops": "ERROR"}
    define(home, {**SLACK, "secret_ref": "env:OTHER_URL"})
    applied = home.json("apply", "--changed", OTHER_URL=URL)
    assert statuses(applied) == {"A-1": "CREATED", "slack-ops": "CREATED"}, "and nothing else is looked at"
    assert home.json("apply", "--changed", OTHER_URL=URL)["requests"] == {"reads": 0, "writes": 0}


def test_one_that_goes_is_deleted_in_the_same_apply_as_its_last_alert(home: Home) -> None:
    home.define({"alert_id": "A-1", "alert_name": "One", "notification_channels": ["mail"]})
    define(home, MAIL, {**MAIL, "destination_id": "second"})
    home.json("apply")
    home.define({"alert_id": "A-1", "alert_name": "One", "notification_channels": ["second"]})
    define(home, {**MAIL, "destination_id": "second"})
    assert statuses(home.json("apply")) == {"A-1": "UPDATED", "mail": "DELETED", "second": "UNCHANGED"}
    assert [one.name for one in open_workspace(home.settings).list_destinations()] == ["second"]


def test_one_that_is_used_stays_and_its_alert_is_held(home: Home) -> None:
    home.define({"alert_id": "A-1", "alert_name": "One", "notification_channels": ["mail"]})
    define(home, MAIL)
    home.json("apply")
    define(home, {**MAIL, "destination_id": "second"})
    applied = home.json("apply", expect=1)
    assert statuses(applied)["A-1"] == "INVALID"
    assert "is used by [WARNING] One" in str(applied["destinations"])
    assert len(subscriptions(home)["One"]) == 1, "what is deployed goes on telling people"


def test_the_list_shows_types_users_and_problems(home: Home) -> None:
    home.define({"alert_id": "A-1", "notification_channels": ["mail"]})
    define(home, MAIL, SLACK)
    found = {one["destination_id"]: one for one in home.json("destinations", "list")["destinations"]}
    assert (found["mail"]["alerts"], found["mail"]["last_sync_status"]) == (["A-1"], None)
    assert found["slack-ops"]["secret_ref"] == "env:OPS_URL"
    home.run("apply")
    assert "mail: a@example.com (mail)" in home.run("explain", "A-1").stdout, "whom it tells, in words"
    told = home.run("destinations", "list")
    assert told.returncode == 1
    assert "OPS_URL is not set" in told.stdout


def test_grouping_is_shown_writes_nothing_remote_and_databricks_is_said_not_to_heed_it(home: Home) -> None:
    home.define({"alert_id": "A-1", "notification_channels": ["mail"]})
    define(home, MAIL)
    home.json("apply")
    define(home, {**MAIL, "group_by": "severity"})
    assert home.json("apply")["requests"]["writes"] == 0
    (listed,) = home.json("destinations", "list")["destinations"]
    assert (listed["group_by"], listed["problem"]) == ("SEVERITY", None)
    assert home.json("destinations", "list")["notes"] == []
    endpoint = Endpoint.read(home.settings.workspace_root)
    databricks = {
        "ALERTING_WORKSPACE": "databricks",
        "DATABRICKS_HOST": endpoint.address,
        "DATABRICKS_TOKEN": endpoint.token,
        "DATABRICKS_WAREHOUSE_ID": "local",
    }
    for command in (["plan"], ["apply"], ["destinations", "list"]):
        note = "group_by has no effect on what Databricks sends by itself (destinations: mail)"
        assert note in home.json(*command, **databricks)["notes"], command
        assert note in " ".join(home.run(*command, **databricks).stdout.split()), command


def test_a_test_message_arrives_and_a_refusal_is_told(home: Home) -> None:
    receiver = Receiver()
    try:
        define(home, MAIL, {**SLACK, "destination_type": "WEBHOOK"})
        url = f"{receiver.url}/KNOWN-SECRET"
        sent = home.json("destinations", "test", "slack-ops", OPS_URL=url)
        assert sent["sent"]
        assert receiver.requests[0].json["event"]["kind"] == "TEST"
        assert receiver.delivery_ids == [sent["delivery_id"]]
        receiver.answer = Reply(status=404, body=b"no such hook")
        refused = home.run("destinations", "test", "slack-ops", OPS_URL=url)
        assert refused.returncode == 1
        assert "404" in refused.stdout
        metadata = home.run("destinations", "test", "slack-ops", OPS_URL="http://169.254.169.254/KNOWN-SECRET")
        assert metadata.returncode == 1
        assert "KNOWN-SECRET" not in str((sent, refused, metadata))
        assert "no mail server is set" in home.run("destinations", "test", "mail").stdout
        assert "did you mean 'mail'" in home.run("destinations", "test", "mial").stderr
        assert "OPS_URL is not set" in home.run("destinations", "test", "slack-ops").stderr
    finally:
        receiver.close()


def test_where_something_is_wrong_strict_writes_neither_alerts_nor_destinations(home: Home) -> None:
    home.define({"alert_id": "A-1", "notification_channels": ["mail"]})
    define(home, MAIL, {**SLACK, "secret_ref": URL})
    done = home.run("apply", "--strict")
    assert done.returncode != 0
    assert "slack-ops" in done.stderr
    home.define({"alert_id": "A-1", "operator": "NO_SUCH"})
    define(home, MAIL)
    assert home.run("apply", "--strict").returncode != 0
    with home.tables() as tables:
        assert tables.read("notification_destinations").num_rows == 0
        assert tables.read("alert_configurations").num_rows == 0
