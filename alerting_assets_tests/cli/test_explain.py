"""`alerting explain`: why an alert fired, or did not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from alerting_assets.cli.explain import past
from alerting_assets.cli.moments import moment_of
from alerting_assets.errors import SettingsError
from alerting_assets.lakehouse.tables import ALERT_INCIDENTS
from alerting_assets.workspace.local.server import LocalWorkspaceServer
from alerting_assets_tests.cli.histories import ago, record
from alerting_assets_tests.cli.home import Home

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def server(home: Home) -> Iterator[LocalWorkspaceServer]:
    with home.tables() as tables, LocalWorkspaceServer(home.settings.workspace_root, tables.query, port=0) as running:
        yield running


@pytest.mark.integration
def test_a_firing_alert_tells_why_since_when_and_whom_it_tells(home: Home) -> None:
    home.define(
        {
            "alert_id": "A",
            "notification_channels": ["cost_alerts", "nobody_yet", "me@example.com"],
            "retrigger_seconds": 3600,
        }
    )
    record(
        home, "A", [(9, 50, "OK"), (8, None, "ERROR"), (7, 50, "OK"), (5, 150, "TRIGGERED"), (1, 1234.5, "TRIGGERED")]
    )
    found = home.json("explain", "A", ALERTING_CHANNELS="cost_alerts=fin@example.com;ops@example.com")
    assert found["headline"].startswith("A fires, since ")
    assert found["decision"] == "cost 1,234.5 is greater than 100 → met"
    assert (found["status"]["status"], found["status"]["previous"]) == ("TRIGGERED", "OK")
    assert abs(datetime.fromisoformat(found["status"]["since"]) - ago(5)) < timedelta(minutes=2)
    assert found["source"] == {"managed_by": "yaml:alerts.yml", "place": "alerts.yml:1", "notes": []}
    assert (found["owner"], found["is_enabled"], found["deployment"]) == ("finops@example.com", True, None)
    assert [one["evaluation_status"] for one in found["evaluations"]] == ["OK", "ERROR", "OK", "TRIGGERED", "TRIGGERED"]
    assert found["lines"] == [{"value": 100.0, "name": "threshold"}]
    incident = found["incident"]
    assert (incident["is_open"], incident["evaluations"], incident["peak_value"]) == (True, 2, 1234.5)
    assert found["notification"] == {
        "channels": {"cost_alerts": ["fin@example.com", "ops@example.com"], "me@example.com": ["me@example.com"]},
        "unmapped": ["nobody_yet"],
        "notify_on_ok": False,
        "retrigger_seconds": 3600,
        "silences": [],
        "because": "it names them itself (notification_channels)",
        "route_id": None,
        "problem": "",
    }
    shown = home.run("explain", "A").stdout
    for part in (
        "● fires   ○ OK   × error   ─ threshold 100",
        "before that   OK",
        f"{incident['incident_id'][:8]} (open)",
        "by nobody",
        "nobody_yet stands for nobody; see `alerting destinations list`",
        "again every 1 hour while it fires",
        "never validated in its present form",
        "comes from    alerts.yml:1",
    ):
        assert part in shown, part


@pytest.mark.integration
def test_the_past_is_told_as_the_history_says(home: Home) -> None:
    home.define({"alert_id": "A"})
    record(home, "A", [(50, 50, "OK"), (40, 150, "TRIGGERED"), (30, 50, "OK"), (2, 160, "TRIGGERED")])
    with home.tables() as tables:
        first, _ = sorted(tables.read(ALERT_INCIDENTS.name).to_pylist(), key=lambda row: row["opened_at"])
        people = {"acknowledged_by": "ann@example.com", "label": "FALSE_POSITIVE", "label_source": "ann@example.com"}
        row = {"incident_id": first["incident_id"], **people}
        tables.merge(ALERT_INCIDENTS.name, pa.Table.from_pylist([row]), on=ALERT_INCIDENTS.key, insert=False)
    then = home.json("explain", "A", "--at", "35h")
    assert (then["status"]["status"], then["status"]["previous"], then["is_past"]) == ("TRIGGERED", "OK", True)
    assert (then["incident"]["incident_id"], then["incident"]["is_open"]) == (first["incident_id"], True)
    later = home.json("explain", "A", "--at", f"{ago(20):%Y-%m-%dT%H:%M}")
    assert (later["status"]["status"], later["incident"]["is_open"]) == ("OK", False)
    assert later["incident"]["acknowledged_by"] == "ann@example.com"
    before = home.json("explain", "A", "--at", "3d ago")
    assert (before["status"], before["incident"], before["evaluations"]) == (None, None, [])
    assert "was never evaluated at or before" in before["headline"]
    shown = home.run("explain", "A", "--at", "35h").stdout
    for part in (
        "as of ",
        "A fires, since ",
        "by ann@example.com",
        "FALSE_POSITIVE, says ann@example.com",
        "Definition, as of now",
    ):
        assert part in shown, part
    now = home.json("explain", "A")
    assert now["incident"]["incident_id"] != first["incident_id"]


@pytest.mark.integration
@pytest.mark.usefixtures("server")
def test_an_alert_that_waits_says_what_for(home: Home) -> None:
    home.define(
        {"alert_id": "NEW"},
        {"alert_id": "OFF", "is_enabled": False},
        {"alert_id": "BAD", "alert_query_template": "SELECT cost\nFROM nowhere"},
    )
    reasons = home.json("explain", "NEW")["reasons"]
    assert reasons == ["It is not in the table yet: `alerting apply` loads it."]
    home.json("apply", expect=1)
    new, off, bad = (home.json("explain", name) for name in ("NEW", "OFF", "BAD"))
    assert new["headline"] == "NEW was never evaluated."
    assert any("run `alerting evaluate NEW`" in reason for reason in new["reasons"])
    assert (new["verdict"], new["deployment"]["is_current"]) == ("VALID", True)
    assert new["deployment"]["created_at"] is not None
    assert new["schedule"]["next_fire_time"] is not None
    assert any("is_enabled: false" in reason for reason in off["reasons"])
    assert off["schedule"]["next_fire_time"] is None
    assert bad["verdict"] == "INVALID"
    assert "alerts.yml:1: tables_exist" in bad["verdict_reason"]
    assert any("quarantined (INVALID)" in reason for reason in bad["reasons"])

    home.define({"alert_id": "NEW", "threshold_value_double": 7.0})
    (edited,) = home.json("explain", "NEW")["source"]["notes"]
    assert "`alerting apply` loads what it says now" in edited
    record(home, "NEW", [])
    stale = home.json("explain", "NEW")
    assert stale["deployment"]["is_current"] is False


@pytest.mark.integration
def test_an_error_a_value_that_json_has_not_and_missed_fire_times_are_told(home: Home) -> None:
    home.define({"alert_id": "A", "schedule_cron": "0 0 * * * ?", "schedule_timezone": "Asia/Kolkata"})
    record(home, "A", [(30, float("nan"), "OK"), (29, float("inf"), "TRIGGERED")])
    record(home, "A", [(28, None, "ERROR")], error_message="[/] out of memory")
    found = home.json("explain", "A")
    assert [one["value_text"] for one in found["evaluations"]] == ["nan", "inf", None]
    assert found["reasons"][0] == "The evaluation failed: [/] out of memory"
    assert 25 <= found["schedule"]["missed"] <= 28
    assert any("There is no evaluation since" in reason for reason in found["reasons"])
    shown = home.run("explain", "A").stdout
    assert "[/] out of memory" in shown
    assert "Asia/Kolkata = " in shown, "the zone's own time beside UTC"
    assert "Last evaluations" in shown, "there is nothing to draw"


@pytest.mark.integration
def test_it_fits_a_narrow_terminal_and_its_markdown_escapes_what_others_wrote(home: Home) -> None:
    home.define({"alert_id": "A", "alert_name": "<b>*Cost*</b> | [x](y) `z`" + " of a very long name" * 8})
    record(
        home, "A", [(hours, 90.0 + hours % 20, "OK" if hours % 20 < 10 else "TRIGGERED") for hours in range(40, 0, -1)]
    )
    shown = home.run_process("explain", "A", COLUMNS="80").stdout
    assert max(map(len, shown.splitlines())) <= 80
    text = home.run("explain", "A", "--markdown").stdout
    assert r"\<b\>\*Cost\*\</b\> \| \[x\](y) `z`" in text
    assert "```\n" in text
    assert "| State | |\n|---|---|\n| fires when | cost is greater than 100 |" in text
    assert home.run("explain", "A", "--markdown", "--json").returncode == 2


@pytest.mark.integration
def test_an_unknown_alert_is_answered_with_the_nearest(home: Home) -> None:
    home.define({"alert_id": "COST-001"})
    done = home.run("explain", "COST-01")
    assert (done.returncode, "did you mean 'COST-001'" in done.stderr) == (2, True)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-09", datetime(2026, 3, 9, tzinfo=UTC)),
        ("2026-03-09T08:30", datetime(2026, 3, 9, 8, 30, tzinfo=UTC)),
        ("2026-03-09 08:30:15Z", datetime(2026, 3, 9, 8, 30, 15, tzinfo=UTC)),
        ("2026-03-09T08:30+05:30", datetime(2026, 3, 9, 3, tzinfo=UTC)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d ago", NOW - timedelta(days=3)),
        ("45min", NOW - timedelta(minutes=45)),
        ("45m", NOW - timedelta(minutes=45)),
        (" 1 W ago ", NOW - timedelta(weeks=1)),
        ("30s", NOW - timedelta(seconds=30)),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, moment: datetime) -> None:
    assert moment_of("--at", text, NOW) == moment


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("yesterday", "is no moment"),
        ("2026-13-01", "is no moment"),
        ("2y", "is no moment"),
        ("999999w", "is no moment"),
        ("", "is no moment"),
        ("2026-03-10T12:00:01", "is still to come"),
    ],
)
def test_another_text_is_refused(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        past(text, NOW)
