from __future__ import annotations

import getpass
import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerting_assets.incidents.fold import Row, incident_id
from alerting_assets.incidents.store import catch_up
from alerting_assets.lakehouse.tables import ALERT_HISTORY, ALERT_INCIDENTS, ALERT_STATE, create_tables
from alerting_assets_tests.cli.home import Home
from alerting_assets_tests.incidents.histories import record, row, timeline

pytestmark = pytest.mark.integration

REOPEN = timedelta(minutes=10)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Three incidents: of B one that is over and an open one; of A one that is over, which was reopened once."""
    home = Home(tmp_path)
    home.define({"alert_id": "A"}, {"alert_id": "B"})
    evaluated(home, [*timeline("OTTOTO"), *timeline("TTO..............TE", "B")])
    return home


def evaluated(home: Home, rows: list[Row]) -> None:
    with home.tables() as tables:
        create_tables(tables)
        record(tables, rows)


def versions(home: Home) -> list[int]:
    with home.tables() as tables:
        return [tables.version(spec.name).version for spec in (ALERT_HISTORY, ALERT_STATE, ALERT_INCIDENTS)]


OPEN, OVER, OF_A = (incident_id(item) for item in (row(17, "T", alert_id="B"), row(0, "T", alert_id="B"), row(1, "T")))


def test_before_anything_fired_it_says_so(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.define({"alert_id": "A"})
    assert home.json("incidents", "list") == {"incidents": []}
    assert home.run("incidents", "list").stdout.strip() == "No incident yet: nothing has fired."


def test_the_open_ones_come_first_and_looking_writes_nothing(home: Home) -> None:
    before = versions(home)
    found = home.json("incidents", "list")["incidents"]
    assert [item["incident_id"] for item in found] == [OPEN, OF_A, OVER]
    assert (found[1]["evaluations"], found[1]["reopened"], found[1]["resolution_time_seconds"]) == (3, 1, 240.0)
    assert (found[0]["is_open"], found[0]["resolved_at"], found[1]["is_open"]) == (True, None, False)
    shown = home.run("incidents", "list").stdout
    for text in ("3 incidents", OPEN[:8], "open", "4 min", "2026-11-01 00:17"):
        assert text in shown
    assert OPEN[:9] not in shown
    assert versions(home) == before


@pytest.mark.parametrize("caught_up", [False, True])
def test_the_list_is_narrowed_by_alert_time_and_number(home: Home, caught_up: bool) -> None:
    if caught_up:
        with home.tables() as tables:
            catch_up(tables, REOPEN)
        evaluated(home, [row(30, "E", alert_id="B")])

    def listed(*arguments: str) -> list[str]:
        return [item["incident_id"] for item in home.json("incidents", "list", *arguments)["incidents"]]

    assert listed("B") == [OPEN, OVER]
    assert listed("--open") == [OPEN]
    assert listed("A", "--open") == []
    assert listed("--limit", "2") == [OPEN, OF_A]
    assert listed("--since", "2026-11-01T00:04") == [OPEN, OF_A]
    assert listed("--since", "4000w", "B") == [OPEN, OVER]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "--since", "yesterday"], "--since 'yesterday' is no moment; write it as 2026-01-31"),
        (["list", "--since", "999999w"], "--since '999999w' is no moment"),
        (["list", "AA"], "there is no alert 'AA'"),
        (["show", "zzz"], "there is no incident 'zzz'"),
        (["show", ""], "there is no incident ''"),
        (["ack", OPEN[:7] + "zz"], f"did you mean '{OPEN[:9]}'?"),
        (["label", OPEN[:8], "POSITIVE"], "label 'POSITIVE' is not allowed; use one of: TRUE_POSITIVE, FALSE_POSITIVE"),
        (["label", OPEN[:8]], "give one of TRUE_POSITIVE, FALSE_POSITIVE, or --remove"),
        (["label", OPEN[:8], "TRUE_POSITIVE", "--remove"], "and not both"),
        (["ack", OPEN[:8], "--by", " "], "--by: who says so?"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(home: Home, arguments: list[str], says: str) -> None:
    done = home.run("incidents", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_ids_that_begin_alike_are_told_apart(home: Home) -> None:
    """Incidents are added until two of them begin with the same digit."""
    evaluated(home, [item for number in range(17) for item in timeline("TO", f"C{number}")])
    ids = sorted(item["incident_id"] for item in home.json("incidents", "list", "--limit", "50")["incidents"])
    assert len(ids) == 20
    alike = next(first for first, second in itertools.pairwise(ids) if first[0] == second[0])
    done = home.run("incidents", "show", alike[0])
    assert done.returncode == 2
    assert "ids begin like that" in done.stderr
    assert alike in done.stderr


def test_one_incident_is_shown_with_its_evaluations(home: Home) -> None:
    shown = home.json("incidents", "show", OF_A[:8].upper())
    assert (shown["incident"]["incident_id"], shown["incident"]["seconds"]) == (OF_A, 240.0)
    assert [item["evaluation_status"] for item in shown["evaluations"]] == [
        "TRIGGERED",
        "TRIGGERED",
        "OK",
        "TRIGGERED",
        "OK",
    ]
    text = home.run("incidents", "show", OF_A).stdout
    for expected in (
        OF_A,
        "resolved:     2026-11-01 00:05",
        "took:         4 min",
        "reopened:     once",
        "5 evaluations",
    ):
        assert expected in text
    with home.tables() as tables:
        catch_up(tables, REOPEN)
        tables.delete_where(ALERT_HISTORY.name, "evaluated_at < '2026-11-01T00:04:00Z'")
    assert "older than the history that is kept" in home.run("incidents", "show", OF_A).stdout


def test_who_acknowledges_first_stays(home: Home) -> None:
    def said(noted: dict[str, Any]) -> tuple[Any, Any]:
        return noted["incident"]["acknowledged_by"], noted["incident"]["acknowledged_at"]

    first = home.json("incidents", "ack", OPEN[:8], "--by", "ann")
    assert said(first)[0] == "ann"
    assert said(home.json("incidents", "ack", OPEN[:8], "--by", "bob")) == said(first)
    assert "acknowledged by ann, " in home.run("incidents", "ack", OPEN[:8], "--by", "bob").stdout
    evaluated(home, [row(19, "T", alert_id="B"), row(20, "O", alert_id="B")])
    (newest, *_) = home.json("incidents", "list", "B")["incidents"]
    assert (newest["acknowledged_by"], newest["evaluations"], newest["is_open"]) == ("ann", 2, False)
    assert home.json("incidents", "ack", OVER)["incident"]["acknowledged_by"] == getpass.getuser()


def test_a_label_is_set_replaced_removed_and_survives_a_rebuild(home: Home) -> None:
    def label(*arguments: str) -> tuple[Any, ...]:
        noted = home.json("incidents", "label", OF_A[:8], *arguments)["incident"]
        return noted["label"], noted["label_source"]

    assert label("true_positive", "--by", "ann") == ("TRUE_POSITIVE", "ann")
    assert label("FALSE_POSITIVE", "--by", "bob") == ("FALSE_POSITIVE", "bob")
    before = versions(home)
    assert label("FALSE_POSITIVE", "--by", "bob") == ("FALSE_POSITIVE", "bob")
    assert versions(home) == before, "the same label once more is no change"
    rebuilt = home.json("incidents", "rebuild")
    assert (rebuilt["states"], rebuilt["incidents"]) == (2, 3)
    assert {name: count for name, count in rebuilt.items() if count} == {"states": 2, "incidents": 3}
    assert "FALSE_POSITIVE" in home.run("incidents", "list").stdout
    assert label("--remove") == (None, None)
    assert home.run("incidents", "rebuild").stdout.splitlines() == [
        "2 alerts: 0 changed, 0 removed",
        "3 incidents: 0 added, 0 changed, 0 removed",
    ]
