"""`alerting status`: every alert at a glance."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from alerting_assets_tests.cli.histories import ago, record
from alerting_assets_tests.cli.home import Home

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The command changes nothing in it."""
    made = Home(tmp_path_factory.mktemp("status"))
    made.define(
        {"alert_id": "FINE", "severity": "CRITICAL", "owner": "ann@example.com"},
        {"alert_id": "FIRES", "alert_name": "Spend of a day that has a long name, as names are now and then"},
        {"alert_id": "FIRES-TOO", "severity": "CRITICAL"},
        {"alert_id": "NEVER", "owner": "ann@example.com"},
        {"alert_id": "FAILS"},
    )
    record(made, "FINE", [(2, 50, "OK"), (1, 60, "OK")])
    record(made, "FIRES", [(6, 90, "OK"), (5, 150, "TRIGGERED"), (1, 160, "TRIGGERED")])
    record(made, "FIRES-TOO", [(1, float("inf"), "TRIGGERED")])
    record(made, "FAILS", [(4, 150, "TRIGGERED")])
    record(made, "FAILS", [(3, None, "ERROR")], error_message="out of memory")
    return made


def ids(home: Home, *arguments: str) -> list[str]:
    return [item["alert_id"] for item in home.json("status", *arguments)["alerts"]]


def test_what_needs_somebody_comes_first(home: Home) -> None:
    assert ids(home) == ["FIRES-TOO", "FIRES", "FAILS", "NEVER", "FINE"]


def test_machines_get_state_since_value_and_incident(home: Home) -> None:
    found = {item["alert_id"]: item for item in home.json("status")["alerts"]}
    fires = found["FIRES"]
    assert (fires["state"], fires["value"], fires["evaluated_by"], fires["owner"]) == (
        "TRIGGERED",
        160.0,
        "own",
        "finops@example.com",
    )
    assert abs(datetime.fromisoformat(fires["since"]) - ago(5)) < timedelta(minutes=2)
    assert fires["firing_since"] == fires["since"]
    assert len(fires["incident_id"]) == 32
    assert found["FIRES-TOO"]["value"] == "inf", "JSON has no such number"
    assert found["FAILS"]["firing_since"] is not None, "an error ends no incident"
    assert (found["NEVER"]["state"], found["NEVER"]["since"], found["NEVER"]["incident_id"]) == (None, None, None)
    assert found["FINE"]["incident_id"] is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--state", "firing"), ["FIRES-TOO", "FIRES"]),
        (("--state", "error", "--state", "unknown"), ["FAILS", "NEVER"]),
        (("--state", "ok"), ["FINE"]),
        (("--owner", "ann@example.com"), ["NEVER", "FINE"]),
        (("--severity", "critical"), ["FIRES-TOO", "FINE"]),
        (("fires",), ["FIRES-TOO", "FIRES"]),
        (("long NAME",), ["FIRES"]),
        (("long", "--state", "ok"), []),
    ],
)
def test_some_can_be_chosen(home: Home, arguments: tuple[str, ...], expected: list[str]) -> None:
    assert ids(home, *arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("--state", "red"), "firing"), (("--owner", "ann@exmple.com"), "did you mean 'ann@example.com'")],
)
def test_a_wrong_choice_is_told(home: Home, arguments: tuple[str, ...], says: str) -> None:
    done = home.run("status", *arguments)
    assert (done.returncode, says in done.stderr) == (2, True)


def test_people_get_a_table_that_fits(home: Home) -> None:
    narrow = home.run_process("status", COLUMNS="80").stdout
    assert max(map(len, narrow.splitlines())) <= 80
    assert "2 firing  0 silenced  1 error  1 unknown  1 ok" in narrow
    for part in ("TRIGGERED", "5 h", "160"):
        assert part in narrow
    wide = home.run("status").stdout
    for part in ("owner", "last sync", "evaluated (UTC)", "ann@example.com"):
        assert part in wide
    assert "1 of 5 alerts" in home.run("status", "--state", "ok").stdout
