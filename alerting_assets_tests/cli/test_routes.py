"""Routes at the command line: list, show, plan, apply, explain, and what becomes of the alerts that they are about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.cli.test_destinations import subscriptions

pytestmark = pytest.mark.integration

MAIL = {"destination_id": "mail", "destination_type": "EMAIL", "email_addresses": "a@example.com", "owner": "o"}
SECURITY = {"route_id": "security", "match_domains": "SECURITY", "channels": ["soc@example.com"], "owner": "o"}
CRITICAL = {"route_id": "critical", "match_severities": "CRITICAL", "channels": ["mail"], "owner": "o"}
DEFAULT = {"route_id": "default", "channels": ["owner"], "owner": "o"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    made.define(
        {"alert_id": "COST-1", "alert_name": "Cost"},
        {"alert_id": "COST-2", "alert_name": "Big cost", "severity": "CRITICAL", "tags": {"team": "finops"}},
        {"alert_id": "SEC-1", "alert_name": "Login", "agent_domain": "SECURITY"},
        {"alert_id": "OWN-1", "alert_name": "Own", "notification_channels": ["me@example.com"]},
    )
    (tmp_path / "alerts" / "destinations").mkdir()
    (tmp_path / "alerts" / "destinations" / "all.yml").write_text(json.dumps({"destinations": [MAIL]}))
    route(made, SECURITY, CRITICAL, DEFAULT)
    with made.tables() as tables, LocalWorkspaceServer(made.settings.workspace_root, tables.query, port=0):
        yield made


def route(home: Home, *routes: dict[str, Any]) -> None:
    (home.path / "alerts" / "routing.yml").write_text(json.dumps({"routes": routes}))


def told(home: Home) -> dict[str, list[str]]:
    """Name of the alert → addresses; for a destination, its id is one word."""
    return {
        name: sorted(value if kind == "user_email" else "mail" for one in given for kind, value in one.items())
        for name, given in subscriptions(home).items()
    }


def statuses(applied: Any) -> dict[str, str]:
    return {one["alert_id"]: one["status"] for one in applied["actions"]}


def test_alerts_without_channels_tell_those_of_their_route(home: Home) -> None:
    planned = {one["alert_id"]: one["told"] for one in home.json("plan")["actions"]}
    assert planned["COST-2"] == {"added": ["mail"], "removed": []}
    assert set(statuses(home.json("apply")).values()) == {"CREATED"}
    assert told(home) == {
        "Cost": ["finops@example.com"],
        "Big cost": ["mail"],
        "Login": ["soc@example.com"],
        "Own": ["me@example.com"],
    }
    found = home.json("explain", "COST-2")["notification"]
    assert (found["channels"], found["route_id"]) == ({"mail": ["mail: a@example.com"]}, "critical")
    assert "route critical (severity CRITICAL)" in home.run("explain", "COST-2").stdout
    assert "because" not in home.run("explain", "OWN-1").stdout

    route(home, SECURITY, {**DEFAULT, "channels": ["mail", "ops@example.com"]})
    (one, other) = (one for one in home.json("plan")["actions"] if one["action"] == "UPDATE")
    assert one["told"] == {"added": ["mail", "ops@example.com"], "removed": ["finops@example.com"]}
    assert "(now told: mail, ops@example.com; no longer: finops@example.com)" in one["reason"]
    assert (other["alert_id"], other["told"]) == ("COST-2", {"added": ["ops@example.com"], "removed": []})
    changed = home.json("apply", "--changed")
    assert statuses(changed) == {"COST-1": "UPDATED", "COST-2": "UPDATED"}
    assert "Nothing changed since the last sync" in home.run("apply", "--changed").stdout
    listed = home.json("destinations", "list")["destinations"]
    assert [one["alerts"] for one in listed] == [["COST-1", "COST-2"]]


def test_a_route_to_somebody_who_is_not_there_holds_back_its_alerts_only(home: Home) -> None:
    home.json("apply")
    route(home, SECURITY, {**CRITICAL, "channels": ["mial"]}, {**DEFAULT, "channels": ["all@example.com"]})
    applied = home.json("apply", expect=1)
    assert statuses(applied) == {
        "COST-1": "UPDATED",
        "COST-2": "INVALID",
        "OWN-1": "UNCHANGED",
        "SEC-1": "UNCHANGED",
    }
    (held,) = [one["error"] for one in applied["actions"] if one["status"] == "INVALID"]
    assert held.startswith("route critical: mial is no destination; did you mean 'mail'?")
    assert told(home)["Big cost"] == ["mail"], "what is deployed stays"
    listed = home.json("routes", "list", expect=1)
    assert listed["notes"][0].startswith("route critical: mial is no destination")
    assert home.json("routes", "show", "COST-2", expect=1)["problems"][0].startswith("mial is no destination")
    notes = home.json("validate")["notes"]
    assert any(note.startswith("COST-2: route critical: mial is no destination") for note in notes)
    route(home, SECURITY, CRITICAL, DEFAULT)
    assert statuses(home.json("apply", "--changed")) == {"COST-1": "UPDATED", "COST-2": "UNCHANGED"}


@pytest.mark.thorough
def test_a_broken_file_changes_nobody_and_is_told(home: Home) -> None:
    home.json("apply")
    before = told(home)
    route(home, {**SECURITY, "channels": ["x@example.com"]}, {**CRITICAL, "match_severities": "CRITCAL"}, DEFAULT)
    for command in ("validate", "apply"):
        found = home.run(command)
        assert found.returncode == 1
        assert "route critical match_severities: 'CRITCAL' is not one of" in found.stdout
    assert told(home) == before
    listed = home.json("routes", "list", expect=1)
    assert [one["problem"] for one in listed["routes"]] == listed["problems"] * 3, "each says why it is as it was"
    assert "did you mean 'CRITICAL'" in listed["problems"][0]


def test_list_and_show_say_who_is_told_and_why(home: Home) -> None:
    listed = home.json("routes", "list")
    assert [(one["position"], one["means"], one["alerts"]) for one in listed["routes"]] == [
        (10, "domain SECURITY", ["SEC-1"]),
        (20, "severity CRITICAL", ["COST-2"]),
        (30, "every alert", ["COST-1"]),
    ]
    found = home.json("routes", "show", "COST-2")
    assert (found["channels"], found["because"]) == (
        [{"name": "mail", "leads_to": "mail: a@example.com"}],
        "route critical (severity CRITICAL)",
    )
    assert found["passed"] == [{"route_id": "security", "position": 10, "why_not": "its domain is COST"}]
    text = home.run("routes", "show", "COST-1").stdout
    assert "COST-1 (COST, WARNING) tells finops@example.com\n  because: route default (every alert)" in text
    assert "  not route critical (severity CRITICAL): its severity is WARNING" in text
    own = home.json("routes", "show", "OWN-1")
    assert (own["because"], own["route_id"]) == ("it names them itself (notification_channels)", None)
    assert home.json("routes", "show", "COST-1", "--severity", "critical")["route_id"] == "critical"
    asked = ("--domain", "cost", "--severity", "INFO", "--tag", "team=finops", "--owner", "x@example.com")
    assert home.json("routes", "show", *asked)["channels"] == [{"name": "x@example.com", "leads_to": None}]
    assert "every alert" in home.run("routes", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("NOPE",), "there is no alert 'NOPE'"),
        ((), "give an ALERT_ID, or --domain and --severity"),
        (("--domain", "MONEY", "--severity", "INFO"), "--domain 'MONEY' is not one of COST"),
        (("COST-1", "--tag", "team"), "--tag 'team' is not allowed; use name=value"),
    ],
)
def test_a_wrong_call_is_told(home: Home, arguments: tuple[str, ...], says: str) -> None:
    done = home.run("routes", "show", *arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_alerts_that_tell_nobody_are_noted(home: Home) -> None:
    route(home, SECURITY, {"route_id": "quiet", "match_alert_ids": "COST-1", "channels": [], "owner": "o"})
    notes = home.json("validate")["notes"]
    assert notes == ["COST-2 names no notification_channels, and no route means it: nobody is told"]
    shown = home.json("routes", "show", "COST-1")
    assert (shown["channels"], shown["because"]) == ([], "route quiet (alert COST-1)")
