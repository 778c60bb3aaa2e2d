"""Silences are deployed with the alerts that they are about, and end with nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from alerting_assets.alerts.marker import read_marker
from alerting_assets.alerts.silences import parse_silence
from alerting_assets.alerts.windows import read_windows
from alerting_assets.configuration import Row, read_rows, silences_in, to_alerts
from alerting_assets.configuration.listed import table_of
from alerting_assets.configuration.silences import SILENCE, silence_notes, silence_problems
from alerting_assets.deployment import (
    DesiredAlert,
    Plan,
    Reason,
    Syncer,
    Work,
    held_back_notes,
    silenced_alerts,
    with_silences,
)
from alerting_assets.deployment.apply import SyncResult
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS, ALERT_SILENCES
from alerting_assets.workspace import open_workspace
from alerting_assets_tests.deployment.test_work import write_back
from alerting_assets_tests.deployment.world import LOCAL, NOW, World, counts
from alerting_assets_tests.silenced import silence

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
HOST = "local"


class Quiet:
    """A world with silences, and a clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = NOW

    def silence(self, silence_id: str, start: float = 0, hours: float = 2, **fields: Any) -> None:
        """start: hours from NOW."""
        times = {"starts_at": NOW + start * HOUR, "ends_at": NOW + (start + hours) * HOUR}
        self.store({**parse_silence(silence(silence_id, **{**times, **fields})).row()})

    def store(self, row: Row) -> None:
        whole = {**dict.fromkeys(ALERT_SILENCES.column_names), **row, "created_at": NOW}
        table = table_of(SILENCE, ALERT_SILENCES.column_names, [whole])
        self.world.lakehouse.merge(ALERT_SILENCES.name, table, on=["silence_id"])

    def desired(self) -> tuple[Sequence[Row], Sequence[DesiredAlert]]:
        rows = read_rows(self.world.lakehouse)
        silences = silences_in(self.world.lakehouse, self.now)
        alerts = silenced_alerts(to_alerts(rows, LOCAL), rows, silences, HOST)
        return rows, [DesiredAlert.deploy(alert.compiled) for alert in alerts if alert.compiled]

    def sync(self, **options: Any) -> SyncResult:
        return self.world.sync(self.desired, **options)

    def plan(self) -> Plan:
        syncer = Syncer(open_workspace(self.world.settings), "test", 8)
        return syncer.plan(*self.desired(), syncer.registry(self.world.lakehouse))

    def due(self) -> set[str]:
        """Whom the sensor would wake a sync for."""
        version = self.world.lakehouse.version(ALERT_CONFIGURATIONS.name)
        found = with_silences(Work(frozenset(), "nothing", version, ""), self.world.lakehouse, HOST, self.now)
        assert found.alert_ids is not None
        return set(found.alert_ids)

    def body(self, alert_id: str) -> dict[str, Any]:
        """As the workspace holds it."""
        markers = [(read_marker(body["query_text"]), body) for body in self.world.remote()]
        (found,) = [body for marker, body in markers if marker and marker.alert_id == alert_id]
        return found

    def text(self, alert_id: str) -> str:
        return str(self.body(alert_id)["query_text"])

    def assert_settled(self) -> None:
        """Nothing is to be done, and a sync writes nothing."""
        assert (self.due(), self.plan().pending) == (set(), [])
        writes, version = len(self.world.writes()), self.world.lakehouse.version(ALERT_CONFIGURATIONS.name)
        self.sync()
        assert len(self.world.writes()) == writes
        assert self.world.lakehouse.version(ALERT_CONFIGURATIONS.name) == version


@pytest.fixture
def quiet(world: World) -> Quiet:
    return Quiet(world)


def only_what_matches_is_written(quiet: Quiet, silences: int, alerts: int) -> None:
    world = quiet.world
    world.configure(*(f"COST-{number}" for number in range(alerts)))
    quiet.sync()
    before = len(world.writes())
    for number in range(silences):
        quiet.silence(f"s-{number}", match_alert_ids=f"COST-{number}", start=number % 3)
    silent = {f"COST-{number}" for number in range(silences)}
    assert quiet.due() == silent
    assert counts(quiet.sync()) == {"UPDATED": silences, "UNCHANGED": alerts - silences}
    assert len(world.writes()) == before + silences
    quiet.assert_settled()

    quiet.now = NOW + timedelta(days=2)
    quiet.assert_settled()
    assert not [action for action in quiet.plan().actions if action.is_drift]


def test_only_the_alerts_that_match_are_written_and_none_when_the_silences_have_ended(quiet: Quiet) -> None:
    only_what_matches_is_written(quiet, silences=10, alerts=40)


@pytest.mark.thorough
def test_a_hundred_silences_on_a_thousand_alerts(quiet: Quiet) -> None:
    only_what_matches_is_written(quiet, silences=100, alerts=1000)


def test_the_plan_says_that_it_is_because_of_a_silence(quiet: Quiet) -> None:
    quiet.world.configure("A", "B")
    quiet.sync()
    quiet.silence("quiet", start=1, match_alert_ids="A")
    (update,) = quiet.plan().pending
    assert (update.alert_id, update.why) == ("A", Reason.SILENCES)
    assert update.reason == "silences changed: it is silent 2026-11-01 13:00 to 15:00 UTC by quiet"
    quiet.world.configure("A", severity="CRITICAL")
    assert quiet.plan().pending[0].why is Reason.CHANGED


def test_an_alert_that_tells_of_recoveries_does_not_while_it_may_be_silent_and_does_again_afterwards(
    quiet: Quiet,
) -> None:
    quiet.world.configure("A", notify_on_ok=True)
    quiet.sync()
    plain = quiet.text("A")
    quiet.silence("quiet", start=1)
    quiet.sync()
    assert quiet.body("A")["evaluation"]["notification"]["notify_on_ok"] is False
    quiet.assert_settled()

    quiet.now = NOW + 3 * HOUR
    assert quiet.due() == {"A"}
    (update,) = quiet.plan().pending
    assert update.reason == "silences changed: none is to come, so it gets its own form back"
    quiet.sync()
    assert quiet.body("A")["evaluation"]["notification"]["notify_on_ok"] is True
    assert quiet.text("A") == plain
    quiet.assert_settled()


@pytest.mark.thorough
def test_ended_windows_go_with_the_next_change_of_the_alert(quiet: Quiet) -> None:
    quiet.world.configure("A")
    quiet.sync()
    quiet.silence("quiet")
    quiet.sync()
    quiet.now = NOW + 3 * HOUR
    assert "quiet" in quiet.text("A")
    quiet.world.configure("A", threshold_value_double=5.0)
    assert counts(quiet.sync()) == {"UPDATED": 1}
    assert "quiet" not in quiet.text("A")
    assert quiet.world.row("A")["applied_silences"] is None
    quiet.assert_settled()


@pytest.mark.thorough
def test_what_people_change_in_the_workspace_is_drift_under_a_silence_too(quiet: Quiet) -> None:
    quiet.world.configure("A")
    quiet.silence("quiet")
    quiet.sync()
    (body,) = quiet.world.remote()
    for moment in (NOW, NOW + 3 * HOUR):
        quiet.now = moment
        changed = {"display_name": "by hand"}
        path = f"/api/2.0/alerts/{body['id']}"
        quiet.world.request("PATCH", path, params={"update_mask": "display_name"}, json={**body, **changed})
        (update,) = quiet.plan().pending
        assert (update.why, [field.path for field in update.fields]) == (Reason.DRIFTED, ["display_name"])
        quiet.sync()
        quiet.assert_settled()


@pytest.mark.thorough
def test_a_silence_that_is_taken_back_or_moved_is_deployed_anew(quiet: Quiet) -> None:
    quiet.world.configure("A", "B")
    quiet.silence("quiet", match_alert_ids="A")
    quiet.sync()
    quiet.silence("quiet", match_alert_ids="B", hours=3)
    assert quiet.due() == {"A", "B"}
    assert counts(quiet.sync()) == {"UPDATED": 2}
    assert read_windows(quiet.world.row("B")["applied_silences"])[0].end == NOW + 3 * HOUR
    quiet.now = NOW + HOUR
    quiet.silence("quiet", match_alert_ids="B", hours=1)
    assert quiet.due() == {"B"}, "it ends now, and not in two hours"
    quiet.sync()
    quiet.assert_settled()


def test_a_recurring_silence_is_written_about_once_a_month(quiet: Quiet) -> None:
    quiet.world.configure("A")
    weekly = {"schedule_cron": "0 0 2 ? * SUN", "schedule_timezone": "Europe/Berlin", "duration_minutes": 120}
    quiet.silence("weekly", **weekly, starts_at=None, ends_at=None)
    quiet.sync()
    written = []
    for day in range(0, 70, 6):
        quiet.now = NOW + timedelta(days=day)
        if quiet.due():
            quiet.sync()
            written.append(f"{quiet.now:%m-%d}")
    assert [day[:2] for day in written] == ["12", "01"]


@pytest.mark.thorough
def test_a_disabled_alert_waits_until_it_is_enabled(quiet: Quiet) -> None:
    quiet.world.configure("A")
    quiet.sync()
    quiet.world.configure("A", is_enabled=False)
    quiet.sync()
    quiet.silence("quiet")
    quiet.assert_settled()
    quiet.world.configure("A")
    quiet.sync()
    assert "quiet" in quiet.text("A")


@pytest.mark.thorough
def test_the_memory_of_what_was_deployed_may_be_lost(quiet: Quiet) -> None:
    quiet.world.configure("A")
    quiet.silence("quiet")
    quiet.sync()
    quiet.world.blank()
    quiet.sync()
    quiet.assert_settled()
    quiet.now = NOW + 3 * HOUR
    quiet.world.blank()
    quiet.sync()
    quiet.assert_settled()


def test_one_wrong_silence_silences_nothing_and_stops_no_other(quiet: Quiet) -> None:
    quiet.world.configure("A", "B")
    quiet.sync()
    quiet.silence("right", match_alert_ids="A")
    wrong = silence("wrong", starts_at=NOW, ends_at=NOW + timedelta(days=90), managed_by="sql")
    quiet.store(wrong)
    quiet.store({**wrong, "silence_id": "odd", "schedule_cron": "every day"})
    assert quiet.due() == {"A"}
    rows = quiet.world.lakehouse.read(ALERT_SILENCES.name).to_pylist()
    assert {problem.silence_id for problem in silence_problems(rows)} == {"wrong", "odd"}
    assert "is_forced" in str(silence_problems(rows)[-1]) + str(silence_problems(rows)[0])


def test_a_silence_about_nobody_or_everybody_or_one_that_is_held_back_is_told(quiet: Quiet) -> None:
    quiet.world.configure("A", "B")
    quiet.sync()
    quiet.silence("some", match_alert_ids="A")
    quiet.silence("nobody", match_domains="QUALITY")
    quiet.silence("everybody")
    quiet.silence("over", start=-9, match_domains="QUALITY")
    write_back(quiet.world.lakehouse, "B", last_sync_status="INVALID")  # type: ignore[arg-type]
    rows, silences = read_rows(quiet.world.lakehouse), silences_in(quiet.world.lakehouse, NOW)
    assert silence_notes(silences, rows) == [
        "silence everybody matches every alert: every alert",
        "silence nobody matches no alert: domain QUALITY",
    ]
    (note,) = held_back_notes(silences, rows)
    assert note.startswith("B is held back, so what is deployed of it goes on without everybody")
    assert quiet.due() == {"A"}, "no sync can silence B"


def test_no_work_is_found_twice_and_other_work_is_kept(quiet: Quiet) -> None:
    quiet.world.configure("A")
    quiet.sync()
    quiet.silence("quiet")
    version = quiet.world.lakehouse.version(ALERT_CONFIGURATIONS.name)
    known = Work(frozenset({"B"}), "1 changed", version, "change")
    found = with_silences(known, quiet.world.lakehouse, HOST, NOW)
    again = with_silences(known, quiet.world.lakehouse, HOST, NOW + timedelta(minutes=5))
    assert (found.alert_ids, found.reason) == ({"A", "B"}, "1 changed, silences of 1 alerts")
    assert found.change == again.change != known.change, "one change is one run, however often it is looked at"
    everybody = Work(None, "all", version, "change")
    assert with_silences(everybody, quiet.world.lakehouse, HOST, NOW) == everybody
