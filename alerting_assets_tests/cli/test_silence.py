"""Silences at the command line: add, list, end, and what the other commands tell of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting_assets.lakehouse.tables import ALERT_SILENCES, create_tables
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.silenced import silence

pytestmark = pytest.mark.integration

ADD = ("silence", "add", "--reason", "the loader is moved", "--by", "ann")
COST, SECURITY = (
    {"alert_id": "COST-1", "alert_name": "Cost"},
    {
        "alert_id": "SEC-1",
        "alert_name": "Logins",
        "agent_domain": "SECURITY",
    },
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    with made.tables() as tables, LocalWorkspaceServer(made.settings.workspace_root, tables.query, port=0):
        create_tables(tables)
        yield made


def actions(plan: Any) -> dict[str, str]:
    return {one["alert_id"]: one["action"] for one in plan["actions"]}


def define(home: Home, *silences: dict[str, Any], file: str = "all.yml") -> None:
    folder = home.path / "alerts" / "silences"
    folder.mkdir(exist_ok=True)
    (folder / file).write_text(json.dumps({"silences": list(silences)}, default=str))


def test_from_add_to_end(home: Home) -> None:
    home.define(COST, SECURITY)
    home.json("apply")
    added = home.json(*ADD, "--id", "loader", "--match", "domain=COST", "--match", "alert=COST-*", "--for", "2h")
    assert (added["silence_id"], added["state"], added["alerts"], added["notes"]) == (
        "loader",
        "active",
        ["COST-1"],
        [],
    )
    assert "alerting apply --changed" in added["next_step"]
    (listed,) = home.json("silence", "list")["silences"]
    assert (listed["alerts"], listed["waiting"], listed["created_by"]) == (["COST-1"], ["COST-1"], "ann")
    plan = home.json("plan")
    assert actions(plan) == {"COST-1": "UPDATE", "SEC-1": "UNCHANGED"}
    assert "silences changed: it is silent" in plan["actions"][0]["reason"]

    applied = home.json("apply", "--changed")
    assert [(one["alert_id"], one["status"]) for one in applied["actions"]] == [("COST-1", "UPDATED")]
    assert home.json("silence", "list")["silences"][0]["waiting"] == []
    assert actions(home.json("plan")) == {"COST-1": "UNCHANGED", "SEC-1": "UNCHANGED"}
    (evaluated,) = home.json("evaluate", "COST-1")["evaluations"]
    assert (evaluated["evaluation_status"], evaluated["silence_id"]) == ("SUPPRESSED", "loader")
    shown = home.run("status").stdout
    assert "1 silenced" in shown
    assert "under a silence now: COST-1" in shown
    assert [one["alert_id"] for one in home.json("status", "--state", "silenced")["alerts"]] == ["COST-1"]
    explained = home.run("explain", "COST-1").stdout
    assert "by loader of ann: the loader is moved" in explained
    assert "the silence loader keeps it quiet" in explained
    assert "the present one" in explained, "what is deployed is what is configured"

    assert "ends now" in home.json("silence", "end", "loader")["outcome"]
    assert home.json("silence", "list")["silences"] == []
    assert [one["state"] for one in home.json("silence", "list", "--all")["silences"]] == ["ended"]
    assert "had ended already" in home.json("silence", "end", "loader")["outcome"]
    assert [one["status"] for one in home.json("apply", "--changed")["actions"]] == ["UPDATED"]
    (evaluated,) = home.json("evaluate", "COST-1")["evaluations"]
    assert evaluated["evaluation_status"] == "TRIGGERED"


def test_recurring_and_forced_ones_and_those_to_come(home: Home) -> None:
    home.define({**COST, "tags": {"team": "finops"}}, SECURITY)
    home.json("apply")
    weekly = ("--every", "0 0 2 ? * SUN", "--timezone", "Europe/Berlin", "--for", "2h", "--match", "tag:team=fin*")
    added = home.json(*ADD, *weekly)
    assert (added["alerts"], added["silence_id"].startswith("silence-")) == (["COST-1"], True)
    assert added["when"] == "0 0 2 ? * SUN in Europe/Berlin, for 2 hours"
    refused = home.run(*ADD, "--match", "alert=*", "--for", "31d")
    assert refused.returncode == 1
    assert "needs is_forced: true" in refused.stderr
    forced = home.json(*ADD, "--id", "long", "--match", "alert=*", "--for", "31d", "--force")
    assert forced["notes"] == ["silence long matches every alert: alert *"]
    later = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%dT%H:%M:%S}+00:00"
    nobody = home.json(*ADD, "--id", "later", "--match", "domain=QUALITY", "--from", later, "--for", "1h30m")
    assert (nobody["state"], nobody["notes"]) == ("upcoming", ["silence later matches no alert: domain QUALITY"])
    text = home.run("silence", "list").stdout
    assert all(word in text for word in ("long", "later", "2 hours", "matches no alert", "2 alerts wait for a sync"))
    assert "removed" in home.json("silence", "end", "later")["outcome"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--for", "2h"), "--match is missing"),
        (("--match", "COST", "--for", "2h"), "is no KEY=VALUE"),
        (("--match", "domian=COST", "--for", "2h"), "did you mean 'domain'"),
        (("--match", "domain=COSTS", "--for", "2h"), "did you mean 'COST'"),
        (("--match", "alert=*"), "when does it end?"),
        (("--match", "alert=*", "--for", "2h", "--until", "2030-01-01T00:00Z"), "when does it end?"),
        (("--match", "alert=*", "--for", "soon"), "is no time"),
        (("--match", "alert=*", "--until", "2030-01-01T00:00"), "has no time zone"),
        (("--match", "alert=*", "--until", "later"), "is no moment"),
        (("--match", "alert=*", "--from", "2020-01-01T00:00Z", "--for", "2h"), "is over already"),
        (("--match", "alert=*", "--every", "0 0 2 * * ?"), "--every needs --for"),
        (("--match", "alert=*", "--every", "0 0 2 * * ?", "--for", "2h"), "schedule_timezone"),
        (("--match", "alert=*", "--every", "nightly", "--for", "2h", "--timezone", "UTC"), "Quartz"),
        (("--match", "alert=*", "--for", "2h", "--id", "Not An Id"), "silence_id"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_stores_nothing(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    home = Home(tmp_path)
    done = home.run(*ADD, *arguments)
    assert done.returncode in (1, 2)
    assert words in " ".join(done.stderr.split())


def test_files_own_what_they_defined_and_a_wrong_one_costs_itself_only(home: Home) -> None:
    soon = datetime.now(UTC).replace(microsecond=0)
    times = {"starts_at": soon - timedelta(hours=1), "ends_at": soon + timedelta(hours=1)}
    home.define(COST, SECURITY)
    define(home, silence("right", **times, match_alert_ids="COST-1"), silence("wrong", starts_at=soon))
    assert actions(home.json("plan")) == {"COST-1": "CREATE", "SEC-1": "CREATE"}
    for command in ("plan", "validate", "apply", "silence list"):
        done = home.run(*command.split())
        assert "silence wrong ends_at: is missing" in done.stdout, command
        assert done.returncode == (0 if command == "plan" else 1)
    with home.tables() as tables:
        assert tables.read(ALERT_SILENCES.name)["silence_id"].to_pylist() == ["right"]
    refused = home.run("silence", "end", "right")
    assert (refused.returncode, "is defined in silences/all.yml" in refused.stderr) == (1, True)
    again = home.run(*ADD, "--id", "right", "--match", "alert=*", "--for", "1h")
    assert "is there already" in again.stderr
    assert "did you mean 'right'" in home.run("silence", "end", "rigth").stderr

    define(home, silence("right", **times, match_alert_ids="SEC-1"))
    assert {one["alert_id"]: one["status"] for one in home.json("apply", "--changed")["actions"]} == {
        "COST-1": "UPDATED",
        "SEC-1": "UPDATED",
    }
    define(home, silence("other", **times, match_alert_ids="NOBODY"))
    assert [one["alert_id"] for one in home.json("apply", "--changed")["actions"]] == ["SEC-1"]
